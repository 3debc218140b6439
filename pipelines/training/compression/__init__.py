"""Gradients sent between data-parallel workers as one bit per element."""
