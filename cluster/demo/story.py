"""The demo, top to bottom: raw text becomes a corpus, a model, a small model, and applications that answer."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cluster.demo.config import DemoConfig
from cluster.demo.pairs import chat_lines, question_lines, read_pairs
from cluster.jobs import JOBS
from cluster.runner import run_job
from danlu.config import validate
from danlu.errors import RunError
from danlu.progress import Progress
from danlu.report import Check, Report
from danlu.run_directory import RunDirectory

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
MODEL = "danlu-demo"
ANSWERED_SHARE = 0.8
DROP_PRECISION, DROP_RECALL = 0.97, 0.90


@dataclass(frozen=True)
class Demo:
    """What every stage works with."""

    config: DemoConfig
    run: RunDirectory
    progress: Progress

    def path(self, *parts: str) -> str:
        return self.run.child(*parts)

    def job(self, name: str, folder: str | None = None, *, fresh: bool = False, **values: Any) -> Report:
        """Run a job in a folder of the demo's own, or take its finished result unless it must be `fresh`."""
        job = JOBS[name]
        config = validate(job.config_class(), {"output": self.path(folder or name), **values})
        return run_job(job, config, self.progress, fresh=fresh)


def clean(demo: Demo) -> list[Report]:
    """Noisy raw documents with known truth; cleaned; what was dropped is compared with the truth."""
    from examples.raw_documents import generate
    from pipelines.cleaning.score import score_against_truth

    raw, truth = Path(demo.path("raw", "input")), Path(demo.path("raw", "truth.jsonl"))
    if demo.run.done("raw") is None:
        with demo.progress.stage("raw documents", demo.config.documents, "documents") as stage:
            generate(raw, demo.config.documents, demo.config.seed)
            stage.update(demo.config.documents)
        demo.run.mark_done("raw")
    report = demo.job("clean", input=str(raw), domain={"seeds": str(EXAMPLES / "domains.yaml")})
    score = score_against_truth(demo.path("clean"), str(truth))
    held = score["precision"] >= DROP_PRECISION and score["recall"] >= DROP_RECALL
    detail = f"precision {score['precision']:.3f}, recall {score['recall']:.3f}"
    return [_with_check(report, "what was dropped is what should be dropped", held, detail)]


def train(demo: Demo) -> list[Report]:
    """A tokenizer and a small Qwen3 on the clean text, then on question/answer pairs of the knowledge articles."""
    common: dict[str, Any] = {"parallel": {"data": demo.config.workers, "zero": 1}, "seed": demo.config.seed}
    pretrain = demo.job(
        "train", "pretrain", input=demo.path("clean"), size="tiny", steps=demo.config.pretrain_steps, **common
    )
    pairs = demo.run.child("pairs.jsonl")
    demo.run.write_text("pairs.jsonl", chat_lines(read_pairs(EXAMPLES / "knowledge")))
    start: dict[str, Any] = {"from": demo.path("pretrain")}
    finetune = demo.job(
        "train",
        "finetune",
        **start,
        input=pairs,
        steps=demo.config.finetune_steps,
        batch={"sequences": 8},
        validation_share=0.0,  # every pair is learned: they are what the model is asked
        **common,
    )
    return [_renamed(pretrain, "train: corpus"), _renamed(finetune, "train: questions")]


def compress(demo: Demo) -> list[Report]:
    """INT8 for the CPU engine, with size, speed and quality before and after."""
    return [demo.job("compress", input=demo.path("finetune"), quality_input=demo.path("pairs.jsonl"))]


def understand(demo: Demo) -> list[Report]:
    """Intents and slots from annotated utterances."""
    utterances = str(EXAMPLES / "utterances.jsonl")
    return [demo.job("understand", input=utterances, epochs=demo.config.understand_epochs, seed=demo.config.seed)]


def index(demo: Demo) -> list[Report]:
    """The knowledge articles into LanceDB."""
    return [demo.job("index", input=str(EXAMPLES / "knowledge"))]


def serve(demo: Demo) -> list[Report]:
    """The gateway and both applications on Ray Serve; the demo talks to them over HTTP."""
    from cluster.demo.talk import customer_dialogue, solve_task, stream_chat
    from serve_apps.launch import start_apps, stop_apps

    config = write_serve_config(demo)
    base_url = f"http://{config.host}:{config.port}"
    pairs = read_pairs(EXAMPLES / "knowledge")
    demo.run.write_text("questions.jsonl", question_lines(pairs))
    began = time.monotonic()
    start_apps(config, demo.progress)
    ready_s = time.monotonic() - began
    try:
        answer = stream_chat(base_url, MODEL, pairs[0].question)
        evaluation = evaluate(demo, base_url)
        dialogue, checks = customer_dialogue(base_url)
        code, solution = solve_task(base_url, _example_task())
    finally:
        stop_apps()
    checks.insert(0, Check(name="gateway streams", held=answer.pieces > 1, detail=answer.text[:60]))
    checks.append(Check(name="code passes its examples in the sandbox", held=passed(solution)))
    figures = {"ready_s": ready_s, "first_token_s": answer.first_token_s, "code_origin": solution["origin"]}
    talk = Report(job="serve", figures=figures, checks=checks, sections=[dialogue, *code])
    share = float(evaluation.figures["right_share"] or 0)
    told = f"{share:.0%} of {len(pairs)} questions at ROUGE-L >= 0.9"
    evaluation = _with_check(evaluation, "the model gives the reference answers", share >= ANSWERED_SHARE, told)
    seconds = time.monotonic() - began - evaluation.seconds  # which has a row of its own
    return [talk.model_copy(update={"seconds": seconds}), evaluation]


def evaluate(demo: Demo, base_url: str) -> Report:
    """Every question asked of the served model: anew each time, as each time it is served anew, on another port."""
    questions = demo.path("questions.jsonl")
    return demo.job("evaluate", fresh=True, base_url=f"{base_url}/v1", model=MODEL, input=questions, max_tokens=128)


def dashboards(demo: Demo) -> list[Report]:
    """Grafana dashboards and alert rules, built and validated."""
    return [demo.job("dashboards")]


STAGES: dict[str, Callable[[Demo], list[Report]]] = {
    stage.__name__: stage for stage in (clean, train, compress, understand, index, serve, dashboards)
}


def write_serve_config(demo: Demo) -> Any:
    """The demo's models and apps as a config that `danlu serve` takes again (`make serve`)."""
    import yaml

    from serve_apps.config import ServeConfig

    values = {
        "models": [{"name": MODEL, "path": demo.path("compress")}],
        "apps": ["customer_service", "code_generation"],
        "customer_service": {
            "knowledge": demo.path("index"),
            "understanding": demo.path("understand"),
            "flows": str(EXAMPLES / "flows"),
            "model": MODEL,
            "folder": demo.path("conversations"),
        },
        "code_generation": {"model": MODEL},
    }
    demo.run.write_text("serve.yaml", yaml.safe_dump(values, allow_unicode=True, sort_keys=False))
    return validate(ServeConfig, {**values, "port": demo.config.port or free_port()})


def free_port() -> int:
    """A port that nothing listens on at the moment."""
    import socket

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _example_task() -> dict[str, Any]:
    for line in (EXAMPLES / "programming_tasks.jsonl").read_text(encoding="utf-8").splitlines():
        task: dict[str, Any] = json.loads(line)
        if not task["task"].isascii():
            return task
    raise RunError("examples/programming_tasks.jsonl", rule="holds no task in Chinese")


def passed(solution: dict[str, Any]) -> bool:
    """Whether there is code, and it passed its examples; code that nothing checked has not."""
    checks = solution["checks"]
    return bool(solution["code"] and checks) and all(check["passed"] for check in checks)


def _with_check(report: Report, name: str, held: bool, detail: str) -> Report:
    check = Check(name=name, held=held, detail=detail)
    return report.model_copy(update={"checks": [*report.checks, check]})


def _renamed(report: Report, name: str) -> Report:
    return report.model_copy(update={"job": name})
