"""What `danlu train` can't do, so that no plan says it."""

from __future__ import annotations

from pipelines.training.layout import Batching, Layout, check_batching, check_network, check_stages
from pipelines.training.planner.workload import Choice, Workload


def refusal(choice: Choice, workload: Workload) -> str | None:
    """Why this choice can't be trained, whatever the memory; None where it can."""
    layout = Layout(choice.data, choice.pipeline, choice.tensor, choice.expert)
    try:
        check_stages(layout, choice.zero)
        check_batching(layout, Batching(workload.sequences, choice.micro))
        check_network(layout, workload.sizes)
    except ValueError as error:
        return str(error)
    if workload.precision == "bf16" and choice.zero == 0:
        return "bf16 keeps fp32 master weights, which ZeRO 0 has not"
    return None
