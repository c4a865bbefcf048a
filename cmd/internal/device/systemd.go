package device

import (
	"context"
	"log/slog"
	"time"

	systemd "github.com/coreos/go-systemd/v22/daemon"
)

// Supervise tells systemd, if it started this process, that the device is
// ready and how it is, and pings the watchdog as long as the device takes
// steps. It returns when ctx ends.
func (n *Node) Supervise(ctx context.Context, log *slog.Logger) {
	say := func(state string) {
		if _, err := systemd.SdNotify(false, state); err != nil {
			log.Warn("systemd not told", "error", err)
		}
	}
	say(systemd.SdNotifyReady + "\nSTATUS=" + n.Device.Headline(ctx))
	every, err := systemd.SdWatchdogEnabled(false)
	if err != nil {
		log.Warn("watchdog", "error", err)
	}
	period := every / 3
	if period <= 0 {
		period = 10 * time.Second // for STATUS alone
	}
	tick := time.NewTicker(period)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			say(systemd.SdNotifyStopping)
			return
		case <-tick.C:
		}
		if err := n.Device.Alive(ctx); err != nil {
			log.Error("not well, the watchdog is not told", "error", err)
			continue
		}
		state := "STATUS=" + n.Device.Headline(ctx)
		if every > 0 {
			state += "\n" + systemd.SdNotifyWatchdog
		}
		say(state)
	}
}
