#!/usr/bin/env bash
# Prints a Python 3.11 or 3.12 of this machine, or says what is missing and how to get it.
set -euo pipefail
for candidate in python3.11 python3.12 python3 python; do
    if "$candidate" -c 'import sys; sys.exit(sys.version_info[:2] not in ((3, 11), (3, 12)))' \
        2>/dev/null; then
        if ! "$candidate" -c 'import ensurepip, venv' 2>/dev/null; then
            echo "tidegate: $candidate has no venv; on Debian: apt-get install python3-venv" >&2
            exit 1
        fi
        command -v "$candidate"
        exit
    fi
done
echo "tidegate: Python 3.11 or 3.12 is needed and neither is on PATH; set PYTHON=/path/to/python" >&2
exit 1
