package hci

import (
	"context"
	"errors"
	"syscall"
	"testing"

	"github.com/vipaso/vipasod/ble/link"
)

// wished remembers what it was told.
type wished struct {
	Down
	adv  link.Advertisement
	scan bool
}

func (w *wished) Advertise(_ context.Context, a link.Advertisement) error { w.adv = a; return nil }
func (w *wished) Scan(_ context.Context, on bool) error                   { w.scan = on; return nil }

func TestLate(t *testing.T) {
	l := NewLate("hci3")
	if s := l.Status(); s.Up || s.Adapter != "hci3" || s.Reason != reasonDown {
		t.Errorf("status %+v", s)
	}
	if _, err := l.Dial(t.Context(), "C0:FF:EE:00:00:01", false); !errors.Is(err, link.ErrAdapter) {
		t.Errorf("dial: %v", err)
	}
	if err := errors.Join(l.Scan(t.Context(), true), l.Advertise(t.Context(), link.Advertisement{On: true})); err != nil {
		t.Error(err)
	}
	w := &wished{Down: Down{Adapter: "hci3", Err: adapterError(syscall.EBUSY)}}
	l.Become(t.Context(), w)
	if !w.adv.On || !w.scan {
		t.Errorf("wishes were lost: %+v", w)
	}
	if s := l.Status(); s.Up || s.Reason != reasonBusy {
		t.Errorf("status %+v", s)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := l.Accept(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("accept: %v", err)
	}
	if _, err := l.NextSighting(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("sighting: %v", err)
	}
	var a *link.AdapterError
	if _, err := l.Dial(t.Context(), "C0:FF:EE:00:00:01", false); !errors.As(err, &a) || a.Reason != reasonBusy {
		t.Errorf("dial: %v", err)
	}
	if err := l.Close(); err != nil {
		t.Error(err)
	}
}

func TestReasons(t *testing.T) {
	for errno, want := range map[syscall.Errno]string{
		syscall.EAFNOSUPPORT: reasonNoKernel, syscall.ENODEV: reasonMissing, syscall.EBUSY: reasonBusy,
		syscall.EPERM: reasonPermission, syscall.ERFKILL: reasonRfkill, syscall.ETIMEDOUT: reasonTimeout, syscall.EIO: reasonDown,
	} {
		err := adapterError(errno)
		if !errors.Is(err, link.ErrAdapter) || reasonOf(err) != want {
			t.Errorf("%v is %v", errno, err)
		}
	}
	for _, name := range []string{"", "hci", "hci-1", "hci1x", "00:AA:01:00:00:00", "1"} {
		if _, err := resolve(name); reasonOf(err) != reasonMissing {
			t.Errorf("adapter %q: %v", name, err)
		}
	}
}
