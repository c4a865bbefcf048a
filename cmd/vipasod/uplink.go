package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"
)

const (
	// connectLimit bounds the making of one connection.
	connectLimit = 10 * time.Second
	// askLimit bounds the reading of what is asked for, once connected.
	askLimit = 5 * time.Second
	// refusalMax is how much of a refusal is repeated, in bytes.
	refusalMax = 200
)

// newUplinkCommand is the process that makes connections for a vipasod without
// a network of its own. It sees nothing but TLS: keys and certificates stay
// in vipasod.
func newUplinkCommand() *cobra.Command {
	var socket, level string
	cmd := &cobra.Command{
		Use:    "uplink",
		Short:  "Connect to the backend for vipasod; started by vipasod-uplink.service",
		Args:   cobra.NoArgs,
		Hidden: true,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if socket == "" {
				return usageError{errors.New("uplink needs --socket")}
			}
			log, err := leveled(cmd.ErrOrStderr(), level)
			if err != nil {
				return usageError{err}
			}
			return serveUplink(cmd.Context(), socket, log)
		},
	}
	cmd.Flags().StringVar(&socket, "socket", "", "serve on this unix `SOCKET`")
	cmd.Flags().StringVar(&level, "log-level", "info", "debug, info, warn or error")
	return cmd
}

// serveUplink is an HTTP proxy on a unix socket that knows CONNECT only.
func serveUplink(ctx context.Context, socket string, log *slog.Logger) error {
	listener, err := listenForGroup(socket)
	if err != nil {
		return err
	}
	log.Info("serving the uplink", "socket", socket)
	server := &http.Server{
		Handler:           http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { uplink(ctx, log, w, r) }),
		ReadHeaderTimeout: askLimit, ErrorLog: slog.NewLogLogger(log.Handler(), slog.LevelDebug),
	}
	defer context.AfterFunc(ctx, func() { server.Close() })()
	if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

// listenForGroup listens on a unix socket that the unit's group may use.
func listenForGroup(socket string) (*net.UnixListener, error) {
	if err := os.Remove(socket); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, err
	}
	listener, err := net.ListenUnix("unix", &net.UnixAddr{Name: socket, Net: "unix"})
	if err != nil {
		return nil, err
	}
	return listener, os.Chmod(socket, 0o660)
}

// uplink makes one connection and moves what is sent until either side ends it,
// or ctx does.
func uplink(ctx context.Context, log *slog.Logger, w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodConnect {
		http.Error(w, "only CONNECT", http.StatusMethodNotAllowed)
		return
	}
	dialer := net.Dialer{Timeout: connectLimit}
	far, err := dialer.DialContext(ctx, "tcp", r.Host)
	if err != nil {
		log.Debug("not connected", "address", r.Host, "err", err)
		http.Error(w, err.Error(), http.StatusBadGateway)
		return
	}
	defer far.Close()
	near, buffered, err := http.NewResponseController(w).Hijack()
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	defer near.Close()
	if err := near.SetDeadline(time.Time{}); err != nil { // of the request
		return
	}
	if _, err := io.WriteString(near, "HTTP/1.1 200 Connection established\r\n\r\n"); err != nil {
		return
	}
	log.Debug("connected", "address", r.Host)
	ended := make(chan struct{}, 2)
	move := func(to io.Writer, from io.Reader) {
		io.Copy(to, from) // whatever ends it ends the connection
		ended <- struct{}{}
	}
	go move(far, buffered)
	go move(near, far)
	select {
	case <-ended:
	case <-ctx.Done():
	}
}

// throughUplink returns a dialer that asks the process behind a socket, which
// may be any HTTP proxy.
func throughUplink(socket string) func(ctx context.Context, address string) (net.Conn, error) {
	return func(ctx context.Context, address string) (net.Conn, error) {
		var d net.Dialer
		conn, err := d.DialContext(ctx, "unix", socket)
		if err != nil {
			return nil, fmt.Errorf("uplink: %w", err)
		}
		stop := context.AfterFunc(ctx, func() { conn.Close() })
		if err := askFor(conn, address); err != nil {
			conn.Close()
			return nil, fmt.Errorf("uplink %s: %w", socket, err)
		}
		if !stop() {
			return nil, ctx.Err()
		}
		return conn, nil
	}
}

// askFor asks for a connection to address, and returns when conn is it.
func askFor(conn net.Conn, address string) error {
	if err := conn.SetDeadline(time.Now().Add(connectLimit + askLimit)); err != nil {
		return err
	}
	req := &http.Request{Method: http.MethodConnect, URL: &url.URL{Opaque: address}, Host: address, Header: http.Header{}}
	if err := req.Write(conn); err != nil {
		return err
	}
	in := bufio.NewReader(conn)
	resp, err := http.ReadResponse(in, req)
	if err != nil {
		return err
	}
	if resp.StatusCode != http.StatusOK {
		why, _ := io.ReadAll(io.LimitReader(resp.Body, refusalMax)) // as much as there is
		return fmt.Errorf("%s: %s", resp.Status, strings.TrimSpace(string(why)))
	}
	if in.Buffered() > 0 { // the client speaks first in TLS
		return errors.New("the other side speaks before it is asked")
	}
	return conn.SetDeadline(time.Time{})
}
