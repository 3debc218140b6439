"""`danlu plan` on the terminal and for programs."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from cluster.command import cli
from danlu.errors import ResourceError

REPOSITORY = Path(__file__).resolve().parents[2]
EXAMPLES = REPOSITORY / "examples" / "plans"
SMALL = ["model.size=8b", "cluster.preset=h100", "cluster.cards=64"]


def plan(*arguments: str) -> Result:
    return CliRunner().invoke(cli, ["plan", *arguments], catch_exceptions=False)


def test_the_table_is_aligned_and_the_best_explained() -> None:
    lines = plan(*SMALL, "tokens=1e12", "cluster.price_per_card_hour=2").output.splitlines()
    head = next(number for number, line in enumerate(lines) if line.lstrip().startswith("data"))
    rows = lines[head : head + 11]
    assert len({len(row) for row in rows}) == 1
    assert rows[0].split()[-2:] == ["days", "cost"]
    best = dict(zip(rows[1].split(), rows[1].split(), strict=True))
    assert best and any(line.startswith("Best: data ") for line in lines)
    assert any("data parallelism with ZeRO-" in line and "longer" in line for line in lines)


def test_json_holds_every_layout() -> None:
    rows = json.loads(plan(*SMALL, "days=7.2", "--json").output)
    assert len(rows) > 10
    assert all(row["days"] == 7.2 and row["tokens"] > 0 and row["cost"] is None for row in rows)
    totals = [row["step_s"]["total"] for row in rows]
    assert totals[0] == min(totals)
    for row in rows:
        axes = row["parallel"]
        assert axes["data"] * axes["pipeline"] * axes["tensor"] == 64
        assert row["memory_bytes"]["total"] == pytest.approx(sum(row["memory_bytes"].values()) / 2)


def test_days_are_told_in_tokens() -> None:
    output = plan(*SMALL, "days=7.2").output
    assert "at 45% MFU" in output and "20 tokens per parameter" in output


def test_efficiency_filters() -> None:
    rows = json.loads(plan(*SMALL, "min_efficiency=0.97", "--json").output)
    assert rows and all(row["weak_scaling"]["efficiency"] >= 0.97 for row in rows)
    with pytest.raises(ResourceError, match="the most is"):
        plan(*SMALL, "min_efficiency=1.0")


def test_too_small_a_cluster_is_told_what_it_lacks() -> None:
    with pytest.raises(ResourceError, match=r"needs .* GiB per card, .* GiB are usable"):
        plan("model.size=8b", "cluster.preset=h100", "cluster.cards=1")


@pytest.mark.parametrize("file", sorted(EXAMPLES.glob("*.yaml")), ids=lambda file: file.stem)
def test_the_examples_have_an_answer(file: Path) -> None:
    assert "Best: " in plan(str(file)).output


def test_the_planner_needs_neither_torch_nor_ray() -> None:
    script = (
        "import sys\n"
        "from click.testing import CliRunner\n"
        "from cluster.command import cli\n"
        f"assert not CliRunner().invoke(cli, ['plan', *{SMALL}]).exception\n"
        "assert not {'torch', 'ray', 'transformers'} & set(sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", script], check=True, timeout=120)


def answers_in_the_handbook() -> list[tuple[str, str]]:
    """(arguments of `danlu plan`, the answer that docs/training.md shows)."""
    page = (REPOSITORY / "docs" / "training.md").read_text(encoding="utf-8")
    return re.findall(r"^\$ danlu (plan examples/plans/.*)\n((?:.*\n)*?)```", page, flags=re.MULTILINE)


@pytest.mark.parametrize(("command", "answer"), answers_in_the_handbook())
def test_the_handbook_shows_present_answers(command: str, answer: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(REPOSITORY)
    found = CliRunner().invoke(cli, command.split(), env={"COLUMNS": "140"})
    assert found.exit_code == 0, found.output
    assert [line.rstrip() for line in found.stdout.splitlines()] == answer.splitlines()


def test_the_handbook_has_answers() -> None:
    assert len(answers_in_the_handbook()) == 4
