#!/bin/sh
# Whether .venv works (its pip too) and has the Python that is named, if one is: venv_fits.sh [PYTHON]
cd "$(dirname "$0")/.." || exit 1
.venv/bin/python -m pip --version >/dev/null 2>&1 || exit 1
[ -z "${1:-}" ] && exit 0
version='import sys; print(*sys.version_info[:2])'
[ "$("$1" -c "$version" 2>/dev/null)" = "$(.venv/bin/python -c "$version")" ]
