#!/bin/sh
# fuzz.sh GO TIME: runs every fuzz target of the module for TIME each, and says
# at the end of each how many inputs it has tried:
#
#   fuzz ./preauth FuzzCheckVoucher executions 48211
#
# FUZZ=NAME, in the environment, runs only targets whose name has NAME in it.
# What a target has found is in testdata/fuzz of its package, and fails there
# in the ordinary tests until it is mended.
set -eu
go=$1 time=$2

targets=$(grep -rn --include='*_test.go' -oE '^func Fuzz[A-Za-z0-9_]*' . |
	sed -E 's#^(.*)/[^/]*_test\.go:[0-9]+:func (.*)#\1 \2#' | grep -E " Fuzz.*${FUZZ:-}" | sort) || true
if [ -z "$targets" ]; then
	echo "fuzz: no target found" >&2
	exit 1
fi
log=$(mktemp)
trap 'rm -f "$log"' EXIT
trap 'exit 130' INT TERM
failed=
while read -r dir name; do
	status=0
	"$go" test -run '^$' -fuzz "^$name\$" -fuzztime "$time" "$dir" >"$log" 2>&1 </dev/null || status=$?
	runs=$(sed -nE 's/^fuzz: elapsed: .* execs: ([0-9]+) .*/\1/p' "$log" | tail -n 1)
	# Before 1.27, Go now and then takes the end of TIME for a failure
	# (go.dev/issue/75804). A real one leaves its input behind, and says so.
	if grep -q '^ *context deadline exceeded$' "$log" && ! grep -q 'Failing input written\|panic' "$log"; then
		status=0
	fi
	if [ "$status" != 0 ] || [ -z "$runs" ]; then
		cat "$log"
		failed="$failed $name"
	fi
	echo "fuzz $dir $name executions ${runs:-0}"
done <<END
$targets
END
if [ -n "$failed" ]; then
	echo "fuzz: failed:$failed" >&2
	exit 1
fi
