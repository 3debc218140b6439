#!/bin/sh
# Prints the first Python 3.11 or 3.12 that runs.
for candidate in python3.11 python3.12 python3 python; do
    if "$candidate" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 13))' >/dev/null 2>&1; then
        command -v "$candidate"
        exit 0
    fi
done
