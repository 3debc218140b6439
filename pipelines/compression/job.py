"""`danlu compress`: convert a checkpoint for the CPU engine, store its weights in fewer bits, and measure both."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from actors.engines.model_files import context_length, end_tokens, read_config
from actors.engines.model_folders import find_model
from actors.engines.openvino_architecture import read_architecture
from danlu.errors import InputError, NotAvailableError
from danlu.inputs import find_files
from danlu.progress import Progress
from danlu.report import Report
from danlu.run_directory import RunDirectory
from pipelines.compression import samples
from pipelines.compression.config import CompressConfig
from pipelines.compression.report import build_report

_WORK = "_work"
_ANSWER_TOKENS = 48  # of the original's answers, by which both models are compared without quality_input
_CALIBRATION_TOKENS = 256

Facts = dict[str, Any]


def inputs(config: CompressConfig) -> list[str]:
    """The checkpoint's files, and the texts for quality and calibration."""
    files = [str(file) for file in sorted(_checkpoint(config).iterdir()) if file.is_file()]
    for key in ("quality_input", "calibration_input"):
        if given := getattr(config, key):
            files += find_files(given, samples.SUFFIXES, key)
    return files


def resources(config: CompressConfig) -> dict[str, float]:
    """Nothing of Ray: one process does it, with OpenVINO's threads."""
    return {}


def run(config: CompressConfig, run: RunDirectory, progress: Progress) -> Report:
    """Write `openvino/` and `model/`, and report size, quality and speed before and after.

    Raises:
        NotAvailableError: the network can't be converted for the CPU engine.
        InputError: the checkpoint is incomplete, or a text file unreadable.
    """
    config = config.resolved()
    job = _Compression(config, _checkpoint(config), run, progress)
    read_architecture(read_config(job.checkpoint))  # refuse before anything is written
    steps = (job.convert, job.compress, job.measure_quality, job.measure_speed, job.copy_checkpoint)
    facts = {step.__name__: _once(run, step) for step in steps}
    report = build_report(config, facts)
    shutil.rmtree(run.local(_WORK), ignore_errors=True)
    return report


def _once(run: RunDirectory, step: Callable[[], Facts]) -> Facts:
    """The facts of a step, which is passed over when an earlier run has finished it."""
    facts = run.done(step.__name__)
    if facts is None:
        facts = step()
        run.mark_done(step.__name__, **facts)
    return facts


def _checkpoint(config: CompressConfig) -> Path:
    found = find_model(config.input, "input").checkpoint
    if found is None:
        raise InputError(
            f"input is {config.input!r}",
            rule="it holds a converted model only, not the checkpoint that it was made from",
            fix="give the output of `danlu train`, or a Hugging Face folder",
        )
    return found


class _Compression:
    """The steps of one run; each returns plain facts for the report."""

    def __init__(self, config: CompressConfig, checkpoint: Path, run: RunDirectory, progress: Progress) -> None:
        self.checkpoint = checkpoint
        self._config = config
        self._progress = progress
        self._model = run.local("model")
        self._small = run.local("openvino")
        self._full = run.local(_WORK, "fp32")  # the same in float32: what the small one is measured against

    def convert(self) -> Facts:
        """The checkpoint as an OpenVINO model in float32."""
        from actors.engines.openvino_folder import write_openvino_folder
        from pipelines.compression.conversion import compare_with_transformers
        from pipelines.compression.weights import weight_bytes

        with self._progress.stage("convert"):
            shutil.rmtree(self._full, ignore_errors=True)
            write_openvino_folder(self.checkpoint, self._full, "fp32")
            conversion = compare_with_transformers(self.checkpoint, self._full, self._config.threads)
        return {**asdict(conversion), "bytes": weight_bytes(self._full)}

    def compress(self) -> Facts:
        """`openvino/`, whole or not at all."""
        from pipelines.compression.weights import weight_bytes, write_compressed

        part = self._full.with_name("small")
        with self._progress.stage(f"store weights as {self._config.weights}"):
            write_compressed(self._full, part, self._config, self._calibration())
            shutil.rmtree(self._small, ignore_errors=True)
            part.rename(self._small)
        return {"bytes": weight_bytes(self._small), "folder_bytes": _folder_bytes(self._small)}

    def measure_quality(self) -> Facts:
        """Both models' perplexity, and how often they choose the same token."""
        from pipelines.compression.network import Network
        from pipelines.compression.quality import compare

        with self._progress.stage("measure quality", unit="tokens") as stage:
            full, small = (Network(folder, self._config.threads) for folder in (self._full, self._small))
            scored = self._texts() if self._config.quality_input else self._answers(full)
            return asdict(compare(full, small, scored, stage.advance))

    def measure_speed(self) -> Facts:
        """Tokens per second of both in the engine that serves them."""
        from pipelines.compression.speed import answer_once, measure

        facts: Facts = {"answer_tokens": answer_once(self._small, self._config.threads)}
        if rounds := self._config.speed_rounds:
            folders = {"before": self._full, "after": self._small}
            with self._progress.stage("measure speed", total=rounds, unit="rounds") as stage:
                facts |= measure(folders, rounds, self._config.threads, stage.advance)
        return facts

    def copy_checkpoint(self) -> Facts:
        """`model/`: the checkpoint itself, for engines that read the Hugging Face form."""
        with self._progress.stage("copy checkpoint"):
            part = self._model.with_name("model.part")
            for folder in (part, self._model):
                shutil.rmtree(folder, ignore_errors=True)
            shutil.copytree(self.checkpoint, part)
            (part / "README.md").write_text(_note(self._config), encoding="utf-8")
            part.rename(self._model)
        return {"bytes": _folder_bytes(self._model)}

    def _texts(self) -> list[samples.Sample]:
        from actors.engines.tokenizer import ModelTokenizer

        tokenizer = ModelTokenizer(self._full)
        files = find_files(self._config.quality_input or [], samples.SUFFIXES, "quality_input")
        texts = samples.read_texts(files, self._config.text_field, tokenizer)
        window = min(samples.WINDOW_TOKENS, self._context())
        found = samples.text_samples(texts, tokenizer, self._config.quality_tokens, window)
        if not found:
            raise InputError(f"quality_input is {self._config.quality_input!r}", rule="it has no text to measure by")
        return found

    def _answers(self, network: Any) -> list[samples.Sample]:
        """The prompts with the full model's own answers."""
        from actors.engines.tokenizer import ModelTokenizer

        end = end_tokens(self._full, read_config(self._full))
        found = []
        for ids in samples.prompt_ids(ModelTokenizer(self._full)):
            if (room := self._context() - len(ids)) > 0:
                answer = network.continue_greedily(ids, min(_ANSWER_TOKENS, room), end)
                found.append(samples.Sample(ids + answer, first=len(ids)))
        if not found:
            rule = f"the model's context of {self._context()} tokens is too short for the built-in prompts"
            raise NotAvailableError("quality", rule=rule, fix="give texts with quality_input")
        return found

    def _calibration(self) -> list[list[int]]:
        from actors.engines.tokenizer import ModelTokenizer

        if not self._config.calibration_input:
            return []
        tokenizer, found = ModelTokenizer(self._full), []
        files = find_files(self._config.calibration_input, samples.SUFFIXES, "calibration_input")
        for text in samples.read_texts(files, self._config.text_field, tokenizer):
            if ids := tokenizer.encode(text)[: min(_CALIBRATION_TOKENS, self._context())]:
                found.append(ids)
            if len(found) == self._config.calibration_samples:
                break
        if not found:
            raise InputError(f"calibration_input is {self._config.calibration_input!r}", rule="it has no text")
        return found

    def _context(self) -> int:
        return context_length(read_config(self._full))


def _note(config: CompressConfig) -> str:
    return f"""# About this folder

The checkpoint that `danlu compress` was given, weights unchanged, for engines that read the Hugging Face form (GPU).
Its {config.weights} form for the CPU engine is `../openvino/`; `../report.html` has the measured figures of both.
"""


def _folder_bytes(folder: Path) -> int:
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
