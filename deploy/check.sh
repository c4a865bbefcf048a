#!/usr/bin/env bash
# Checks what is deployed: the units are correct and as closed as they should
# be, the users can be made, the journal takes the catalogue. It needs systemd's
# tools, not a running systemd. Each check is tried on something wrong first.
set -euo pipefail
cd "$(dirname "$0")"

# The most exposure that systemd-analyze may find, times ten. What is left is
# the host's root directory, the clock's device, unix sockets and, for the two
# with a network, that; for vipasod the host's users (why is said in its unit).
declare -A exposure=([vipasod.service]=4 [vipasod-uplink.service]=11 [vipaso-backend.service]=9 [vipasod-radio.service]=13)

# Without one of these lines a unit must fail the check.
essential=(CapabilityBoundingSet NoNewPrivileges RestrictAddressFamilies SystemCallFilter ProtectSystem ProtectHome
	PrivateTmp PrivateDevices PrivateMounts ProtectKernelModules RestrictNamespaces RestrictSUIDSGID User)

tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT

fail() {
	echo "deploy/check.sh: $*" >&2
	exit 1
}

# verify says what systemd does not understand in a unit. The program need not
# be installed, so a copy of the unit starts one that is.
verify() {
	sed 's#^ExecStart=/usr/bin/vip[^ ]*#ExecStart=/bin/true#' "$1" >"$tmp/${1##*/}"
	systemd-analyze verify --man=no "$tmp/${1##*/}" 2>&1 || echo "exit status $?"
	rm "$tmp/${1##*/}" # another unit may name it
}

# closed succeeds if the exposure of a unit is at most as given.
closed() {
	systemd-analyze security --no-pager --offline=true --threshold="$2" "$1" >"$tmp/security" 2>&1
}

command -v systemd-analyze >/dev/null || fail "systemd-analyze is missing: apt-get install systemd"

for unit in "${!exposure[@]}"; do
	said=$(verify "$unit")
	[ -z "$said" ] || fail "$unit: $said"
	mkdir -p "$tmp/wrong"
	sed 's/^ProtectSystem=/ProtectSytem=/' "$unit" >"$tmp/wrong/$unit"
	[ -n "$(verify "$tmp/wrong/$unit")" ] || fail "systemd-analyze verify found nothing wrong with a misspelt line in $unit"

	closed "$unit" "${exposure[$unit]}" || { cat "$tmp/security" >&2; fail "$unit is more exposed than ${exposure[$unit]}/10"; }
	for line in "${essential[@]}"; do
		grep -q "^$line=" "$unit" || fail "$unit has no $line="
		grep -v "^$line=" "$unit" >"$tmp/wrong/$unit"
		! closed "$tmp/wrong/$unit" "${exposure[$unit]}" || fail "$unit without $line= was not found to be more exposed"
	done
	echo "$unit: ok, exposure at most ${exposure[$unit]}/10"
done

# Capabilities belong to the radio's unit alone.
for unit in "${!exposure[@]}"; do
	[ "$unit" != vipasod-radio.service ] || continue
	! grep -E '^(AmbientCapabilities|CapabilityBoundingSet)=.' "$unit" || fail "$unit has a capability"
done
! grep -E '^(AmbientCapabilities|CapabilityBoundingSet)=.' vipasod-radio.service | grep -v '=CAP_NET_ADMIN$' || fail "vipasod-radio.service has another capability"

mkdir -p "$tmp/root/etc"
said=$(systemd-sysusers --root="$tmp/root" "$PWD"/*.sysusers 2>&1) || fail "sysusers: $said"
for user in vipasod vipaso-backend vipasod-radio vipasod-uplink; do
	grep -q "^$user:" "$tmp/root/etc/passwd" || fail "no user $user was made"
done
grep -q '^vipaso:.*vipasod' "$tmp/root/etc/group" || fail "vipasod is not in group vipaso"
grep -q '^vipasod-radio:.*vipasod' "$tmp/root/etc/group" || fail "vipasod may not use the radio"
grep -q '^vipasod-uplink:.*vipasod' "$tmp/root/etc/group" || fail "vipasod may not use the uplink"
echo "sysusers: ok"

mkdir -p "$tmp/root/usr/lib/systemd/catalog" "$tmp/root/var/lib/systemd/catalog"
cp vipasod.catalog "$tmp/root/usr/lib/systemd/catalog/"
said=$(journalctl --root="$tmp/root" --update-catalog 2>&1) || fail "vipasod.catalog: $said"
[ -z "$said" ] || fail "vipasod.catalog: $said"
listed=$(journalctl --root="$tmp/root" --list-catalog | grep -c ' vipasod: ')
[ "$listed" = "$(grep -c '^-- ' vipasod.catalog)" ] || fail "the journal knows $listed entries of vipasod.catalog"
echo "journal catalogue: ok, $listed entries"
