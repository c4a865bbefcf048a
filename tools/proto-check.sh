#!/bin/sh
# Checks the API definitions: style, format, that the committed Go code is what
# they generate, and that nothing was broken since the last tag.
set -eu
buf=$1
cd "$(dirname "$0")/../proto"

$buf lint
$buf format --diff --exit-code --exclude-path buf

tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
mkdir "$tmp/proto"
$buf generate --output "$tmp/proto"
stale=0
for file in $({ find vipaso -name '*.pb.go'; cd "$tmp/proto" && find vipaso -name '*.pb.go'; } | sort -u); do
	cmp -s "$file" "$tmp/proto/$file" || { echo "proto/$file is stale: run make proto"; stale=1; }
done
[ "$stale" = 0 ]

if tag=$(git describe --tags --abbrev=0 2>/dev/null); then
	$buf breaking --against "../.git#tag=$tag,subdir=proto"
	echo "proto: ok, nothing broken since $tag"
else
	echo "proto: ok (no tag yet to compare with)"
fi
