package main

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"time"

	"github.com/coreos/go-systemd/v22/daemon"
	"github.com/spf13/cobra"

	wiring "github.com/vipaso/vipasod/cmd/internal/backend"
)

func serveCommand() *cobra.Command {
	var o wiring.Options
	var level string
	c := &cobra.Command{
		Use:   "serve --dir DIR",
		Short: "Serve devices until interrupted",
		Long: `Serve devices on one port over TLS 1.3 until interrupted.

The first start makes the root key, the issuer key and the TLS CA in DIR. Keep
DIR: no device believes another root key. DIR/ca.pem is what devices trust; it
is written last, so when it exists the database is migrated and the port
answers.`,
		Example: `  vipaso-backend serve --dir ./backend --listen 127.0.0.1:8443
  vipaso-backend serve --dir /var/lib/vipaso --listen pay.example:8443 --db sqlite:/srv/books.db --preauth-life 48h`,
		Args: noArguments,
		RunE: func(c *cobra.Command, _ []string) error {
			if o.Dir == "" {
				return usage(c, errors.New("--dir is needed: the directory for keys and database"))
			}
			var l slog.Level
			if err := l.UnmarshalText([]byte(level)); err != nil {
				return usage(c, fmt.Errorf("--log-level %q is none of debug, info, warn, error", level))
			}
			o.Logger = slog.New(slog.NewTextHandler(c.ErrOrStderr(), &slog.HandlerOptions{Level: l}))
			o.Ready = func(a net.Addr) {
				fmt.Fprintf(c.OutOrStdout(), "serving on %s, devices trust %s/%s\n", a, o.Dir, wiring.CAFile)
				if _, err := daemon.SdNotify(false, daemon.SdNotifyReady); err != nil {
					o.Logger.Warn("service manager not told", "error", err)
				}
			}
			err := wiring.Serve(c.Context(), o)
			if _, stop := daemon.SdNotify(false, daemon.SdNotifyStopping); stop != nil {
				o.Logger.Warn("service manager not told", "error", stop)
			}
			return err
		},
	}
	f := c.Flags()
	f.StringVar(&o.Dir, "dir", "", "directory for keys and database")
	f.StringVar(&o.Listen, "listen", "127.0.0.1:8443", "host:port to listen on")
	f.StringVar(&o.DB, "db", "", "database, sqlite:PATH (default: in --dir)")
	f.DurationVar(&o.PreauthLife, "preauth-life", 24*time.Hour, "how long a pre-authorization can be spent, at most 168h")
	f.DurationVar(&o.SettleAfter, "settle-after", 336*time.Hour, "how long after that claims are taken, at least 168h")
	f.StringVar(&level, "log-level", "info", "debug, info, warn or error")
	return c
}
