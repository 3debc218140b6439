#!/bin/sh
# Makes .venv beside this repository's Makefile. Runs once; `make` calls it again when the dependencies change.
# TORCH_INDEX=URL takes torch from another package index (its CPU-only builds are much smaller).
set -eu
python="${1:-}"
if [ -z "$python" ]; then
    echo "Error: danlu needs Python 3.11 or 3.12, and none was found." >&2
    echo "Fix: install one (Debian/Ubuntu: apt-get install python3.11 python3.11-venv), or make setup PYTHON=/path/to/python3.12" >&2
    exit 1
fi
cd "$(dirname "$0")/.."
echo "Setting up .venv with $("$python" --version): Ray, torch 2.13.0, DeepSpeed, transformers, OpenVINO, LanceDB, ..."
echo "About 3 GB on disk with a CPU build of torch (several GB more where pip picks the CUDA build). Once only."
[ -x .venv/bin/python ] || "$python" -m venv .venv
pip=".venv/bin/python -m pip --disable-pip-version-check"
echo "[1/3] torch 2.13.0"
$pip install --quiet ${TORCH_INDEX:+--index-url "$TORCH_INDEX"} -c constraints.txt torch==2.13.0
echo "[2/3] danlu and its libraries (docs/dependencies.md says what each is for)"
# DS_BUILD_OPS=0: DeepSpeed's own CUDA and C++ kernels are not compiled; danlu uses torch's.
DS_BUILD_OPS=0 $pip install --quiet -c constraints.txt -e '.[dev]'
echo "[3/3] check"
.venv/bin/danlu doctor || true
touch .venv/.ready
echo "Ready: $(du -sh .venv | cut -f1) in .venv"
