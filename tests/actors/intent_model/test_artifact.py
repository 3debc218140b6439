import json
import shutil
from pathlib import Path

import pytest
import torch

from actors.intent_model.artifact import CONFIG_FILE, TOKENIZER_FILE, WEIGHTS_FILE, load_network, save_network
from danlu.errors import InputError


def test_a_saved_network_answers_as_before(small_run: Path, tmp_path: Path) -> None:
    model = load_network(small_run / "model")
    save_network(tmp_path / "copy", model)
    copy = load_network(tmp_path / "copy")
    batch = model.reader.read(["给王芳转300元", "你好"])
    for before, after in zip(model.network(batch), copy.network(batch), strict=True):
        assert torch.equal(before, after)
    assert copy.settings == model.settings


def test_the_folder_holds_what_it_says(small_run: Path) -> None:
    assert {file.name for file in (small_run / "model").iterdir()} == {CONFIG_FILE, WEIGHTS_FILE, TOKENIZER_FILE}
    config = json.loads((small_run / "model" / CONFIG_FILE).read_text(encoding="utf-8"))
    assert config["encoder"]["model_type"] == "bert" and "transfer_money" in config["intents"]


@pytest.mark.parametrize("missing", [CONFIG_FILE, WEIGHTS_FILE, TOKENIZER_FILE])
def test_a_missing_file_is_named(small_run: Path, tmp_path: Path, missing: str) -> None:
    shutil.copytree(small_run / "model", tmp_path / "model")
    (tmp_path / "model" / missing).unlink()
    with pytest.raises(InputError, match=missing):
        load_network(tmp_path / "model")


def test_another_kind_of_model_is_refused(tmp_path: Path) -> None:
    (tmp_path / CONFIG_FILE).write_text('{"model_type": "qwen3"}')
    with pytest.raises(InputError, match="holds no intent model"):
        load_network(tmp_path)
