"""Whether the options that say where a command runs go together."""

from __future__ import annotations

from danlu.errors import ConfigError


def require_placement(
    what: str, *, uses_ray: bool, head: str | None = None, ray_address: str | None = None, cpus: int | None = None
) -> None:
    """Raise for an option that would have no effect.

    Args:
        what: the command (`danlu compress`).
        uses_ray: whether it runs on a Ray at all.
        head: `--on`. ray_address: `--ray-address`. cpus: `--cpus`.

    Raises:
        ConfigError: names the option and why it says nothing here.
    """
    given = [name for name, value in (("--ray-address", ray_address), ("--cpus", cpus)) if value is not None]
    if not given:
        return
    if head is not None:
        rule = "--on submits the job to a cluster, which has its own Ray and CPUs"
    elif not uses_ray:
        rule = f"{what} runs without Ray"
    elif len(given) == 2:
        rule = "--cpus is what a local Ray counts, and --ray-address joins one that runs"
    else:
        return
    raise ConfigError(f"{what} with {' and '.join(given)}", rule=rule, fix=f"leave out {given[-1]}")
