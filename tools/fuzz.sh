#!/bin/sh
# fuzz.sh GO TIME: runs every fuzz target of the module for TIME each, as many
# at once as there are processors, and says of each how many inputs it has
# tried:
#
#   fuzz ./preauth FuzzCheckVoucher executions 48211
#
# FUZZ=NAME, in the environment, runs only targets whose name has NAME in it,
# FUZZ_IN=DIRS only those below directories that match: FUZZ_IN='preauth|store'.
# What a target has found is in testdata/fuzz of its package, and fails there
# in the ordinary tests until it is mended; what it has learned is in Go's
# cache, as go test -fuzz keeps it. Each package is built once, where go test
# -fuzz would link it for every target.
set -eu
go=$1 time=$2

# one BUILT DIR NAME: runs one target of the package that was built there.
one() {
	log=$(mktemp)
	trap 'rm -f "$log"' EXIT
	trap 'exit 130' INT TERM
	status=0
	known=$("$go" env GOCACHE)/fuzz/$(cat "$1.path")
	# By default Go spends up to a minute on making one input shorter.
	(cd "$2" && exec "$1" -test.run '^$' -test.fuzz "^$3\$" -test.fuzztime "$time" -test.fuzzminimizetime 100x -test.parallel 1 \
		-test.fuzzcachedir "$known") >"$log" 2>&1 || status=$?
	# Before 1.27, Go now and then takes the end of TIME for a failure
	# (go.dev/issue/75804). A real one leaves its input behind, and says so.
	if grep -q '^ *context deadline exceeded$' "$log" && ! grep -q 'Failing input written\|panic' "$log"; then
		status=0
	fi
	# On a slow machine TIME may end before all known inputs were tried.
	runs=$(sed -nE 's/^fuzz: elapsed: .*(execs:|baseline coverage:) ([0-9]+).*/\2/p' "$log" | tail -n 1)
	if [ "$status" != 0 ]; then
		{ cat "$log"; echo "fuzz: $3 in $2 failed"; } >&2
		exit 1
	fi
	echo "fuzz $2 $3 executions ${runs:-0}"
}

if [ $# = 5 ]; then
	one "$3" "$4" "$5"
	exit
fi
targets=$(grep -rn --include='*_test.go' -oE '^func Fuzz[A-Za-z0-9_]*' . |
	sed -E 's#^(.*)/[^/]*_test\.go:[0-9]+:func (.*)#\1 \2#' | grep -E "^\./(${FUZZ_IN:-}).* Fuzz.*${FUZZ:-}" | sort) || true
if [ -z "$targets" ]; then
	echo "fuzz: no target found" >&2
	exit 1
fi
built=$(mktemp -d)
trap 'rm -rf "$built"' EXIT
trap 'exit 130' INT TERM
for dir in $(echo "$targets" | cut -d ' ' -f 1 | uniq); do
	name=$built/$(echo "$dir" | tr / -)
	"$go" test -c -fuzz=. -o "$name" "$dir"
	"$go" list "$dir" >"$name.path"
done
echo "$targets" | while read -r dir target; do
	echo "$built/$(echo "$dir" | tr / -) $dir $target"
done | xargs -n 3 -P "$(nproc)" "$0" "$go" "$time"
