"""`danlu train` from files to a checkpoint, with real Ray Train workers."""

from __future__ import annotations

import io
import json
import math
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer, PreTrainedTokenizerFast

from actors.networks.build import build_config
from actors.networks.sizes import Sizes
from danlu.config import validate
from danlu.errors import ConfigError, InputError, ResourceError, RunError
from danlu.progress import Progress
from danlu.report import Report
from pipelines.training import job
from pipelines.training.config import TrainConfig
from pipelines.training.metrics import read_metrics

Train = Callable[..., Report]
pytestmark = pytest.mark.usefixtures("ray_local")


def test_text_then_conversations(
    train: Train, small: dict[str, Any], text_file: Path, chat_file: Path, tmp_path: Path
) -> None:
    """Pretraining, then fine-tuning from its run directory: the way that most users take."""
    screen = io.StringIO()
    first = {"input": str(text_file), "output": str(tmp_path / "text"), "steps": 30, "validation_share": 0.1}
    report = train(small | first, Progress(screen))
    assert report.held, report.checks
    assert report.figures["steps"] == 30 and report.figures["tokens"] == 30 * 4 * 32
    assert report.figures["train_documents"] + report.figures["validation_documents"] == 120
    assert "step 30/30, loss" in screen.getvalue() and "tokens/s" in screen.getvalue()
    validated = [row.step for row in read_metrics(tmp_path / "text" / "metrics.jsonl") if row.validation_loss]
    assert validated == [10, 20, 30]
    assert not (tmp_path / "text" / "checkpoints").exists()

    second = {key: value for key, value in small.items() if key not in ("sizes", "tokenizer")}
    second |= {"input": str(chat_file), "output": str(tmp_path / "chat"), "from": str(tmp_path / "text"), "steps": 12}
    report = train(second | {"validation_share": 0.0, "batch": {"sequences": 4, "length": 128}})
    assert report.held, report.checks
    assert report.figures["train_documents"] == 40 and report.figures["validation_loss"] is None
    lineage = json.loads((tmp_path / "chat" / "lineage.json").read_text())
    assert lineage["parents"] == [str(tmp_path / "text")]
    tokenizers = [(tmp_path / name / "checkpoint" / "tokenizer.json").read_bytes() for name in ("text", "chat")]
    assert tokenizers[0] == tokenizers[1]


def test_a_mixture_of_inputs_reads_each_by_its_weight(
    train: Train, small: dict[str, Any], text_file: Path, tmp_path: Path
) -> None:
    lines = text_file.read_text(encoding="utf-8").splitlines(keepends=True)
    for name, part in (("few", lines[:10]), ("many", lines[10:])):
        (tmp_path / f"{name}.jsonl").write_text("".join(part), encoding="utf-8")
    inputs = {name: str(tmp_path / f"{name}.jsonl") for name in ("few", "many")}
    mixed = {"input": inputs, "mixture": {"few": 0.75, "*": 0.25}, "validation_share": 0.1, "steps": 10}
    report = train(small | mixed | {"output": str(tmp_path / "run")})
    assert report.held, report.checks
    (table,) = [section for section in report.sections if section.title == "Mixture"]
    few, many = table.rows
    assert few[:4] == ["few", 0.75, 30, 30 * 32] and many[:4] == ["*", 0.25, 10, 10 * 32]
    assert few[4] + many[4] == report.figures["train_documents"]
    assert few[6] == pytest.approx(30 * 32 / few[5], abs=1e-3)
    with pytest.raises(InputError, match=r"mixture\.art is 1.*no training document belongs to it; the input has ''"):
        file = tmp_path / "domains.jsonl"
        file.write_text("".join(json.dumps({"text": "无", "domain": None}) + "\n" for _ in range(20)))
        train(small | {"input": str(file), "mixture": {"art": 1, "*": 1}, "output": str(tmp_path / "none")})


def test_a_run_learns_its_answers_by_heart(train: Train, small: dict[str, Any], tmp_path: Path) -> None:
    """Greedy decoding of the saved checkpoint, through its chat template, gives the answers and stops."""
    pairs = [
        ("卡丢了怎么办？", "请先在手机上挂失。"),
        ("套餐何时生效？", "次月一日生效。"),
        ("怎么交话费？", "扫码即可。"),
    ]
    file = tmp_path / "pairs.jsonl"
    rows = [[{"role": "user", "content": q}, {"role": "assistant", "content": a}] for q, a in pairs]
    file.write_text("".join(json.dumps({"messages": row}) + "\n" for row in rows))
    settings = small | {"input": str(file), "output": str(tmp_path / "run"), "steps": 120, "validation_share": 0.0}
    train(settings | {"parallel": {"data": 1}, "batch": {"sequences": 3, "length": 64}, "checkpoint_every": 1000})
    model = AutoModelForCausalLM.from_pretrained(tmp_path / "run" / "checkpoint")
    tokenizer = AutoTokenizer.from_pretrained(tmp_path / "run" / "checkpoint")
    for question, answer in pairs:
        prompt = tokenizer.apply_chat_template(
            [{"role": "user", "content": question}], add_generation_prompt=True, return_tensors="pt"
        )
        with torch.no_grad():
            output = model.generate(**prompt, max_new_tokens=40, do_sample=False)
        assert tokenizer.decode(output[0, prompt["input_ids"].shape[1] :]) == f"{answer}<|im_end|>"


@pytest.fixture
def poisoned(tokenizer: PreTrainedTokenizerFast, tmp_path: Path) -> dict[str, Any]:
    """A network that has no number for the token `~`, and documents of which line 37 alone has that token."""
    sizes = Sizes(layers=1, hidden=32, intermediate=64, heads=4, kv_heads=2, head_dim=8, context=256)
    shape = build_config("dense", sizes, len(tokenizer))
    shape.tie_word_embeddings = False
    model = AutoModelForCausalLM.from_config(shape, dtype=torch.float32)
    with torch.no_grad():
        model.get_input_embeddings().weight[tokenizer.convert_tokens_to_ids("~")] = float("nan")
    for part in (model, tokenizer):
        part.save_pretrained(tmp_path / "base")
    rows = [{"text": f"第{i}号公告：业务生效。" * 3 + "~" * (i == 36)} for i in range(80)]
    (tmp_path / "poison.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    values = {"input": str(tmp_path / "poison.jsonl"), "from": str(tmp_path / "base"), "validation_share": 0.0}
    return values | {"parallel": {"data": 2}, "batch": {"sequences": 4, "length": 64}, "steps": 12}


def test_a_batch_without_a_loss_is_skipped_and_its_document_named(
    train: Train, poisoned: dict[str, Any], tmp_path: Path
) -> None:
    screen = io.StringIO()
    report = train(poisoned | {"output": str(tmp_path / "skip")}, Progress(screen))
    rows = read_metrics(tmp_path / "skip" / "metrics.jsonl")
    (left_out,) = [row for row in rows if row.skipped]
    assert report.figures["skipped_steps"] == 1 and report.figures["steps"] == 12
    assert re.search(
        r"the loss is nan; it comes from worker [01], which read .*poison\.jsonl line 37", left_out.skipped
    )
    assert f"train: step {left_out.step} is left out: the loss is nan" in screen.getvalue()
    assert all(math.isfinite(row.loss) for row in rows if row is not left_out)
    model = AutoModelForCausalLM.from_pretrained(tmp_path / "skip" / "checkpoint")
    assert sum(int(parameter.isnan().any()) for parameter in model.parameters()) == 1  # what was there before
    events = list((tmp_path / "skip" / "tensorboard").iterdir())
    assert len(events) == 1 and b"loss/training" in events[0].read_bytes()

    stopping = poisoned | {"output": str(tmp_path / "stop"), "on_spike": "stop", "tensorboard": False}
    with pytest.raises(
        RunError, match=rf"stopped at step {left_out.step}: the loss is nan; .* line 37.*\n.*on_spike=skip"
    ):
        train(stopping)
    assert not (tmp_path / "stop" / "tensorboard").exists()


def test_a_loss_that_is_not_finite_stops_the_run_and_names_the_step(
    train: Train, small: dict[str, Any], text_file: Path, tmp_path: Path
) -> None:
    wild = small | {"parallel": {"data": 1}, "optimizer": {"learning_rate": 1e30, "gradient_clipping": 0.0}}
    with pytest.raises(RunError, match=r"stopped at step \d+: the (loss|gradient's norm) is (nan|inf)"):
        train(wild | {"input": str(text_file), "output": str(tmp_path), "steps": 50})
    assert not (tmp_path / "checkpoint").exists()


@pytest.mark.slow
def test_layers_are_shared_and_spread_over_stages(
    train: Train, small: dict[str, Any], chat_file: Path, tmp_path: Path
) -> None:
    grid = small | {"parallel": {"data": 1, "pipeline": 2, "tensor": 2}, "recompute": True}
    report = train(grid | {"input": str(chat_file), "output": str(tmp_path), "steps": 8, "validation_share": 0.1})
    assert report.held
    rows = read_metrics(tmp_path / "metrics.jsonl")
    assert [row.step for row in rows] == list(range(1, 9)) and rows[-1].loss < rows[0].loss
    assert AutoModelForCausalLM.from_pretrained(tmp_path / "checkpoint").config.num_hidden_layers == 2


def test_a_cluster_that_is_too_small_is_named_at_once(
    train: Train, small: dict[str, Any], text_file: Path, tmp_path: Path
) -> None:
    many = small | {"parallel": {"data": 8}, "batch": {"sequences": 8, "length": 32}}
    with pytest.raises(ResourceError, match=r"parallel\.data=8 wants 8 workers, the cluster has 4"):
        train(many | {"input": str(text_file), "output": str(tmp_path), "steps": 5})


def test_what_the_data_rules_out_is_said_before_workers_start(
    train: Train, small: dict[str, Any], chat_file: Path, tmp_path: Path
) -> None:
    base = small | {"input": str(chat_file)}
    with pytest.raises(ConfigError, match="tokens is 1000: conversations differ in length"):
        train(base | {"output": str(tmp_path / "a"), "tokens": 1000})
    with pytest.raises(InputError, match=r"0 rows are held out .* 40 have no answer within batch.length=8"):
        train(base | {"output": str(tmp_path / "b"), "batch": {"sequences": 2, "length": 8}})


def test_a_start_that_is_no_checkpoint_is_refused(
    train: Train, chat_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    values = {"input": str(chat_file), "output": str(tmp_path / "run")}
    with pytest.raises(InputError, match="no such folder"):
        job.inputs(validate(TrainConfig, values | {"from": str(tmp_path / "missing")}))
    with pytest.raises(InputError, match=r"holds no checkpoint \(no config\.json\)"):
        job.inputs(validate(TrainConfig, values | {"from": str(tmp_path)}))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "runs").mkdir()
    with pytest.raises(InputError, match=r"from is 'runs/forgotten'.*no such folder"):
        job.inputs(validate(TrainConfig, values | {"from": "runs/forgotten"}))


def test_resources_are_a_cpu_per_worker_and_a_gpu_each_on_cuda() -> None:
    values = {"input": "x", "output": "y", "parallel": {"data": 2}}
    assert job.resources(validate(TrainConfig, values | {"device": "cpu"})) == {"CPU": 2.0}
    assert job.resources(validate(TrainConfig, values | {"device": "cuda"})) == {"CPU": 2.0, "GPU": 2.0}
