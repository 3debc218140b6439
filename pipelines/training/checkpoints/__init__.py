"""Checkpoints to resume from, in a form that knows nothing of the layout of the workers."""

from pipelines.training.checkpoints.position import Position as Position
