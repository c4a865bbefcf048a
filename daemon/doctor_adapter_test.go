package daemon

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/vipaso/vipasod/ble/link"
	"github.com/vipaso/vipasod/daemon/catalogue"
)

// tree makes a directory that stands for the root: files with their content,
// links as "-> target", and directories that cannot be read as "closed".
func tree(t *testing.T, files map[string]string) machine {
	t.Helper()
	root := t.TempDir()
	for name, content := range files {
		path := filepath.Join(root, name)
		must(t, os.MkdirAll(filepath.Dir(path), 0o755))
		switch target, link := strings.CutPrefix(content, "-> "); {
		case link:
			must(t, os.Symlink(target, path))
		case content == "closed":
			// Not a directory: reading it fails, for root as well.
			must(t, os.WriteFile(path, nil, 0o600))
		default:
			must(t, os.WriteFile(path, []byte(content), 0o644))
		}
	}
	return machine{root}
}

// hciTable is /proc/net/hci with one socket.
const hciTable = "sk               RefCnt Rmem   Wmem   User   Inode  Parent\n0000000000000000 2      0      0      0      4711   0     \n"

func TestJudgeAdapter(t *testing.T) {
	for _, tt := range []struct {
		name, reason, adapter string
		files                 map[string]string
		detail, next          string // parts of them
	}{
		{"no kernel Bluetooth", catalogue.KernelNoBluetooth, "hci1", nil,
			"; /sys/class/bluetooth is not there", "modprobe bluetooth"},
		{"not for this process", catalogue.KernelNoBluetooth, "hci1", map[string]string{"sys/class/bluetooth/hci0/uevent": ""},
			"not for this process", "systemctl start vipasod-radio"},
		{"none at all", catalogue.AdapterMissing, "hci1", nil, "has no Bluetooth adapter now", "dmesg"},
		{"another number", catalogue.AdapterMissing, "hci1", map[string]string{"sys/class/bluetooth/hci0/uevent": "", "sys/class/bluetooth/hci0:64/uevent": ""},
			"; this machine has hci0", `adapter = "hci0"`},
		{"two others", catalogue.AdapterMissing, "hci7", map[string]string{"sys/class/bluetooth/hci0/uevent": "", "sys/class/bluetooth/hci1/uevent": ""},
			"; this machine has hci0, hci1", "name it by address"},
		{"another address", catalogue.AdapterMissing, "addr:00:11:22:33:44:55", map[string]string{"sys/class/bluetooth/hci0/uevent": ""},
			"; this machine has hci0", "name it by address"},
		{"held by bluetoothd", catalogue.AdapterBusy, "hci0", map[string]string{
			"proc/self/net/hci": hciTable, "proc/812/comm": "bluetoothd\n", "proc/812/fd/7": "-> socket:[4711]", "proc/9/comm": "sh\n", "proc/9/fd/1": "-> socket:[99]",
		}, "; HCI sockets are held by bluetoothd (pid 812)", "systemctl disable --now bluetooth"},
		{"held by another program", catalogue.AdapterBusy, "hci0", map[string]string{
			"proc/self/net/hci": hciTable, "proc/77/comm": "btmon\n", "proc/77/fd/3": "-> socket:[4711]", "proc/9/fd": "closed",
		}, "; HCI sockets are held by btmon (pid 77)", "End that program"},
		{"held by one that cannot be seen", catalogue.AdapterBusy, "hci0", map[string]string{
			"proc/self/net/hci": hciTable, "proc/77/comm": "x\n", "proc/77/fd": "closed", "proc/78/fd": "closed",
		}, "; the open files of 2 processes cannot be read without root", `sudo find /proc -path '*/fd/*' -lname 'socket:\[4711\]'`},
		{"bluetoothd is there, its files cannot be seen", catalogue.AdapterBusy, "hci0", map[string]string{
			"proc/self/net/hci": hciTable, "proc/812/comm": "bluetoothd\n", "proc/812/fd": "closed",
		}, "cannot be read without root; bluetoothd runs", "systemctl disable --now bluetooth"},
		{"no table of sockets", catalogue.AdapterBusy, "hci0", map[string]string{"proc/9/fd": "closed"},
			"who holds it cannot be read: open ", "Name a second adapter"},
		{"switched off by software", catalogue.AdapterRfkill, "hci0", map[string]string{
			"sys/class/rfkill/rfkill0/type": "wlan\n", "sys/class/rfkill/rfkill0/soft": "1\n", "sys/class/rfkill/rfkill0/name": "phy0\n",
			"sys/class/rfkill/rfkill1/type": "bluetooth\n", "sys/class/rfkill/rfkill1/soft": "1\n", "sys/class/rfkill/rfkill1/hard": "0\n", "sys/class/rfkill/rfkill1/name": "hci0\n",
		}, "said; hci0 is switched off by software", "rfkill unblock bluetooth"},
		{"switched off by a switch", catalogue.AdapterRfkill, "hci0", map[string]string{
			"sys/class/rfkill/rfkill1/type": "bluetooth\n", "sys/class/rfkill/rfkill1/soft": "1\n", "sys/class/rfkill/rfkill1/hard": "1\n", "sys/class/rfkill/rfkill1/name": "hci0\n",
		}, "said; hci0 is switched off by hardware", "switch or key on the device"},
		{"switched on again meanwhile", catalogue.AdapterRfkill, "hci0", nil, "said", "rfkill unblock bluetooth"},
		{"no permission", catalogue.AdapterPermission, "hci0", nil, "only vipasod-radio.service has the capability", "systemctl start vipasod-radio"},
		{"no answer", catalogue.AdapterTimeout, "hci0", map[string]string{"sys/class/bluetooth/hci0/device": "-> ../../../1-1.2:1.0"},
			"said; hci0 is device 1-1.2:1.0", "unplug it"},
		{"no answer, and gone", catalogue.AdapterTimeout, "hci0", nil, "said", "unplug it"},
		{"the radio process is not there", catalogue.AdapterDown, "radio", nil, "said", "journalctl"},
		{"not configured", catalogue.AdapterNotConfigured, "", nil, "said", "[radio] adapter"},
	} {
		f := tree(t, tt.files).judgeAdapter(tt.adapter, tt.reason, "said")
		next := firstOf(f.next, nextOf(f.reason))
		if f.result != isFailed || f.reason != tt.reason || !strings.HasPrefix(f.detail, "said") || !strings.Contains(f.detail, tt.detail) || !strings.Contains(next, tt.next) {
			t.Errorf("%s:\n%+v\nnext: %s\nwant %q and %q", tt.name, f, next, tt.detail, tt.next)
		}
	}
}

// TestDoctorAdapter: the doctor of a device with Bluetooth says more than its
// radio does, that of a simulated one does not.
func TestDoctorAdapter(t *testing.T) {
	for driver, says := range map[string]string{"hci": "not there; this machine has ", "sim": "not there"} {
		b := newBench(t, asTill, func(o *Options, _ *papers) { o.Driver = driver })
		b.radio.set(link.Status{Adapter: "hci1", Reason: catalogue.AdapterMissing, Detail: "not there"})
		c := diagnosis(t, b)["radio"]
		if c.GetReason() != catalogue.AdapterMissing || !strings.HasPrefix(c.GetDetail(), says) || driver == "sim" && c.GetDetail() != says {
			t.Errorf("%s: %v", driver, c)
		}
	}
}
