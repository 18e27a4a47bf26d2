#!/usr/bin/env bash
# Gets what some tests need and Python packages do not bring: perf_analyzer with its libraries,
# the programs of Postgres, RabbitMQ, Redis and Prometheus, and Chromium. The tests start servers
# of their own and leave others alone; none is started here, and none has to run.
# Where this is root on Debian or Ubuntu it installs system packages; elsewhere it says what is
# missing, and the tests that need it are skipped by name (with CI=true they fail).
set -uo pipefail
cd "$(dirname "$0")/.."
venv=${VENV:-.venv}
home=$venv/perf_analyzer

has_postgres() {
    command -v pg_ctl >/dev/null || ls /usr/lib/postgresql/*/bin/pg_ctl >/dev/null 2>&1
}

has_rabbitmq() {
    command -v rabbitmq-server >/dev/null || [ -x /usr/lib/rabbitmq/bin/rabbitmq-server ]
}

has_prometheus() {
    command -v prometheus >/dev/null && command -v promtool >/dev/null
}

has_chromium() {
    command -v chromium >/dev/null || command -v chromium-browser >/dev/null
}

if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    missing=()
    for package in libb64-0d; do
        dpkg -s "$package" >/dev/null 2>&1 || missing+=("$package")
    done
    # A server that is installed here, from wherever, will do.
    if ! has_postgres; then
        missing+=(postgresql)
    fi
    has_rabbitmq || missing+=(rabbitmq-server)
    command -v redis-server >/dev/null || missing+=(redis-server)
    has_prometheus || missing+=(prometheus)
    has_chromium || missing+=(chromium)
    if [ ${#missing[@]} -gt 0 ]; then
        # Debian starts what it installs, unless somebody says that it may not.
        policy=/usr/sbin/policy-rc.d
        made=no
        if [ ! -e "$policy" ]; then
            printf '#!/bin/sh\nexit 101\n' >"$policy" && chmod +x "$policy" && made=yes
        fi
        # Not what is recommended with them: with Prometheus comes another server.
        apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq \
            --no-install-recommends "${missing[@]}"
        if [ $made = yes ]; then
            rm -f "$policy"
        fi
    fi
fi

# The last wheel of tritonclient that holds the perf_analyzer binary.
if [ ! -x "$home/perf_analyzer" ]; then
    scratch=$(mktemp -d)
    trap 'rm -rf "$scratch"' EXIT
    if "$venv/bin/pip" download --quiet --no-deps --dest "$scratch" \
        tritonclient==2.49.0 nvidia-cuda-runtime-cu12==12.6.77; then
        mkdir -p "$home"
        for wheel in "$scratch"/*.whl; do
            "$venv/bin/python" -m zipfile -e "$wheel" "$scratch/unpacked"
        done
        find "$scratch/unpacked" -name 'libcudart.so.*' -exec cp {} "$home" \;
        find "$scratch/unpacked" -name perf_analyzer -type f -exec cp {} "$home" \;
        chmod +x "$home/perf_analyzer"
    fi
fi
if ! LD_LIBRARY_PATH=$home "$home/perf_analyzer" --version >/dev/null 2>&1; then
    echo "missing: perf_analyzer (Debian: apt-get install libb64-0d); its test is skipped" >&2
fi
if ! has_postgres; then
    echo "missing: Postgres (Debian: apt-get install postgresql); its tests are skipped" >&2
fi
if ! has_rabbitmq; then
    echo "missing: RabbitMQ (Debian: apt-get install rabbitmq-server); its tests are skipped" >&2
fi
if ! command -v redis-server >/dev/null; then
    echo "missing: Redis (Debian: apt-get install redis-server); its tests are skipped" >&2
fi
if ! has_prometheus; then
    echo "missing: Prometheus (Debian: apt-get install prometheus); its tests are skipped" >&2
fi
if ! has_chromium; then
    echo "missing: Chromium (Debian: apt-get install chromium); its tests are skipped" >&2
fi
