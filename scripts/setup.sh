#!/bin/sh
# Makes .venv beside this repository's Makefile: setup.sh [PYTHON]. `make` calls it when there is none, when the
# dependencies have changed, and when another Python is named. A .venv that works is kept, one that does not is made anew.
# TORCH_INDEX=URL takes torch from another package index (its CPU-only builds are much smaller).
set -eu
cd "$(dirname "$0")/.."
if ! scripts/venv_fits.sh "${1:-}"; then
    python="${1:-$(scripts/find_python.sh || true)}"
    if ! "$python" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 13))' >/dev/null 2>&1; then
        echo "Error: danlu needs Python 3.11 or 3.12, and ${1:-no command of this machine} is none." >&2
        echo "Fix: install one (Debian/Ubuntu: apt-get install python3.11 python3.11-venv), or make setup PYTHON=/path/to/python3.12" >&2
        exit 1
    fi
    echo "Making .venv with $("$python" --version)"
    if ! "$python" -m venv --clear .venv || ! scripts/venv_fits.sh "$python"; then
        package="$("$python" -c 'import sys; print("python%d.%d-venv" % sys.version_info[:2])')"
        echo "Error: $python makes no virtual environment with pip in it." >&2
        echo "Fix: Debian and Ubuntu have that in a package of its own: apt-get install $package (or python3-venv), then make setup" >&2
        exit 1
    fi
fi
echo "Setting up .venv: Ray, torch 2.13.0, DeepSpeed, transformers, OpenVINO, LanceDB, ..."
echo "About 3 GB on disk with a CPU build of torch (several GB more where pip picks the CUDA build). Once only."
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
