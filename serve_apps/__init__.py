"""Ray Serve applications: the language models themselves, and what answers over HTTP in front of them."""
