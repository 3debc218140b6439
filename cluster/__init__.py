"""Where and how things run: the `danlu` command, local Ray, job submission, checks, and the demo."""
