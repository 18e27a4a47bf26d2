#!/usr/bin/env bash
# Changes the decision code (control_plane/core) in thousands of small ways and counts how many
# of the changes tests/unit/core notices. An hour or so on one core; docs/mutation.md has the score.
#   scripts/mutation.sh                                    everything, from the start
#   scripts/mutation.sh 'control_plane.core.retry*'        these once more, by the same tests
set -euo pipefail
cd "$(dirname "$0")/.."
bin=${VENV:-.venv}/bin
[ $# -gt 0 ] || rm -rf mutants
# CI: hypothesis shows every mutant the same examples.
CI=1 nice -n 19 "$bin/mutmut" run --max-children "${WORKERS:-1}" "$@"
"$bin/python" scripts/mutation_score.py
