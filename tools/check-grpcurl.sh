#!/bin/sh
# Builds grpcurl and runs the tests that drive the programs with it.
set -eu
go=$1
cd "$(dirname "$0")/.."

"$go" build -modfile=tools/go.mod -o out/grpcurl github.com/fullstorydev/grpcurl/cmd/grpcurl
log=$(mktemp)
trap 'rm -f "$log"' EXIT
VIPASO_GRPCURL="$PWD/out/grpcurl" "$go" test -count=1 -v -tags grpcurl -run Grpcurl ./cmd/... >"$log" 2>&1 || { cat "$log"; exit 1; }
grep -E '^--- PASS: Test[A-Za-z0-9_]*Grpcurl' "$log" || { echo "check-grpcurl: no test ran"; exit 1; }
