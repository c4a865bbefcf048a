#!/bin/sh
# Says what to install when Go or a C compiler is missing.
set -u
go=$1

if ! command -v "$go" >/dev/null 2>&1; then
	echo "Go is missing. Install Go 1.26 or newer: https://go.dev/dl/" >&2
	exit 1
fi
# An older go command fetches the version that go.mod asks for, if it may.
if ! version=$("$go" version 2>&1) || ! echo "$version" | awk '
	match($0, /go[0-9]+\.[0-9]+/) { split(substr($0, RSTART + 2, RLENGTH - 2), v, "."); ok = v[1] > 1 || v[1] == 1 && v[2] >= 26 }
	END { exit !ok }'; then
	echo "$version" >&2
	echo "This Go is too old. Install Go 1.26 or newer: https://go.dev/dl/" >&2
	exit 1
fi
# SQLite is written in C.
cc=$("$go" env CC)
if ! printf '#include <stdlib.h>\nint main(void) { return 0; }\n' | $cc -x c -o /dev/null - >/dev/null 2>&1; then
	echo "A C compiler is missing ($cc does not work). Install one:" >&2
	echo "  Debian, Ubuntu: sudo apt-get install gcc libc6-dev" >&2
	echo "  Fedora:         sudo dnf install gcc glibc-devel" >&2
	echo "  Alpine:         sudo apk add gcc musl-dev" >&2
	exit 1
fi
if [ "$("$go" env CGO_ENABLED)" != 1 ]; then
	echo "cgo is switched off, but SQLite needs it: unset CGO_ENABLED." >&2
	exit 1
fi
