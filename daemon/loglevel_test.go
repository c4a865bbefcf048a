package daemon

import (
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/types/known/durationpb"

	devicev1 "github.com/vipaso/vipasod/proto/vipaso/device/v1"
)

func TestLogLevelFallsBack(t *testing.T) {
	type step struct {
		after  time.Duration // since the step before
		set    slog.Level
		during time.Duration
		want   slog.Level // just after; with set = keep only looked at
	}
	const keep = slog.Level(99)
	for _, tt := range []struct {
		name  string
		steps []step
	}{
		{"for a while", []step{
			{0, slog.LevelDebug, time.Minute, slog.LevelDebug},
			{time.Minute - 1, keep, 0, slog.LevelDebug},
			{1, keep, 0, slog.LevelWarn},
		}},
		{"until further notice", []step{
			{0, slog.LevelDebug, 0, slog.LevelDebug},
			{1000 * time.Hour, keep, 0, slog.LevelDebug},
		}},
		{"a later call replaces the plan", []step{
			{0, slog.LevelDebug, time.Minute, slog.LevelDebug},
			{30 * time.Second, slog.LevelInfo, time.Hour, slog.LevelInfo},
			{time.Minute, keep, 0, slog.LevelInfo},
			{time.Hour, keep, 0, slog.LevelWarn},
		}},
		{"for good after for a while", []step{
			{0, slog.LevelDebug, time.Minute, slog.LevelDebug},
			{time.Second, slog.LevelError, 0, slog.LevelError},
			{time.Hour, keep, 0, slog.LevelError},
		}},
		{"back to what is configured, not to what was set", []step{
			{0, slog.LevelError, 0, slog.LevelError},
			{0, slog.LevelDebug, time.Minute, slog.LevelDebug},
			{time.Minute, keep, 0, slog.LevelWarn},
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				v := new(slog.LevelVar)
				v.Set(slog.LevelWarn)
				l := newLogLevel(v)
				for i, s := range tt.steps {
					pause(t.Context(), s.after)
					synctest.Wait()
					if s.set != keep {
						l.set(s.set, s.during)
					}
					if got := v.Level(); got != s.want {
						t.Errorf("step %d: %s, want %s", i, got, s.want)
					}
				}
			})
		})
	}
}

func TestSetLogLevel(t *testing.T) {
	v := new(slog.LevelVar)
	b := newBench(t, asTill, func(o *Options, _ *papers) { o.LogLevel = v })
	client := b.device(manager)
	for name, want := range logLevels {
		resp, err := client.SetLogLevel(t.Context(), &devicev1.SetLogLevelRequest{RequestId: namedID(name).String(), Level: name})
		if err != nil || resp.GetLevel() != name || v.Level() != want {
			t.Errorf("%s: %v (%v), level %s", name, resp, err, v.Level())
		}
	}
	_, err := client.SetLogLevel(t.Context(), &devicev1.SetLogLevelRequest{RequestId: namedID("x").String(), Level: "loud"})
	wantField(t, "unknown", err, "FIELD_INVALID", "level")
	_, err = client.SetLogLevel(t.Context(), &devicev1.SetLogLevelRequest{RequestId: namedID("x").String(), Level: "info", For: durationpb.New(time.Millisecond)})
	wantField(t, "too short", err, "FIELD_INVALID", "for")
	_, err = b.device(cashier).SetLogLevel(t.Context(), &devicev1.SetLogLevelRequest{RequestId: namedID("x").String(), Level: "debug"})
	wantStatus(t, "cashier", err, codes.PermissionDenied, "NOT_PERMITTED")
}

// A device whose logger has no level to change answers all the same.
func TestSetLogLevelWithoutOne(t *testing.T) {
	resp, err := newBench(t, asTill, nil).device(manager).SetLogLevel(t.Context(), &devicev1.SetLogLevelRequest{RequestId: namedID("x").String(), Level: "debug"})
	if err != nil || resp.GetLevel() != "debug" {
		t.Errorf("%v (%v)", resp, err)
	}
}
