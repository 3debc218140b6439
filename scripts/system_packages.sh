#!/bin/sh
# Debian/Ubuntu packages that a few tests use (they are skipped without): the sandbox, promtool, a browser.
set -eu
missing=""
command -v bwrap >/dev/null || missing="$missing bubblewrap"
command -v promtool >/dev/null || missing="$missing prometheus"
command -v chromium >/dev/null || missing="$missing chromium"
[ -z "$missing" ] && exit 0
echo "Installing$missing"
apt-get update -qq
# shellcheck disable=SC2086
DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $missing >/dev/null
