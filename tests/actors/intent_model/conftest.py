"""A small trained intent model, made once."""

from pathlib import Path

import pytest

from danlu.progress import Progress
from danlu.run_directory import RunDirectory
from pipelines.understanding import job
from pipelines.understanding.config import UnderstandConfig


@pytest.fixture(scope="session")
def small_run(tmp_path_factory: pytest.TempPathFactory, examples: Path) -> Path:
    """The run directory of `danlu understand` on some intents of the examples."""
    folder = tmp_path_factory.mktemp("understand")
    lines = (examples / "utterances.jsonl").read_text(encoding="utf-8").splitlines()
    wanted = ('"transfer_money"', '"top_up"', '"greet"', '"report_card_loss"')
    utterances = folder / "some.jsonl"
    utterances.write_text("\n".join(line for line in lines if any(w in line for w in wanted)), encoding="utf-8")
    config = UnderstandConfig(input=str(utterances), output=str(folder / "run"), epochs=12, threads=1)
    with RunDirectory.open("understand", config, job.inputs(config)) as run:
        run.finish(job.run(config, run, Progress()))
    return folder / "run"
