#!/usr/bin/env bash
# Writes control_plane/grpc_api/protos/*_pb2.py(i) anew from the .proto files beside them.
set -euo pipefail
cd "$(dirname "$0")/.."
protos=control_plane/grpc_api/protos
out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT
"${PYTHON:-python}" -m grpc_tools.protoc -I "$protos" --python_out="$out" --pyi_out="$out" \
    "$protos"/tidegate/v1/*.proto
cp "$out"/tidegate/v1/*_pb2.py "$out"/tidegate/v1/*_pb2.pyi "$protos"/
