"""DeepSpeed's pipeline engine, with gradients and update as two calls instead of one."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import torch
from deepspeed.runtime.config import DeepSpeedConfig
from deepspeed.runtime.pipe import schedule
from deepspeed.runtime.pipe.engine import PipelineEngine

if TYPE_CHECKING:
    from deepspeed.pipe import PipelineModule

_Batches = Iterator[tuple[Any, torch.Tensor]]


class StagedEngine(PipelineEngine):
    """The schedule (1F1B) is DeepSpeed's; two of its instructions are carried out differently."""

    def forward_backward(self, batches: _Batches) -> None:
        """Run one step's batches; gradients are reduced over replicas and tied weights, and stay unused."""
        self.module.train()
        self._start(batches)
        self._exec_schedule(self._train_schedule())

    def update(self) -> None:
        """Step the optimizer with these gradients."""
        self._exec_optimizer_step()

    def forward_only(self, batches: _Batches, count: int) -> None:
        """Run `count` batches without gradients."""
        self.module.eval()
        self._start(batches)
        with torch.no_grad():
            self._exec_schedule(self._inference_schedule(count))

    def _start(self, batches: _Batches) -> None:
        self.set_dataiterator(batches)
        self.total_loss = None
        self._compute_loss = True

    def _leave_weights(self) -> None:
        """In place of the optimizer's step, which `update` takes."""

    def _exec_backward_together(self, buffer_id: int) -> None:
        """One pass for all outputs of a stage; DeepSpeed walks through the whole stage again for each."""
        outputs = self.pipe_buffers["outputs"][buffer_id]
        if self.is_last_stage() or isinstance(outputs, torch.Tensor):
            self._exec_backward_pass(buffer_id)
            return
        self._running_engine_backward = True
        try:
            torch.autograd.backward([one for one in outputs if one.is_floating_point()], list(self.grad_layer))
        finally:
            self._running_engine_backward = False
        self.pipe_buffers["output_tensors"][buffer_id] = None
        self.pipe_buffers["outputs"][buffer_id] = None

    _INSTRUCTION_MAP = PipelineEngine._INSTRUCTION_MAP | {
        schedule.OptimizerStep: _leave_weights,
        schedule.BackwardPass: _exec_backward_together,
    }


def make_staged_engine(
    module: PipelineModule, optimizer: torch.optim.Optimizer, config: dict[str, Any]
) -> StagedEngine:
    """What `deepspeed.initialize` does for a pipeline, with our engine."""
    return StagedEngine(
        args=None,
        model=module,
        optimizer=optimizer,
        mpu=module.mpu(),
        dist_init_required=False,
        config=config,
        config_class=DeepSpeedConfig(config, module.mpu()),
    )
