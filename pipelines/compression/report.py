"""The report of `danlu compress`: figures, checks and pictures from the facts of its steps."""

from __future__ import annotations

from typing import Any

from danlu.report import Bars, Check, Report, Table
from pipelines.compression.config import CompressConfig, Weights
from pipelines.compression.speed import STREAMS

# Largest size as a share of float32. Scales and norms come on top of the bits per weight, and with int4 the
# embeddings stay int8, which is most of a small model.
_MAX_SHARE: dict[Weights, float] = {"int8": 0.30, "int4": 0.27, "fp16": 0.52, "fp32": 1.01}
_MAX_LOGIT_ERROR = 1e-3


def build_report(config: CompressConfig, facts: dict[str, dict[str, Any]]) -> Report:
    """The report of a resolved config and the facts by step."""
    before, after = facts["convert"]["bytes"], facts["compress"]["bytes"]
    quality, speed = facts["measure_quality"], facts["measure_speed"]
    figures = {
        "parameters": facts["convert"]["parameters"],
        "fp32_bytes": before,
        "size_bytes": after,
        "folder_bytes": facts["compress"]["folder_bytes"],
        "size_share": after / before,
        "quality_tokens": quality["tokens"],
        "perplexity_before": quality["perplexity_before"],
        "perplexity_after": quality["perplexity_after"],
        "perplexity_rise": _rise(quality),
        "agreement_share": quality["agreement"],
        "logit_error": facts["convert"]["logit_error"],
    }
    for streams in STREAMS if config.speed_rounds else ():
        for when in ("before", "after"):
            figures[f"tokens_per_s_{streams}_{when}"] = speed[f"{when}_{streams}"]
        figures[f"speedup_{streams}"] = speed[f"after_{streams}"] / speed[f"before_{streams}"]
    sizes = Bars(
        title="Size of the weights",
        bars=[("float32", before / 1e6), (config.weights, after / 1e6)],
        unit="MB",
    )
    return Report(
        job="compress", figures=figures, checks=_checks(config, facts), sections=[_table(config, figures), sizes]
    )


def _rise(quality: dict[str, Any]) -> float:
    return float(quality["perplexity_after"] / quality["perplexity_before"] - 1.0)


def _checks(config: CompressConfig, facts: dict[str, dict[str, Any]]) -> list[Check]:
    error, share = facts["convert"]["logit_error"], facts["compress"]["bytes"] / facts["convert"]["bytes"]
    tokens, limit = facts["measure_speed"]["answer_tokens"], _MAX_SHARE[config.weights]
    return [
        Check(
            name="the converted model computes what transformers computes",
            held=error <= _MAX_LOGIT_ERROR,
            detail=f"largest difference {error:.1e} of the largest logit, at most {_MAX_LOGIT_ERROR:.0e}",
        ),
        Check(
            name=f"the weights are at most {limit:.0%} of their size in float32",
            held=share <= limit,
            detail=f"{share:.1%}",
        ),
        _quality_check(config, facts["measure_quality"]),
        Check(name="the compressed model loads and answers", held=tokens > 0, detail=f"{tokens} tokens"),
    ]


def _quality_check(config: CompressConfig, quality: dict[str, Any]) -> Check:
    tokens = quality["tokens"]
    if config.quality_input:
        assert config.max_perplexity_rise is not None
        rise = _rise(quality)
        return Check(
            name=f"perplexity rises by at most {config.max_perplexity_rise:.1%}",
            held=rise <= config.max_perplexity_rise,
            detail=f"{rise:+.2%} over {tokens} tokens",
        )
    assert config.min_agreement is not None
    return Check(
        name=f"at least {config.min_agreement:.0%} of next tokens stay the same",
        held=quality["agreement"] >= config.min_agreement,
        detail=f"{quality['agreement']:.1%} of {tokens} tokens of the original's answers",
    )


def _table(config: CompressConfig, figures: dict[str, Any]) -> Table:
    def ratio(name: str) -> str:
        return f"{figures[f'{name}_after'] / figures[f'{name}_before']:.2f}"

    rows: list[list[Any]] = [
        ["weights, MB", f"{figures['fp32_bytes'] / 1e6:.2f}", f"{figures['size_bytes'] / 1e6:.2f}"],
        ["perplexity", f"{figures['perplexity_before']:.4g}", f"{figures['perplexity_after']:.4g}"],
    ]
    rows[0].append(f"{figures['size_share']:.2f}")
    rows[1].append(ratio("perplexity"))
    for streams in STREAMS if config.speed_rounds else ():
        name = f"tokens_per_s_{streams}"
        label = "tokens/s, one stream" if streams == 1 else f"tokens/s, {streams} streams"
        rows.append([label, f"{figures[name + '_before']:.0f}", f"{figures[name + '_after']:.0f}", ratio(name)])
    source = "quality_input" if config.quality_input else "the original's answers to built-in prompts"
    note = (
        f"Both in the same engine on this machine, in turns; medians of {config.speed_rounds} rounds. "
        f"Perplexity over {figures['quality_tokens']} tokens of {source}; "
        f"{figures['agreement_share']:.1%} of the likeliest next tokens are the same."
    )
    columns = ["", "float32", config.weights, "ratio"]
    return Table(title="Before and after", columns=columns, rows=rows, note=note)
