#!/usr/bin/env bash
# Writes requirements.lock and requirements-dev.lock anew from pyproject.toml: the newest set
# that resolves, as plain names and versions, with no download address.
set -euo pipefail
cd "$(dirname "$0")/.."
python=${PYTHON:-python3.11}
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

resolve() { # extras
    "$python" -m venv "$scratch/$1"
    "$scratch/$1/bin/pip" install --quiet ".[$1]"
    "$scratch/$1/bin/pip" list --format=freeze | sed 's/+[a-z0-9.]*$//' |
        grep -viE '^(pip|setuptools|tidegate)==' | LC_ALL=C sort -f
}

base=$(resolve embedded)
all=$(resolve dev)
{
    echo "# What runs Tidegate, embedded Tritons included: names and versions that were tested together."
    echo "# Written by scripts/lock.sh from pyproject.toml."
    echo "$base"
} >requirements.lock
{
    echo "# What builds, checks and tests Tidegate and trains its models, on top of requirements.lock."
    echo "# Written by scripts/lock.sh from pyproject.toml."
    echo "-r requirements.lock"
    LC_ALL=C comm -13 <(LC_ALL=C sort <<<"$base") <(LC_ALL=C sort <<<"$all")
} >requirements-dev.lock
