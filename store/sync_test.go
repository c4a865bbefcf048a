package store

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	paymentv1 "github.com/vipaso/vipasod/proto/vipaso/payment/v1"
)

// TestOneSyncPerCommit counts with strace how often a process that commits
// waits for the disk: once for each commit. It runs if VIPASO_STRACE is 1,
// which says that strace is there.
func TestOneSyncPerCommit(t *testing.T) {
	if os.Getenv("VIPASO_STRACE") != "1" {
		return
	}
	const few, many = 10, 40 // below foldEvery
	if got := syncs(t, many) - syncs(t, few); got != many-few {
		t.Errorf("%d fsyncs for %d commits", got, many-few)
	}
}

// syncs returns how often a process that makes a store and commits n changes
// waits for the disk.
func syncs(t *testing.T, n int) int {
	t.Helper()
	report := filepath.Join(t.TempDir(), "report")
	cmd := child(t, "commit some", t.TempDir(), strconv.Itoa(n))
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	strace := []string{"strace", "-f", "-c", "-o", report, "-e", "trace=fsync,fdatasync,sync_file_range,msync", self}
	cmd.Args = append(strace, cmd.Args[1:]...)
	if cmd.Path, err = exec.LookPath("strace"); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Run(); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(report)
	if err != nil {
		t.Fatal(err)
	}
	total := 0
	for line := range strings.Lines(string(text)) {
		// % time, seconds, usecs/call, calls, errors if any, syscall
		col := strings.Fields(line)
		if len(col) < 5 || !slices.Contains([]string{"fsync", "fdatasync", "sync_file_range", "msync"}, col[len(col)-1]) {
			continue
		}
		total += number(t, col[3])
	}
	return total
}

// BenchmarkCommit measures a till's commit of a verified voucher (the sale,
// its winning ask, an event, a claim, the counters) against what no durable
// commit can be faster than: a write of 4 KiB and an fdatasync in the same
// directory, taken in turns so that both meet the same disk. It reports the
// ratio of the medians as x-fdatasync.
func BenchmarkCommit(b *testing.B) {
	dir := b.TempDir()
	s := openAt(b, dir, Business)
	f, err := os.Create(filepath.Join(dir, "floor"))
	if err != nil {
		b.Fatal(err)
	}
	defer f.Close()
	page, signed := make([]byte, 4096), make([]byte, 500)
	// As long as the log may get, so that its size does not change either.
	if _, err := f.Write(make([]byte, 4<<20)); err != nil {
		b.Fatal(err)
	}
	if err := f.Sync(); err != nil {
		b.Fatal(err)
	}
	var commits, floors []time.Duration
	i := 0
	for b.Loop() {
		i++
		c := crashChange(i)
		v, a := sale(i), ask(sale(i), 1)
		commit(b, s, &Change{Sale: &v, Asks: []Ask{a}, Events: []*paymentv1.Event{opened(v.ID)}})
		c.Sale.Rev = 2
		c.Asks[0].RequestBytes, c.Asks[0].CustomerCert = signed[:500], signed[:300]
		c.Asks[0].VoucherBytes, c.Asks[0].CertBytes = signed[:300], signed[:350]
		begin := time.Now()
		commit(b, s, c)
		commits = append(commits, time.Since(begin))

		begin = time.Now()
		if _, err := f.WriteAt(page, int64(i%1024)*4096); err != nil {
			b.Fatal(err)
		}
		if err := syscall.Fdatasync(int(f.Fd())); err != nil {
			b.Fatal(err)
		}
		floors = append(floors, time.Since(begin))
	}
	slices.Sort(commits)
	slices.Sort(floors)
	b.ReportMetric(float64(commits[i/2])/float64(floors[i/2]), "x-fdatasync")
	b.ReportMetric(float64(commits[i/2].Nanoseconds()), "ns/commit")
}
