"""Small tokenizers and inputs that the training tests share."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from transformers import PreTrainedTokenizerFast

from danlu.config import validate
from danlu.progress import Progress
from danlu.report import Report
from danlu.run_directory import RunDirectory
from pipelines.training import job
from pipelines.training.config import TrainConfig
from pipelines.training.tokenizer import train_tokenizer


def sentences(count: int) -> Iterator[str]:
    """Made-up, learnable sentences, each one different."""
    for i in range(count):
        place = "云杉银行" if i % 2 else "云杉移动"
        yield f"第{i}号公告：{place}的客户可以在手机上办理第{i % 7}类业务，{'当天' if i % 3 else '次日'}生效。" * (
            1 + i % 3
        )


@pytest.fixture(scope="session")
def tokenizer() -> PreTrainedTokenizerFast:
    return train_tokenizer(sentences(40), vocabulary=400)


@pytest.fixture(scope="session")
def tokenizer_folder(tokenizer: PreTrainedTokenizerFast, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tokenizer")
    tokenizer.save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def text_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """120 documents."""
    file = tmp_path_factory.mktemp("text") / "documents.jsonl"
    file.write_text("".join(json.dumps({"text": text}) + "\n" for text in sentences(120)), encoding="utf-8")
    return file


@pytest.fixture(scope="session")
def chat_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """40 conversations of different length."""
    file = tmp_path_factory.mktemp("chat") / "pairs.jsonl"
    rows = (
        {"messages": [{"role": "user", "content": f"第{i}号公告讲什么？"}, {"role": "assistant", "content": text}]}
        for i, text in enumerate(sentences(40))
    )
    file.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return file


@pytest.fixture
def small() -> dict[str, Any]:
    """Settings of a network that trains in a second."""
    shape = {"layers": 2, "hidden": 32, "intermediate": 64, "heads": 4, "kv_heads": 2, "head_dim": 8, "context": 256}
    return {
        "sizes": shape,
        "batch": {"sequences": 4, "length": 32},
        "parallel": {"data": 2, "zero": 1},
        "tokenizer": {"vocabulary": 400},
        "optimizer": {"learning_rate": 5e-3},
        "checkpoint_every": 10,
    }


@pytest.fixture
def train() -> Callable[..., Report]:
    """Run the job as the command does, with Ray already there."""

    def run(values: dict[str, Any], progress: Progress | None = None) -> Report:
        config = validate(TrainConfig, values)
        with RunDirectory.open("train", config, job.inputs(config)) as folder:
            report = job.run(config, folder, progress or Progress(io.StringIO()))
            folder.finish(report)
            return report

    return run
