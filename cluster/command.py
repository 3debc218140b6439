"""The `danlu` command."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import click
from pydantic import BaseModel

from cluster.arguments import KeyedCommand, split_arguments
from cluster.interrupts import terminable
from cluster.job_command import job_command
from cluster.jobs import JOBS
from cluster.placement import require_placement
from cluster.schema import key_table, serve_key_table
from danlu import __version__
from danlu.config import load_config, to_yaml
from danlu.errors import DanluError
from danlu.progress import Progress

INTERRUPTED_EXIT_CODE = 130

_GROUP_HELP = """The whole life of a large language model: data, training, compression, serving, applications.

\b
Start here:
  danlu doctor                               what this machine has and lacks
  danlu demo                                 everything once, in about five minutes
  danlu clean input=raw/ output=runs/clean   one job; `danlu clean --help` lists its keys

A job takes a YAML file, key=value arguments, or both. A run that was stopped goes on with the same command.
"""
_SETTINGS = {"help_option_names": ["-h", "--help"], "max_content_width": 110}


class _Commands(click.Group):
    """Lists the jobs in the order of the chain rather than of the alphabet."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(self.commands)


@click.group(cls=_Commands, help=_GROUP_HELP, context_settings=_SETTINGS)
@click.version_option(__version__, prog_name="danlu")
def cli() -> None:
    pass


def main() -> None:
    """Entry point: users' mistakes become one message and an exit code, bugs keep their traceback."""
    try:
        # Libraries' own progress bars would run through ours; set before any of them is imported.
        os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")
        with terminable():
            cli.main(standalone_mode=False)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except (KeyboardInterrupt, click.Abort) as stop:
        if isinstance(stop.__cause__, EOFError):  # click takes the unexpected end of any file for Ctrl-D
            raise stop.__cause__ from None
        click.secho(farewell(sys.argv[1:]), fg="yellow", err=True)
        sys.exit(INTERRUPTED_EXIT_CODE)
    except DanluError as error:
        # Ray wraps what a worker raised; the cause is what the user should read.
        cause = getattr(error, "cause", None)
        shown = cause if isinstance(cause, DanluError) else error
        click.secho("Error: ", fg="red", bold=True, nl=False, err=True)
        click.echo(str(shown), err=True)
        sys.exit(shown.exit_code)


def farewell(arguments: list[str]) -> str:
    """What is said at Ctrl-C: with --fresh the same command would begin anew instead of going on."""
    if arguments[:1] == ["serve"]:
        return "Stopped."
    same = "The same command without --fresh" if "--fresh" in arguments else "The same command"
    return f"Stopped. {same} goes on from here."


for _job in JOBS.values():
    cli.add_command(job_command(_job))


@cli.command(cls=KeyedCommand, keys=serve_key_table)
@click.argument("arguments", nargs=-1, metavar="[CONFIG.yaml | MODEL-FOLDER] [key=value ...]")
@click.option(
    "--dry-run", is_flag=True, help="Check all that can be without a start, print the resolved config and stop."
)
@click.option("--deploy-config", is_flag=True, help="Print the config for `serve deploy` and stop.")
@click.option("--ray-address", metavar="ADDRESS", help="Join this Ray instead of starting a local one.")
@click.option("--cpus", type=click.IntRange(1), help="Logical CPUs of a local Ray [default: all cores].")
def serve(
    arguments: tuple[str, ...], dry_run: bool, deploy_config: bool, ray_address: str | None, cpus: int | None
) -> None:
    """Serve models and applications over HTTP until Ctrl-C."""
    from cluster.local_ray import prepare_environment

    if ray_address is None:
        prepare_environment(lasting=True)
    from cluster.serving import check_start, print_deploy_config, resolve_serve_config, serve_until_interrupted

    require_placement("danlu serve", uses_ray=True, ray_address=ray_address, cpus=cpus)
    target, overrides = split_arguments(arguments)
    config = resolve_serve_config(target, overrides)
    if dry_run:
        check_start(config, ray_address=ray_address, cpus=cpus)
        click.echo(to_yaml(config), nl=False)
    elif deploy_config:
        print_deploy_config(config)
    else:
        serve_until_interrupted(config, ray_address=ray_address, cpus=cpus)


@cli.command()
@click.option("--url", default="http://127.0.0.1:8000/v1", show_default=True, help="The gateway's address.")
@click.option("--model", help="Name of a served model [default: the first one].")
@click.option("--system", metavar="TEXT", help="What the model is told before the conversation.")
@click.option("--temperature", type=click.FloatRange(0, 2), help="0 = always the likeliest token.")
@click.option("--max-tokens", type=click.IntRange(1), help="Longest answer.")
def chat(url: str, model: str | None, system: str | None, temperature: float | None, max_tokens: int | None) -> None:
    """Talk with a served model on the terminal. The API key, where one is needed, is DANLU_API_KEY.

    With other input than a terminal, all of it is one question: `echo 你好 | danlu chat`.
    """
    from cluster.chat import Chat, api_key, converse

    given = {"temperature": temperature, "max_tokens": max_tokens}
    settings = {name: value for name, value in given.items() if value is not None}
    converse(Chat(url, model or "", system or "", settings, api_key()))


@cli.command(cls=KeyedCommand, keys=lambda: key_table(_config_class("plan")))
@click.argument("arguments", nargs=-1, metavar="[CONFIG.yaml] [key=value ...]")
@click.option("--json", "as_json", is_flag=True, help="Print all layouts as JSON instead of a table.")
def plan(arguments: tuple[str, ...], as_json: bool) -> None:
    """Say which layouts can train a network on a cluster, how quickly, and which is best."""
    from cluster.planning import print_plan
    from pipelines.training.planner.config import PlanConfig

    config_file, overrides = split_arguments(arguments)
    print_plan(load_config(PlanConfig, config_file, overrides), as_json=as_json)


@cli.command(cls=KeyedCommand, keys=lambda: key_table(_config_class("demo")))
@click.argument("arguments", nargs=-1, metavar="[CONFIG.yaml] [key=value ...]")
@click.option("--only", metavar="STAGE", help="Run one stage on what the others left.")
@click.option("--fresh", is_flag=True, help="Remove an earlier demo first.")
def demo(arguments: tuple[str, ...], only: str | None, fresh: bool) -> None:
    """Run the whole chain once on example material."""
    from cluster.demo.config import DemoConfig
    from cluster.demo.run import run_demo

    config_file, overrides = split_arguments(arguments)
    config = load_config(DemoConfig, config_file, overrides)
    if not run_demo(config, Progress(), only=only, fresh=fresh):
        sys.exit(1)


@cli.command()
@click.argument("job", type=click.Choice([*JOBS, "serve", "plan", "demo"]))
def schema(job: str) -> None:
    """Print the JSON schema of a job's config."""
    click.echo(json.dumps(_config_class(job).model_json_schema(by_alias=True), ensure_ascii=False, indent=2))


def _config_class(job: str) -> type[BaseModel]:
    if job in JOBS:
        return JOBS[job].config_class()
    if job == "serve":
        from serve_apps.config import ServeConfig

        return ServeConfig
    if job == "plan":
        from pipelines.training.planner.config import PlanConfig

        return PlanConfig
    from cluster.demo.config import DemoConfig

    return DemoConfig


@cli.command()
@click.argument("path")
def lineage(path: str) -> None:
    """Show where a run came from: inputs, code, and the runs before it."""
    from cluster.family import print_lineage

    print_lineage(path)


@cli.command()
@click.argument("run")
@click.argument("id", metavar="ID")
def explain(run: str, id: str) -> None:
    """Show why a document of a cleaning run was dropped or kept, and its text.

    RUN is the run's folder. ID is a document's id, or enough of its beginning to tell it from all others.
    """
    from cluster.explain import print_explanation

    print_explanation(run, id)


@cli.command()
def doctor() -> None:
    """Say what this machine has and what it lacks."""
    from cluster.doctor import print_examination

    if not print_examination():
        sys.exit(1)


@cli.command()
@click.argument("name")
@click.option("--file", "file", default="keys.txt", show_default=True, help="The keys file that auth.keys_file names.")
@click.option("--requests-per-minute", type=click.IntRange(1, 10**15 - 1), help="Requests it may make in a minute.")
@click.option("--tokens-per-minute", type=click.IntRange(1, 10**15 - 1), help="Tokens it may take in a minute.")
@click.option("--budget", type=click.IntRange(0, 10**15 - 1), help="Tokens it may take in all.")
def key(
    name: str, file: str, requests_per_minute: int | None, tokens_per_minute: int | None, budget: int | None
) -> None:
    """Make an API key: shown once, its hash added to the file, its limits behind it.

    Limits change with the line in the file, also while the gateway runs.
    """
    from cluster.keys import add_key
    from serve_apps.gateway.limits import Limits

    click.echo(add_key(name, Path(file), Limits(requests_per_minute, tokens_per_minute, budget)))


@cli.command()
@click.option("--file", "file", default="keys.txt", show_default=True, help="The keys file that auth.keys_file names.")
@click.option("--usage-file", "usage_file", help="What auth.usage_file names [default: the keys file's, and .usage].")
def keys(file: str, usage_file: str | None) -> None:
    """List the API keys of a file: their limits, and what each has taken."""
    from cluster.keys import print_keys

    print_keys(Path(file), None if usage_file is None else Path(usage_file))


@cli.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def completion(shell: str) -> None:
    """Print a completion script, for: eval "$(danlu completion bash)"."""
    from click.shell_completion import get_completion_class

    script = get_completion_class(shell)
    assert script is not None
    click.echo(script(cli, {}, "danlu", "_DANLU_COMPLETE").source())


if __name__ == "__main__":
    main()
