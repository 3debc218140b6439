"""The demo: the whole chain once, on example material. `story.py` reads top to bottom."""
