#!/bin/sh
# Runs every fuzz target of the module for some time each.
set -eu
go=$1 time=$2

targets=$(grep -rn --include='*_test.go' -oE '^func Fuzz[A-Za-z0-9_]*' . | sed -E 's#^(.*)/[^/]*_test\.go:[0-9]+:func (.*)#\1 \2#')
if [ -z "$targets" ]; then
	echo "fuzz: no target found" >&2
	exit 1
fi
echo "$targets" | while read -r dir name; do
	echo "fuzz: $name in $dir for $time"
	"$go" test -run '^$' -fuzz "^$name\$" -fuzztime "$time" "$dir"
done
