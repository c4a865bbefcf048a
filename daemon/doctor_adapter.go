package daemon

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/vipaso/vipasod/daemon/catalogue"
)

// machine is where the kernel tells of Bluetooth and of processes: the root
// directory, or one that stands for it. Nothing here needs a privilege; what
// cannot be read without one is said.
type machine struct{ root string }

// judgeAdapter says why a Bluetooth adapter cannot be used. reason and said are
// the radio's, adapter is what was configured, as far as the radio has told.
func (m machine) judgeAdapter(adapter, reason, said string) finding {
	f := failed(reason, "%s", said)
	switch reason {
	case catalogue.KernelNoBluetooth:
		return m.noKernel(f)
	case catalogue.AdapterMissing:
		return m.missing(f, adapter)
	case catalogue.AdapterBusy:
		return m.busy(f)
	case catalogue.AdapterRfkill:
		return m.blocked(f)
	case catalogue.AdapterPermission:
		f.detail += "; only vipasod-radio.service has the capability"
		return f
	case catalogue.AdapterTimeout:
		return m.silent(f, adapter)
	}
	return f
}

func (m machine) noKernel(f finding) finding {
	if _, err := os.Stat(m.path("sys/class/bluetooth")); err == nil {
		f.detail += "; the kernel has Bluetooth, but not for this process: it is in a network namespace of its own"
		return f.to("Run the radio outside of the container, or without PrivateNetwork=: `sudo systemctl start vipasod-radio`.")
	}
	f.detail += "; /sys/class/bluetooth is not there"
	return f
}

func (m machine) missing(f finding, adapter string) finding {
	there := m.adapters()
	switch len(there) {
	case 0:
		f.detail += "; this machine has no Bluetooth adapter now"
		return f.to("Plug it in; if it is, see `sudo dmesg | grep -i bluetooth`. `vipasoctl radio status` shows when it is there.")
	case 1:
		f.detail += fmt.Sprintf("; this machine has %s", there[0])
		if strings.HasPrefix(adapter, "hci") || adapter == "" {
			return f.to(fmt.Sprintf("Plug it in, or set [radio] adapter = %q and `sudo systemctl restart vipasod-radio vipasod`.", there[0]))
		}
	default:
		f.detail += fmt.Sprintf("; this machine has %s", strings.Join(there, ", "))
	}
	return f
}

func (m machine) blocked(f finding) finding {
	var soft, hard []string
	for _, dir := range m.list("sys/class/rfkill") {
		if m.read(dir, "type") != "bluetooth" {
			continue
		}
		name := m.read(dir, "name")
		if m.read(dir, "hard") == "1" {
			hard = append(hard, name)
		} else if m.read(dir, "soft") == "1" {
			soft = append(soft, name)
		}
	}
	if len(hard) > 0 {
		f.detail += fmt.Sprintf("; %s is switched off by hardware", strings.Join(hard, ", "))
		return f.to("Use the switch or key on the device, or its firmware's setup; no command can. `rfkill list bluetooth` shows when it is on.")
	}
	if len(soft) > 0 {
		f.detail += fmt.Sprintf("; %s is switched off by software", strings.Join(soft, ", "))
	}
	return f
}

func (m machine) silent(f finding, adapter string) finding {
	bus, err := os.Readlink(m.path("sys/class/bluetooth", adapter, "device"))
	if err != nil {
		return f
	}
	f.detail += fmt.Sprintf("; %s is device %s", adapter, filepath.Base(bus))
	return f
}

// busy names who holds adapters: the processes that have an HCI socket, which
// are few. Which of them holds this one the kernel tells nobody.
func (m machine) busy(f finding) finding {
	inodes, err := m.sockets()
	who, unread := m.holders(inodes)
	switch {
	case err != nil:
		f.detail += fmt.Sprintf("; who holds it cannot be read: %v", err)
	case len(who) > 0:
		f.detail += "; HCI sockets are held by " + strings.Join(who, ", ")
	}
	if unread > 0 && len(who) == 0 {
		f.detail += fmt.Sprintf("; the open files of %d processes cannot be read without root", unread)
	}
	if slices.ContainsFunc(append(who, m.named("bluetoothd")...), func(w string) bool { return strings.HasPrefix(w, "bluetoothd ") }) {
		if len(who) == 0 {
			f.detail += "; bluetoothd runs"
		}
		return f // the catalogue says how to give it over
	}
	if len(who) > 0 {
		return f.to("End that program, or name another adapter in [radio] adapter; then `sudo systemctl restart vipasod-radio`.")
	}
	if len(inodes) > 0 {
		return f.to(fmt.Sprintf(`See who it is with `+"`sudo find /proc -path '*/fd/*' -lname 'socket:\\[%s\\]'`"+`, end that program, or name another adapter.`, inodes[0]))
	}
	return f
}

// sockets returns the inodes of all HCI sockets.
func (m machine) sockets() ([]string, error) {
	text, err := os.ReadFile(m.path("proc/self/net/hci"))
	if err != nil {
		return nil, err
	}
	var inodes []string
	for i, line := range strings.Split(strings.TrimSpace(string(text)), "\n") {
		const inode = 5 // sk, references, receive and write memory, user, inode, parent
		if fields := strings.Fields(line); i > 0 && len(fields) > inode {
			inodes = append(inodes, fields[inode])
		}
	}
	return inodes, nil
}

// holders returns the processes that have one of the sockets open, and how many
// could not be looked at.
func (m machine) holders(inodes []string) (who []string, unread int) {
	for _, dir := range m.processes() {
		files, err := os.ReadDir(filepath.Join(dir, "fd"))
		if err != nil {
			unread++
			continue
		}
		if slices.ContainsFunc(files, func(e fs.DirEntry) bool {
			to, err := os.Readlink(filepath.Join(dir, "fd", e.Name()))
			return err == nil && slices.ContainsFunc(inodes, func(i string) bool { return to == "socket:["+i+"]" })
		}) {
			who = append(who, m.process(dir))
		}
	}
	return who, unread
}

// named returns the processes of a program.
func (m machine) named(program string) (who []string) {
	for _, dir := range m.processes() {
		if m.read(dir, "comm") == program {
			who = append(who, m.process(dir))
		}
	}
	return who
}

func (m machine) process(dir string) string {
	return fmt.Sprintf("%s (pid %s)", m.read(dir, "comm"), filepath.Base(dir))
}

func (m machine) processes() (dirs []string) {
	for _, dir := range m.list("proc") {
		if _, err := strconv.Atoi(filepath.Base(dir)); err == nil {
			dirs = append(dirs, dir)
		}
	}
	return dirs
}

// adapters returns the names of the adapters that are there.
func (m machine) adapters() (names []string) {
	for _, dir := range m.list("sys/class/bluetooth") {
		name := filepath.Base(dir)
		if !strings.Contains(name, ":") { // hci0:64 is a connection of hci0
			names = append(names, name)
		}
	}
	return names
}

func (m machine) path(parts ...string) string {
	return filepath.Join(append([]string{m.root, "/"}, parts...)...)
}

// list returns the paths below a directory, none if it cannot be read.
func (m machine) list(dir string) (paths []string) {
	entries, err := os.ReadDir(m.path(dir))
	if err != nil {
		return nil
	}
	for _, e := range entries {
		paths = append(paths, filepath.Join(m.path(dir), e.Name()))
	}
	return paths
}

// read returns the one line of a file, empty if it cannot be read.
func (m machine) read(dir, name string) string {
	text, err := os.ReadFile(filepath.Join(dir, name))
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(text))
}
