"""A small made-up corpus that a small network learns in a few steps."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

from danlu.progress import Progress
from pipelines.training.encoding import EncodingPlan, encode_files
from pipelines.training.sources import Kind
from pipelines.training.tokenizer import train_tokenizer


def announcements(count: int) -> Iterator[str]:
    """Notices of a bank and a mobile operator, each one different."""
    for i in range(count):
        place = "云杉银行" if i % 2 else "云杉移动"
        when = "当天" if i % 3 else "次日"
        yield f"第{i}号公告：{place}的客户可以在手机上办理第{i % 7}类业务，{when}生效。" * (1 + i % 3)


def make_stores(folder: Path, length: int, vocabulary: int) -> tuple[Path, dict[Kind, Path]]:
    """A tokenizer, and a token store of texts and one of conversations; returns where they lie."""
    texts = folder / "texts.jsonl"
    texts.write_text("".join(json.dumps({"text": text}) + "\n" for text in announcements(200)), encoding="utf-8")
    chats = folder / "chats.jsonl"
    rows = (
        {"messages": [{"role": "user", "content": f"第{i}号公告讲什么？"}, {"role": "assistant", "content": text}]}
        for i, text in enumerate(announcements(80))
    )
    chats.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    tokenizer = folder / "tokenizer"
    train_tokenizer(announcements(200), vocabulary).save_pretrained(tokenizer)
    stores: dict[Kind, Path] = {"text": folder / "text", "chat": folder / "chat"}
    for kind, file in (("text", texts), ("chat", chats)):
        with Progress().stage(f"tokens of {kind}") as stage:
            plan = EncodingPlan(kind, str(tokenizer), length, validation_share=0.1)
            encode_files([str(file)], plan, stores[kind], vocabulary, stage)
    return tokenizer, stores
