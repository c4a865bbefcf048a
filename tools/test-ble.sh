#!/usr/bin/env bash
# test-ble.sh GO: runs the Bluetooth tests in two small virtual machines, whose
# kernels have Bluetooth and virtual controllers. It needs no Bluetooth, no KVM
# and no root, but for the first installation of packages; a Debian with apt,
# and Go. What it downloads and unpacks is kept in BLE_CACHE.
#
# A machine has one processor, which takes a nanosecond for each instruction by
# its own clock, and skips the time in which it would do nothing. So no test
# waits, and none notices how fast the host is or what else it does.
#
#   tools/test-ble.sh go          all tests
#   BLE_RUN=Race tools/test-ble.sh go    those that match
#   BLE_SHELL=1 tools/test-ble.sh go     a shell in the machine instead
set -euo pipefail
cd "$(dirname "$0")/.."
GO=${1:-go}
CACHE=${BLE_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/vipasod-ble}
LIMIT=${BLE_LIMIT:-900} # seconds for the machine
RUN=${BLE_RUN:-.}
mkdir -p "$CACHE"
say() { printf '[test-ble %d s] %s\n' "$SECONDS" "$*"; }

install_packages() {
	local missing=()
	command -v qemu-system-x86_64 >/dev/null || missing+=(qemu-system-x86)
	[ -x /bin/busybox ] || missing+=(busybox-static)
	command -v cpio >/dev/null || missing+=(cpio)
	command -v xz >/dev/null || missing+=(xz-utils)
	[ ${#missing[@]} -gt 0 ] || return 0
	say "installing ${missing[*]}"
	refresh
	DEBIAN_FRONTEND=noninteractive $(root) apt-get -o DPkg::Lock::Timeout=300 -qq install -y --no-install-recommends "${missing[@]}" >"$CACHE/apt.log" 2>&1
}

root() { [ "$(id -u)" = 0 ] || echo sudo; }

# The package lists, once: an old one names what can no longer be downloaded.
refresh() {
	[ -z "${REFRESHED:-}" ] || return 0
	$(root) apt-get -o DPkg::Lock::Timeout=300 -qq update
	REFRESHED=1
}

download() { (cd "$1" && shift && apt-get -qq -o APT::Sandbox::User=root download "$@"); }

kernel_package() { apt-cache depends linux-image-amd64 | sed -n 's/^ *Depends: *\(linux-image-[^ ]*\).*/\1/p' | head -n 1; }

# Debian's kernel, unpacked and not installed. The one for clouds has no
# Bluetooth. QEMU unpacks a compressed kernel at a tenth of our speed.
unpack_kernel() {
	KERNEL=$CACHE/$(kernel_package)
	[ ! -e "$KERNEL/complete" ] || return 0
	refresh
	KERNEL=$CACHE/$(kernel_package)
	say "kernel ${KERNEL##*/}"
	rm -rf "$CACHE"/linux-image-*
	mkdir -p "$KERNEL/tree"
	download "$KERNEL" "${KERNEL##*/}"
	dpkg --fsys-tarfile "$KERNEL"/*.deb | tar -C "$KERNEL/tree" -x --wildcards './boot/vmlinuz-*' \
		'*/kernel/net/bluetooth/bluetooth.ko*' '*/kernel/drivers/bluetooth/hci_vhci.ko*' \
		'*/kernel/net/rfkill/rfkill.ko*' '*/kernel/crypto/ecc.ko*' '*/kernel/crypto/ecdh_generic.ko*' '*/kernel/lib/crc16.ko*' \
		'*/kernel/crypto/cmac.ko*'
	rm -f "$KERNEL"/*.deb
	find "$KERNEL/tree" -name '*.ko.xz' -exec xz -d {} +
	local image offset
	image=$(echo "$KERNEL"/tree/boot/vmlinuz-*)
	offset=$(LC_ALL=C grep -aobP '\xFD7zXZ\x00' "$image" | head -n 1 | cut -d: -f1 || true)
	if [ -z "$offset" ] || ! tail -c +$((offset + 1)) "$image" | xz -dc --single-stream >"$KERNEL/vmlinux" 2>/dev/null; then
		[ -s "$KERNEL/vmlinux" ] || cp "$image" "$KERNEL/vmlinux"
	fi
	touch "$KERNEL/complete"
}

bluez_version() { apt-cache show --no-all-versions bluez | sed -n 's/^Version: //p'; }

# BlueZ's tools and what they are linked with, unpacked and not installed.
unpack_bluez() {
	BLUEZ=$CACHE/bluez-$(bluez_version)
	[ ! -e "$BLUEZ/complete" ] || return 0
	refresh
	BLUEZ=$CACHE/bluez-$(bluez_version)
	say "${BLUEZ##*/}"
	rm -rf "$CACHE"/bluez-*
	mkdir -p "$BLUEZ"/{packages,all,tree}
	download "$BLUEZ/packages" bluez libc6 libglib2.0-0 libpcre2-8-0 libreadline8 libtinfo6
	local package
	for package in "$BLUEZ"/packages/*.deb; do dpkg -x "$package" "$BLUEZ/all"; done
	(cd "$BLUEZ/all" && cp -a --parents usr/bin/{btmgmt,gatttool} bin/hciconfig lib64 \
		lib/*/{ld-linux-x86-64,libc,libm,libreadline,libtinfo}.so.* usr/lib/*/{libglib-2.0,libpcre2-8}.so.* "$BLUEZ/tree")
	rm -rf "$BLUEZ/packages" "$BLUEZ/all"
	touch "$BLUEZ/complete"
}

# The programs and the tests, linked statically: the machine has no libraries.
build_programs() {
	say "building"
	local flags=(-tags 'vm netgo osusergo sqlite_omit_load_extension' -trimpath -ldflags '-s -w -linkmode external -extldflags "-static"')
	CGO_ENABLED=1 "$GO" build "${flags[@]}" -o "$ROOT/programs/" ./cmd/vipasod ./cmd/vipasoctl ./cmd/vipaso-backend 2> >(grep -v 'statically linked applications' >&2)
	CGO_ENABLED=1 "$GO" test -c "${flags[@]}" -o "$ROOT/tests/programs" ./cmd/vipasod 2> >(grep -v 'statically linked applications' >&2)
	CGO_ENABLED=0 "$GO" test -c -tags vm -trimpath -ldflags '-s -w' -o "$ROOT/tests/adapter" ./ble/hci
}

make_root() {
	mkdir -p "$ROOT"/{bin,dev,proc,sys,tmp,modules,programs,tests,etc}
	cp -a "$BLUEZ/tree/." "$ROOT/"
	cp /bin/busybox "$ROOT/bin/busybox"
	ln -s busybox "$ROOT/bin/sh"
	find "$KERNEL/tree" -name '*.ko' -exec cp {} "$ROOT/modules/" \;
	echo 'root:x:0:0:root:/:/bin/sh' >"$ROOT/etc/passwd"
	echo 'root:x:0:' >"$ROOT/etc/group"
	build_programs
	{
		cat <<-'INIT'
			#!/bin/sh
			/bin/busybox --install -s /bin
			mount -t proc proc /proc; mount -t sysfs sys /sys; mount -t devtmpfs dev /dev; mount -t tmpfs tmp /tmp
			ip link set lo up
			for m in ecc ecdh_generic cmac crc16 rfkill bluetooth hci_vhci; do [ ! -e /modules/$m.ko ] || insmod /modules/$m.ko; done
			echo "[machine] up after $(cut -d' ' -f1 /proc/uptime) s, kernel $(uname -r)"
			export LOGXI='*=OFF' HOME=/tmp TMPDIR=/tmp VIPASO_PROGRAMS=/programs
			failed=0
		INIT
		if [ -n "${BLE_SHELL:-}" ]; then
			echo 'setsid cttyhack sh'
		else # the kernel passes on $adapter and $programs of its command line
			cat <<-'INIT'
				[ -z "$adapter" ] || /tests/adapter -test.v -test.run "$adapter" || failed=1
				[ -z "$programs" ] || /tests/programs -test.v -test.parallel 3 -test.run "$programs" || failed=1
			INIT
		fi
		cat <<-'INIT'
			echo "[machine] status $failed after $(cut -d' ' -f1 /proc/uptime) s"
			sleep 0.2
			printf "\\x0$failed" | dd of=/dev/port bs=1 seek=244 2>/dev/null
			poweroff -f
		INIT
	} >"$ROOT/init"
	chmod +x "$ROOT/init"
	(cd "$ROOT" && find . | cpio -o -H newc --quiet) >"$WORK/initrd"
}

# tests PROGRAM GREP...: a pattern of those tests of a program that are wanted
# and that grep finds; nothing, if there are none.
tests() {
	local program=$1 names
	shift
	names=$("$ROOT/tests/$program" -test.list "TestVM.*${RUN%%/*}" | grep '^TestVM' | grep "$@" | paste -sd '|') || return 0
	[ -z "$names" ] || echo "^($names)\$${RUN#"${RUN%%/*}"}"
}

# QEMU, with the rest of the kernel's command line. erms would have kernel and
# programs copy byte by byte, which is slow to emulate. KVM has no such clock, and
# who sits at a shell wants the usual one.
machine() {
	local accel=(-accel tcg,thread=single -icount "shift=0,sleep=off" -cpu max,-erms)
	[ -z "${BLE_SHELL:-}" ] || accel=(-accel tcg -cpu max,-erms)
	[ -z "${BLE_KVM:-}" ] || accel=(-accel kvm -cpu host)
	exec timeout --foreground -k 5 "$LIMIT" qemu-system-x86_64 "${accel[@]}" -smp 1 -m "${BLE_MEMORY:-768}" -nodefaults -display none -no-reboot \
		-serial mon:stdio -device isa-debug-exit,iobase=0xf4,iosize=4 -kernel "$KERNEL/vmlinux" -initrd "$WORK/initrd" \
		-append "console=ttyS0 quiet panic=-1 no_timer_check mitigations=off nokaslr nowatchdog rcupdate.rcu_cpu_stall_suppress=1 cryptomgr.notests=1 preempt=full $*"
}

MACHINES=()
READERS=()

# start ADAPTER PROGRAMS: boots a machine that runs these tests, if there are any.
start() {
	[ -n "$1$2" ] || return 0
	local n=$((${#MACHINES[@]} + 1))
	say "booting machine $n, $(($(stat -c %s "$WORK/initrd") / 1048576)) MiB"
	mkfifo "$WORK/console$n"
	sed -u 's|\r||g' <"$WORK/console$n" | tee "$CACHE/console$n.log" | sed -u "s/^/$n| /" &
	READERS+=($!)
	machine ${1:+"adapter=$1"} ${2:+"programs=$2"} </dev/null >"$WORK/console$n" 2>&1 &
	MACHINES+=($!)
}

# finish waits for all machines. isa-debug-exit ends QEMU with 2n+1.
finish() {
	local n status failed=0
	for n in "${!MACHINES[@]}"; do
		status=0
		wait "${MACHINES[n]}" || status=$?
		wait "${READERS[n]}" || true
		[ $status = 1 ] && continue
		failed=1
		[ $status = 3 ] || say "machine $((n + 1)) ended with $status, within $LIMIT s or killed"
		say "failed; the console is in $CACHE/console$((n + 1)).log"
	done
	table
	[ $failed = 0 ] || return 1
	say "passed"
}

# What was measured, from the lines of the tests.
table() {
	LC_ALL=C grep -aoh '\[figure\] .*' "$CACHE"/console?.log | sed 's/^\[figure\] //' |
		awk -F '\t' 'NR == 1 { print "\nmeasured over virtual controllers, with the pace of a connection interval,\non a processor that does an instruction in a nanosecond:" } { printf "  %-58s %s\n", $1, $2 } END { print "" }' || true
}

install_packages
unpack_kernel
unpack_bluez
WORK=$(mktemp -d)
trap 'kill "${MACHINES[@]}" 2>/dev/null || true; rm -rf "$WORK"' EXIT
trap 'exit 130' INT TERM
ROOT=$WORK/root
make_root
if [ -n "${BLE_SHELL:-}" ]; then
	(machine)
	exit
fi
rm -f "$CACHE"/console?.log
# The halves need about the same time.
FIRST='BlueZ\|Killed'
start "" "$(tests programs "$FIRST")"
start "$(tests adapter .)" "$(tests programs -v "$FIRST")"
[ ${#MACHINES[@]} -gt 0 ] || { say "no test matches $RUN"; exit 1; }
finish
