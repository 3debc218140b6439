"""What of the demo can be changed."""

from __future__ import annotations

from pydantic import Field

from danlu.config import JobConfig


class DemoConfig(JobConfig):
    """Sizes of the demo. The defaults take about five minutes on two quiet cores."""

    output: str = Field("runs/demo", description="folder for everything the demo makes", min_length=1)
    documents: int = Field(3000, ge=200, description="noisy raw documents to generate")
    seed: int = Field(7, description="seed of the raw documents and of training")
    workers: int = Field(2, ge=1, le=64, description="training workers (ZeRO shards the optimizer over them)")
    pretrain_steps: int = Field(100, ge=1, description="steps on the clean corpus")
    finetune_steps: int = Field(600, ge=1, description="steps on question/answer pairs")
    understand_epochs: int = Field(4, ge=1, description="passes over the annotated utterances")
    port: int = Field(0, ge=0, le=65535, description="HTTP port of the served apps; 0 takes a free one")
