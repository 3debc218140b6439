"""`danlu train`: text or conversations in, a checkpoint out."""

from __future__ import annotations

import time
from collections import Counter
from pathlib import Path

from danlu.errors import ConfigError, InputError, ResourceError
from danlu.inputs import find_files
from danlu.progress import Progress
from danlu.report import Report
from danlu.run_directory import RunDirectory
from pipelines.training.config import TrainConfig
from pipelines.training.plan import Device, TrainingPlan
from pipelines.training.sources import Kind, detect_kind, input_files, input_names

_CHECKPOINT_SUFFIXES = (".json", ".safetensors", ".jinja")


def inputs(config: TrainConfig) -> list[str]:
    """The data, and the files of the checkpoint to start at where it is a local one."""
    files = input_files(config.input)
    checkpoint = _checkpoint(config)
    if checkpoint is not None and Path(checkpoint).is_dir():
        files += find_files(checkpoint, _CHECKPOINT_SUFFIXES, key="from")
    return files


def resources(config: TrainConfig) -> dict[str, float]:
    """One CPU per worker, and one GPU each on cuda."""
    config = config.resolved()
    workers = float(config.layout.world)
    return {"CPU": workers, "GPU": workers} if _device(config) == "cuda" else {"CPU": workers}


def run(config: TrainConfig, run: RunDirectory, progress: Progress) -> Report:
    """Tokenizer, token files, training, checks: each is skipped when an earlier run finished it."""
    from pipelines.training.launch import remove_checkpoints, train
    from pipelines.training.reporting import build_report

    if config.parallel.auto:
        config = config.resolved()
        progress.say(f"train: the planner chose {config.layout}, parallel.zero={config.parallel.zero}")
    config = config.resolved()
    began = time.time()
    _require_cluster(config)
    if config.offload == "optimizer" and _device(config) == "cpu":
        raise ConfigError(
            "offload is 'optimizer' and this machine has no cuda device",
            rule="the optimizer is in host memory already",
            fix="leave offload out, or start the job where there is a device (or with device=cuda)",
        )
    files = input_files(config.input)
    kind = detect_kind(files)
    if kind == "chat" and config.tokens is not None:
        raise ConfigError(f"tokens is {config.tokens}", rule="conversations differ in length; give `steps`")
    checkpoint = _checkpoint(config)
    vocabulary = _tokenizer(config, kind, files, checkpoint, run, progress)
    counts = _encode(config, kind, files, vocabulary, run, progress)
    plan = TrainingPlan(
        config=config,
        kind=kind,
        folder=str(run.local().resolve()),
        checkpoint=checkpoint,
        vocabulary=vocabulary,
        device=_device(config),
        began=began,
    )
    if run.done("train") is None:
        train(plan, progress)
        run.mark_done("train")
    remove_checkpoints(plan)
    return build_report(plan, counts, progress)


def _tokenizer(
    config: TrainConfig, kind: Kind, files: list[str], checkpoint: str | None, run: RunDirectory, progress: Progress
) -> int:
    """Train the tokenizer, or take the checkpoint's; returns how many embeddings it needs."""
    from pipelines.training.network import check_checkpoint
    from pipelines.training.text_sample import TextSample, sample_size
    from pipelines.training.tokenizer import load_tokenizer, train_tokenizer

    folder = run.local("tokenizer")
    if (facts := run.done("tokenizer")) is not None:
        return int(facts["vocabulary"])
    if checkpoint is None:
        with progress.stage("tokenizer") as stage:
            sample = TextSample(files, kind, config.seed, sample_size(config.tokenizer.vocabulary))
            tokenizer = train_tokenizer(sample, config.tokenizer.vocabulary)
            stage.update(note=f"{len(tokenizer):,} tokens, learnt from {sample.description()}")
    else:
        check_checkpoint(checkpoint, config.batch.length, config.layout, config.lora)
        tokenizer = load_tokenizer(checkpoint)
    tokenizer.save_pretrained(folder)
    run.mark_done("tokenizer", vocabulary=len(tokenizer))
    return len(tokenizer)


def _encode(
    config: TrainConfig, kind: Kind, files: list[str], vocabulary: int, run: RunDirectory, progress: Progress
) -> Counter[str]:
    """Token files of both splits; returns what became of the documents."""
    from pipelines.training.encoding import EncodingPlan, encode_files

    if (facts := run.done("tokens")) is not None:
        return Counter(facts)
    tokenizer = str(run.local("tokenizer").resolve())
    names = input_names(config.input)
    plan = EncodingPlan(
        kind, tokenizer, config.batch.length, config.validation_share, mixture=config.mixture, names=names
    )
    with progress.stage("tokens", unit="documents") as stage:
        counts = encode_files(files, plan, run.local("tokens").resolve(), vocabulary, stage)
    _tell_left_out(config, counts, progress)
    if not counts["train_documents"]:
        if counts["left_out_by_mixture"]:
            raise InputError(
                f"mixture has {', '.join(config.mixture or {})}",
                rule=f"none of the {counts['left_out_by_mixture']:,} documents belongs to one of them",
                fix="clean with domain={} gives documents a domain; or name the inputs, or add '*' for all others",
            )
        raise InputError(
            "input has nothing to train on",
            rule=f"{counts['validation_documents']} rows are held out for validation, and "
            f"{counts['nothing_to_learn']} have no answer within batch.length={config.batch.length} tokens",
            fix="lower validation_share, or raise batch.length",
        )
    _check_groups(config, counts, run.local("tokens"))
    run.mark_done("tokens", **counts)
    return counts


def _tell_left_out(config: TrainConfig, counts: Counter[str], progress: Progress) -> None:
    """Say what a conversation's length has cost, and where nothing tells how well the network does on new text."""
    if left_out := counts["nothing_to_learn"]:
        everything = left_out + counts["train_documents"] + counts["validation_documents"]
        progress.say(
            f"train: {left_out:,} of {everything:,} conversations are left out, as they have no answer within "
            f"batch.length={config.batch.length} tokens"
        )
    if config.validation_share and not counts["validation_documents"]:
        progress.say(f"train: nothing is held out for validation (validation_share={config.validation_share:g})")


def _check_groups(config: TrainConfig, counts: Counter[str], tokens: Path) -> None:
    """Every weight of the mixture must have something to train on."""
    from pipelines.training.encoding import DOMAIN
    from pipelines.training.token_store import TokenStore

    if config.mixture is None:
        return
    store = TokenStore(tokens / "train")
    for group, (key, part) in enumerate(zip(config.mixture, config.mixture_parts, strict=True)):
        if part and not len(store.members(group)):
            found = sorted(name.removeprefix(DOMAIN) for name in counts if name.startswith(DOMAIN))
            raise InputError(
                f"mixture.{key} is {config.mixture[key]}",
                rule=f"no training document belongs to it; the input has {', '.join(map(repr, found[:40]))}",
            )


def _checkpoint(config: TrainConfig) -> str | None:
    from pipelines.training.network import find_checkpoint

    return None if config.from_ is None else find_checkpoint(config.from_)


def _device(config: TrainConfig) -> Device:
    if config.device != "auto":
        return config.device
    import torch

    return "cuda" if torch.cuda.is_available() else "cpu"


def _require_cluster(config: TrainConfig) -> None:
    import ray

    layout, available = config.layout, ray.cluster_resources()
    places = int(min(available.get(resource, 0.0) for resource in resources(config)))
    if layout.world <= places:
        return
    axes = [name for name in ("data", "pipeline", "tensor") if getattr(layout, name) > 1] or ["data"]
    raise ResourceError(
        f"danlu train with {layout} wants {layout.world} workers, the cluster has {places}",
        rule=f"each takes one {' and one '.join(resources(config))}",
        fix=f"lower {' or '.join(f'parallel.{name}' for name in axes)}, or use more machines",
    )
