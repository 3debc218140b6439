"""The OpenAI-compatible front: HTTP on one side, served language models on the other."""
