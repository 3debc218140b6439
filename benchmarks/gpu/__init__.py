"""What danlu does on a CUDA GPU. Each needs one; docs/gpu.md says what was measured on which."""
