"""The command surface. A change here is a change for every user: make it on purpose."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner

from cluster.arguments import split_arguments
from cluster.command import cli, farewell
from cluster.jobs import JOBS
from cluster.schema import key_table
from danlu.errors import ConfigError

ROOT = Path(__file__).resolve().parents[2]

COMMANDS = [
    *["clean", "train", "compress", "understand", "index", "evaluate", "dashboards"],
    *["serve", "chat", "plan", "demo", "schema", "lineage", "explain", "doctor", "key", "keys", "completion"],
]
JOB_OPTIONS = {"--dry-run", "--fresh", "--on", "--ray-address", "--cpus", "--help"}


def danlu(*arguments: str, **settings: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "cluster.command", *arguments]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.run(command, capture_output=True, text=True, timeout=120, env=environment, **settings)  # type: ignore[call-overload,no-any-return]


def test_the_commands_are_these() -> None:
    assert list(cli.commands) == COMMANDS


@pytest.mark.parametrize("job", JOBS)
def test_the_options_of_a_job_are_these(job: str) -> None:
    options = {option for parameter in cli.commands[job].params for option in parameter.opts if option.startswith("--")}
    assert options | {"--help"} == JOB_OPTIONS


@pytest.mark.parametrize("job", [*JOBS, "serve", "plan", "demo"])
def test_schema_is_json_and_strict(job: str) -> None:
    result = CliRunner().invoke(cli, ["schema", job])
    schema = json.loads(result.output)
    assert schema["additionalProperties"] is False


@pytest.mark.parametrize("job", JOBS)
def test_every_key_is_described(job: str) -> None:
    rows = key_table(JOBS[job].config_class())
    assert not [key for key, _, description in rows if not description]


@pytest.mark.parametrize("job", JOBS)
def test_help_lists_the_keys(job: str) -> None:
    output = CliRunner().invoke(cli, [job, "--help"]).output
    assert "output  [" in output and "--dry-run" in output


def test_help_lists_the_keys_of_serve_and_demo() -> None:
    output = CliRunner().invoke(cli, ["serve", "--help"]).output
    for key in ("models[].path  [required]", "port  [8000]", "customer_service.flows", "code_generation.repair_rounds"):
        assert key in output
    assert "pretrain_steps  [100]" in CliRunner().invoke(cli, ["demo", "--help"]).output


@pytest.mark.parametrize("job", ["train", "serve"])
def test_help_needs_no_heavy_library(job: str) -> None:
    code = "import sys; from click.testing import CliRunner; from cluster.command import cli;"
    code += f"CliRunner().invoke(cli, ['{job}', '--help']); print([m for m in ('ray', 'torch') if m in sys.modules])"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, timeout=60)
    assert result.stdout.strip() == "[]"


def test_dry_run_prints_the_resolved_config_and_writes_nothing(tmp_path: Path) -> None:
    result = danlu("index", "input=docs", f"output={tmp_path}/run", "--dry-run")
    assert result.returncode == 0 and "input: docs" in result.stdout
    assert not (tmp_path / "run").exists()


def test_dry_run_of_clean_adds_an_estimate_and_stays_yaml(tmp_path: Path) -> None:
    (tmp_path / "raw.txt").write_text("银行卡丢失后，请先在手机上挂失，然后补办。\n" * 30, encoding="utf-8")
    result = danlu("clean", f"input={tmp_path}/raw.txt", f"output={tmp_path}/run", "--dry-run", "--cpus", "7")
    assert result.returncode == 0 and result.stderr == ""
    assert yaml.safe_load(result.stdout)["input"] == f"{tmp_path}/raw.txt"
    notes = [line for line in result.stdout.splitlines() if line.startswith("#")]
    assert any("documents    about 30" in line for line in notes)
    assert any("with 7 workers" in line for line in notes)
    assert not (tmp_path / "run").exists()


def test_dry_run_of_clean_refuses_what_the_run_would(tmp_path: Path) -> None:
    (tmp_path / "raw.csv").write_text("id,content\n1,甲\n", encoding="utf-8")
    arguments = ("clean", f"input={tmp_path}/raw.csv", f"output={tmp_path}/run")
    dry, real = danlu(*arguments, "--dry-run"), danlu(*arguments)
    assert dry.returncode == real.returncode == 2
    assert dry.stderr in real.stderr and "text_field=content" in dry.stderr


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("clean", "inptu=a"), 2, "did you mean input?"),
        (("clean", "input=a"), 2, "missing key output"),
        (("clean", "nowhere.yaml"), 2, "nowhere.yaml does not exist"),
        (("clean", "input=nowhere", "output={tmp}/run"), 2, "no such file or folder"),
        (("clean", "a.yaml", "b.yaml"), 2, "at most one config file"),
        (("demo", "--only", "cook"), 2, "the stages are clean"),
        (("lineage", "{tmp}"), 2, "no run directory"),
        (("explain", "{tmp}", "a"), 2, "no run directory"),
        (("serve",), 2, "needs a config or a model folder"),
        (("clean", "a.yaml", "filters.min_quality"), 2, "Fix: write filters.min_quality=VALUE"),
        (("serve", "{tmp}", "gateway.audit.folder"), 2, "Fix: write gateway.audit.folder=VALUE"),
        (("serve", "modles=[]"), 2, "`danlu schema serve` lists every key"),
        (("serve", "{tmp}", "--ray-address", "auto", "--cpus", "2"), 2, "leave out --cpus"),
        (("clean", "input=foo://x", "output={tmp}/run"), 2, "input is 'foo://x'"),
        (("clean", "input=a", "output={tmp}/run", "--on", "head:8265"), 2, "--on is 'head:8265'"),
        (("clean", "input=a", "output={tmp}/run", "--on", "http://h:1", "--cpus", "2"), 2, "clean with --cpus"),
        (("dashboards", "output={tmp}/run", "--cpus", "2"), 2, "danlu dashboards runs without Ray"),
        (("demo", "--only", "compress", "--fresh"), 2, "leave one of them out"),
        (("demo", "output={tmp}/demo", "workers=64"), 1, "danlu demo workers="),
        (("clean", "input=2024-13-45", "output={tmp}/run"), 2, "input is '2024-13-45': no such file"),
        (("cook",), 2, "No such command 'cook'"),
    ],
)
def test_a_users_mistake_is_one_message(tmp_path: Path, arguments: tuple[str, ...], code: int, words: str) -> None:
    result = danlu(*(argument.format(tmp=tmp_path) for argument in arguments), cwd=tmp_path)
    assert result.returncode == code
    assert words in result.stderr and "Traceback" not in result.stderr


CUT_OFF = """
import sys
from cluster import command
sys.argv = ["danlu", "doctor"]
command.cli.commands["doctor"].callback = lambda: (_ for _ in ()).throw({error})
command.main()
"""


@pytest.mark.parametrize(
    ("error", "words", "unsaid"),
    [
        ("EOFError('cut off')", "EOFError: cut off", "Stopped"),
        ("KeyboardInterrupt()", "Stopped. The same command goes on", "Traceback"),
    ],
)
def test_the_end_of_a_file_is_not_taken_for_ctrl_c(error: str, words: str, unsaid: str) -> None:
    code = CUT_OFF.format(error=error)
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, timeout=60)
    assert words in result.stderr and unsaid not in result.stderr and result.returncode


def test_a_stopped_fresh_command_says_how_to_go_on() -> None:
    assert "same command without --fresh goes on" in farewell(["clean", "a.yaml", "--fresh"])
    assert farewell(["clean", "a.yaml"]) == "Stopped. The same command goes on from here."


def test_arguments_are_told_apart() -> None:
    assert split_arguments(("a.yaml", "b=1", "c.d=2")) == ("a.yaml", ["b=1", "c.d=2"])
    with pytest.raises(ConfigError):
        split_arguments(("a.yaml", "b.yaml"))


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_scripts_are_printed(shell: str) -> None:
    assert "_DANLU_COMPLETE" in CliRunner().invoke(cli, ["completion", shell]).output
