#!/usr/bin/env bash
# The whole suite with coverage: 85 % in all, every branch of the core.
# scripts/test.sh [pytest's arguments], for some of the tests; WORKERS=0: one after another.
set -euo pipefail
cd "$(dirname "$0")/.."
bin=${VENV:-.venv}/bin
# As many at a time as there are processors, and no more than eight: two Tritons are started for
# each, and the tests of a file stay together.
processors=$(getconf _NPROCESSORS_ONLN)
workers=${WORKERS:-$((processors < 8 ? processors : 8))}

status=0
run() {
    local ended=0
    "$bin/python" -m "$@" || ended=$?
    # 5: none of the tests that were asked for is one of these.
    [ $ended = 0 ] || [ $ended = 5 ] || status=$ended
}

"$bin/coverage" erase
echo "== what can run side by side, $workers at a time"
# In the order of the folders: what waits for real servers first, tests/unit fills up the rest.
run coverage run -m pytest -m "not alone" \
    -n "$workers" --dist loadfile --no-loadscope-reorder --durations=15 "$@"
echo "== what compares times: alone, and of the product as it is, which coverage slows down"
run pytest -m alone --durations=15 "$@"
"$bin/coverage" combine --quiet
"$bin/coverage" report --include='control_plane/core/*,control_plane/errors.py' --fail-under=100
"$bin/coverage" report --fail-under=85
exit $status
