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
# in the ordinary tests until it is mended.
set -eu
go=$1 time=$2

# one DIR NAME: runs one target.
one() {
	log=$(mktemp)
	trap 'rm -f "$log"' EXIT
	trap 'exit 130' INT TERM
	status=0
	# By default Go spends up to a minute on making one input shorter.
	"$go" test -run '^$' -fuzz "^$2\$" -fuzztime "$time" -fuzzminimizetime 100x -parallel 1 "$1" >"$log" 2>&1 || status=$?
	# Before 1.27, Go now and then takes the end of TIME for a failure
	# (go.dev/issue/75804). A real one leaves its input behind, and says so.
	if grep -q '^ *context deadline exceeded$' "$log" && ! grep -q 'Failing input written\|panic' "$log"; then
		status=0
	fi
	# On a slow machine TIME may end before all known inputs were tried.
	runs=$(sed -nE 's/^fuzz: elapsed: .*(execs:|baseline coverage:) ([0-9]+).*/\2/p' "$log" | tail -n 1)
	if [ "$status" != 0 ]; then
		{ cat "$log"; echo "fuzz: $2 in $1 failed"; } >&2
		exit 1
	fi
	echo "fuzz $1 $2 executions ${runs:-0}"
}

if [ $# = 4 ]; then
	one "$3" "$4"
	exit
fi
targets=$(grep -rn --include='*_test.go' -oE '^func Fuzz[A-Za-z0-9_]*' . |
	sed -E 's#^(.*)/[^/]*_test\.go:[0-9]+:func (.*)#\1 \2#' | grep -E "^\./(${FUZZ_IN:-}).* Fuzz.*${FUZZ:-}" | sort) || true
if [ -z "$targets" ]; then
	echo "fuzz: no target found" >&2
	exit 1
fi
echo "$targets" | xargs -n 2 -P "$(nproc)" "$0" "$go" "$time"
