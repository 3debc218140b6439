"""Whether a run may begin or go on in a folder, judged by what an earlier one left there."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import yaml

from danlu.errors import ConfigError
from danlu.lineage import LINEAGE_FILE, Lineage

CONFIG_FILE = "config.yaml"
REPORT_FILE = "report.json"
STATE_FOLDER = "_state"

_PART = ".part"  # of a file that was not written to its end
_PLACES = {STATE_FOLDER: -2, REPORT_FILE: -1, CONFIG_FILE: 1, LINEAGE_FILE: 2}


def removal_order(names: list[str]) -> list[str]:
    """The entries of a run directory in the order that --fresh removes them.

    What says that steps and the run have ended goes first, and what makes the folder a run goes last. So whenever the
    removal is stopped, nobody takes the rest for whole, the old run is named as long as anything of it is left, and
    --fresh can be given again.
    """
    return sorted(names, key=lambda name: (_PLACES.get(name, 0), name))


def require_same_job(output: str, job: str, earlier: Lineage) -> None:
    """Raise unless the run in `output` is one of `job`.

    Raises:
        ConfigError: names the job whose run it is.
    """
    if earlier.job != job:
        rule = f"it holds a run of `danlu {earlier.job}`"
        raise ConfigError(f"output is {output!r}", rule=rule, fix="choose another output, or remove that run yourself")


def require_same_run(
    output: str, before: str, earlier: Lineage, config: str, lineage: Lineage, changeable: Collection[str] = ()
) -> str:
    """Raise unless the run in `output` had these settings and inputs.

    Args:
        before, earlier: its config.yaml and its lineage.
        config, lineage: those of the run that is to go on there.
        changeable: keys that may differ; the name of a block stands for all its keys.

    Returns:
        The changeable keys that do differ, with both values, or nothing.

    Raises:
        ConfigError: names the keys that differ, or says that the input does.
    """
    differing = _differences(yaml.safe_load(before), yaml.safe_load(config))
    changed = {key: text for key, text in differing.items() if not lies_in(key, changeable)}
    if changed:
        rule = f"it holds a run with other settings: {', '.join(changed.values())}"
    elif not earlier.same_inputs(lineage):
        rule = "the input has changed since that run began"
    else:
        return ", ".join(differing.values())
    fix = "choose another output, or add --fresh to remove what is there and start anew"
    raise ConfigError(f"output is {output!r}", rule=rule, fix=fix)


def has_done_nothing(names: list[str]) -> bool:
    """Whether a run with these entries was refused or stopped before it did anything: another may take its place."""
    return {CONFIG_FILE, LINEAGE_FILE} == {name for name in names if not name.endswith(_PART)}


def require_unused(output: str, before: str | None, earlier: Lineage | None, names: list[str]) -> None:
    """Raise when a new run in a folder without a whole earlier one would take over what it did not write.

    Args:
        before: the text of a config.yaml there. earlier: the lineage there, where readable. One of them is None.
        names: what lies in the folder.

    Raises:
        ConfigError: files of the user's own, or markers of a run that is not whole.
    """
    if before is not None:
        raise ConfigError(
            f"output is {output!r}",
            rule=f"a run would overwrite the {CONFIG_FILE} there, which is no run's (no readable {LINEAGE_FILE})",
            fix="choose another output, or move that file",
        )
    if STATE_FOLDER in names:
        raise ConfigError(
            f"output is {output!r}",
            rule=f"it holds finished steps ({STATE_FOLDER}) of a run that has lost its {CONFIG_FILE} or {LINEAGE_FILE}",
            fix="add --fresh to start anew" if earlier is not None else "choose another output, or empty the folder",
        )
    foreign = [name for name in names if not name.endswith(_PART)] if earlier is None else []
    if foreign:
        raise ConfigError(
            f"output is {output!r}",
            rule=f"the folder holds files that are no run's, such as {min(foreign)}",
            fix="choose a folder that is empty or not there yet",
        )


def _differences(before: Any, after: Any, prefix: str = "") -> dict[str, str]:
    """{key: what it was and is now}; where the output lies makes no difference."""
    if isinstance(before, dict) and isinstance(after, dict):
        keys = [k for k in {**before, **after} if k != "output" or prefix]
        found = [_differences(before.get(k), after.get(k), f"{prefix}{k}.") for k in keys]
        return {key: text for part in found for key, text in part.items()}
    key = prefix.rstrip(".")
    return {} if before == after else {key: f"{key} was {before!r} and is now {after!r}"}


def lies_in(key: str, blocks: Collection[str]) -> bool:
    """Whether a dotted key is one of these, or of one of these blocks."""
    parts = key.split(".")
    return any(".".join(parts[:depth]) in blocks for depth in range(1, len(parts) + 1))
