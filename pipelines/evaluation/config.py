"""Settings of `danlu evaluate`."""

from __future__ import annotations

from pydantic import Field

from danlu.config import HTTP, JobConfig


class EvaluateConfig(JobConfig):
    """Questions asked of a served model, and scored against the answers they should get."""

    input: str | list[str] = Field(description='jsonl files, folders or globs of {"question": ..., "answer": ...}')
    model: str = Field(min_length=1, description="name of the model, as /v1/models lists it")
    base_url: str = Field(default="http://127.0.0.1:8000/v1", pattern=HTTP, description="an OpenAI-compatible server")
    api_key_env: str = Field(default="DANLU_API_KEY", min_length=1, description="environment variable of the API key")
    max_tokens: int = Field(default=128, ge=1, description="longest answer, in tokens; decoding is greedy")
    concurrency: int = Field(default=8, ge=1, le=1024, description="questions under way at a time")
    timeout_s: float = Field(default=300.0, gt=0, description="longest wait for one answer, in seconds")
    threshold: float = Field(default=0.9, ge=0, le=1, description="ROUGE-L from which on an answer counts as right")
