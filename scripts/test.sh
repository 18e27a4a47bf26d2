#!/usr/bin/env bash
# The whole suite with coverage: 85 % in all, every branch of the core.
set -euo pipefail
cd "$(dirname "$0")/.."
bin=${VENV:-.venv}/bin
"$bin/coverage" erase
status=0
"$bin/coverage" run -m pytest "$@" || status=$?
"$bin/coverage" combine --quiet
"$bin/coverage" report --include='control_plane/core/*,control_plane/errors.py' --fail-under=100
"$bin/coverage" report --fail-under=85
exit $status
