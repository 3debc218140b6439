# Five commands: setup, demo, test, check, bench. All of them set up first, once.
# `make setup PYTHON=python3.12` names the Python of .venv; else the first one that fits is taken, and any .venv kept.
PYTHON ?=
DANLU  := .venv/bin/danlu
READY  := .venv/.ready
OTHER  := $(if $(filter command,$(origin PYTHON)),$(shell scripts/venv_fits.sh "$(PYTHON)" || echo another-python))

.PHONY: help setup demo serve test test-all check bench clean another-python

help:
	@echo "make demo    the whole chain on example material, about five minutes"
	@echo "make serve   the demo's models and apps over HTTP until Ctrl-C"
	@echo "make test    the tests (make test-all: the slow ones too)     make check   ruff and mypy"
	@echo "make bench   comparisons      make setup   only the environment (.venv)"

setup: $(READY)

$(READY): pyproject.toml constraints.txt scripts/setup.sh $(OTHER)
	@scripts/setup.sh "$(PYTHON)"

another-python:

demo: $(READY)
	@$(DANLU) demo $(ARGS)

serve: $(READY)
	@test -f runs/demo/serve.yaml || $(DANLU) demo
	@$(DANLU) serve runs/demo/serve.yaml

test: $(READY)
	@.venv/bin/python -m pytest -m "not slow" $(TESTS)

test-all: $(READY)
	@.venv/bin/python -m pytest $(TESTS)

check: $(READY)
	@.venv/bin/ruff check .
	@.venv/bin/ruff format --check .
	@.venv/bin/mypy danlu actors pipelines serve_apps cluster dashboards

bench: $(READY)
	@.venv/bin/python -m benchmarks

clean:
	rm -rf .venv build
