package main

import (
	"fmt"
	"maps"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/google/uuid"

	"github.com/vipaso/vipasod/preauth/money"
)

var (
	adapterForm  = regexp.MustCompile(`^(hci[0-9]{1,3}|addr:[0-9A-Fa-f]{2}(:[0-9A-Fa-f]{2}){5})$`)
	identityForm = regexp.MustCompile(`^(user|group):[A-Za-z0-9_][A-Za-z0-9_.-]*\$?$`)
)

const (
	// nameMax bounds names, in bytes.
	nameMax = 64
	// socketMax is the longest path of a unix socket on Linux.
	socketMax = 107
)

// check finds values that are impossible, alone or together.
func (l *loading) check() {
	l.checkIdentity()
	l.checkRadio()
	l.checkBackend()
	l.checkLimits()
	l.checkServices()
}

// wrong notes that the value of key is impossible. An amount inside a table
// has a key of its own, such as limits.offline_payment_max.USD.
func (l *loading) wrong(key, what, why, next string) {
	p := Problem{Key: key, Origin: l.origins[key], What: what, Why: why, Next: next}
	for p.Origin == "" { // inside a table: the table's origin counts
		key = key[:strings.LastIndexByte(key, '.')]
		p.Origin = l.origins[key]
	}
	if s, ok := l.spans[p.Key]; ok {
		p.Origin, p.Source = at(l.path, s.line), excerpt(l.file, s)
	}
	l.problems = append(l.problems, p)
}

func (l *loading) checkIdentity() {
	switch l.config.Role {
	case roleBusiness, roleCustomer:
	case "":
		l.wrong("role", "role is not set", "A device is a till or pays at tills, and never both.",
			"Set role = \"business\" or role = \"customer\", or VIPASO_ROLE; `vipasod config example --role business` prints a file.")
	default:
		l.wrong("role", fmt.Sprintf("role %q is not known", l.config.Role), "A device is a till or pays at tills, and never both.",
			"Write role = \"business\" or role = \"customer\".")
	}
	name := l.config.DisplayName
	if len(name) > nameMax || !utf8.ValidString(name) || strings.ContainsFunc(name, unicode.IsControl) {
		l.wrong("display_name", "display_name is not a line of at most 64 bytes", "It must fit a screen.",
			"Shorten it.")
	}
}

func (l *loading) checkRadio() {
	r := l.config.Radio
	switch r.Driver {
	case driverHCI:
	case driverSim:
		if r.SimSocket == "" {
			l.wrong("radio.sim_socket", "driver \"sim\" needs sim_socket", "The simulated radio is served by another process.",
				"Start `vipaso-demo air --listen PATH` and set sim_socket to that path.")
		}
	default:
		l.wrong("radio.driver", fmt.Sprintf("driver %q is not known", r.Driver), "There is a driver for Bluetooth and one that simulates it.",
			"Write driver = \"hci\" or driver = \"sim\".")
	}
	if r.Adapter != "" && !adapterForm.MatchString(r.Adapter) {
		l.wrong("radio.adapter", fmt.Sprintf("adapter %q is not an adapter", r.Adapter), "Adapters are named hciN, or by address.",
			"Write adapter = \"hci1\" or adapter = \"addr:00:1A:7D:DA:71:13\"; `hciconfig` or `bluetoothctl list` shows them.")
	}
	l.checkSocket("radio.socket", r.Socket)
	l.checkSocket("radio.sim_socket", r.SimSocket)
	l.checkUUIDs()
}

func (l *loading) checkUUIDs() {
	r := l.config.Radio
	seen := map[uuid.UUID]string{}
	for _, s := range []struct{ key, text string }{
		{"radio.service_uuid", r.ServiceUUID}, {"radio.status_uuid", r.StatusUUID},
		{"radio.write_uuid", r.WriteUUID}, {"radio.read_uuid", r.ReadUUID},
	} {
		id, err := uuid.Parse(s.text)
		if err != nil || len(s.text) != 36 {
			l.wrong(s.key, fmt.Sprintf("%q is not a UUID", s.text), "Services and characteristics are named by 128-bit UUIDs.",
				"Write it as in \"8f11af12-7361-4e72-a216-930647831153\"; leave the key out for the usual one.")
			continue
		}
		if other := seen[id]; other != "" {
			l.wrong(s.key, s.key+" is the same as "+other, "The four names on the air must differ.",
				"Make a new one with `uuidgen`, or leave the keys out for the usual ones.")
		}
		seen[id] = s.key
	}
}

func (l *loading) checkBackend() {
	b := l.config.Backend
	if b.URL != "" {
		u, err := url.Parse(b.URL)
		if err != nil || u.Scheme != "https" || u.Hostname() == "" || u.User != nil || strings.Trim(u.Path, "/") != "" {
			l.wrong("backend.url", fmt.Sprintf("%q is not the URL of a backend", b.URL), "The backend is reached over TLS only.",
				"Write it as in \"https://pay.example.com:8443\", or leave it empty for the one from enrollment.")
		}
	}
	l.checkSocket("backend.uplink", b.Uplink)
	l.checkSpan("backend.splay", b.Splay, 0, 5*time.Minute)
	l.checkSpan("backend.retry_max", b.RetryMax, time.Second, time.Hour)
}

func (l *loading) checkLimits() {
	l.checkAmounts("limits.offline_payment_max", l.config.Limits.OfflinePaymentMax)
	l.checkAmounts("limits.offline_total_max", l.config.Limits.OfflineTotalMax)
	l.checkAmounts("limits.offline_counterparty_max", l.config.Limits.OfflineCounterpartyMax)
	if _, err := l.config.Limits.count(); err != nil {
		l.wrong("limits.offline_count_max", err.Error(), "It is a number of payments.", "Write it as in \"50\", or leave it empty.")
	}
	if _, err := l.config.Limits.velocities(); err != nil {
		l.wrong("limits.offline_velocity", err.Error(), "It is a number of payments, and the time in which they may be.", "Write it as in \"10/1h\", or leave it empty.")
	}
	l.checkSpan("limits.offline_time_max", l.config.Limits.OfflineTimeMax, 0, timeMax)
	l.checkSpan("limits.clock_skew", l.config.Limits.ClockSkew, time.Second, time.Hour)
}

func (l *loading) checkAmounts(key string, amounts map[string]string) {
	for _, currency := range slices.Sorted(maps.Keys(amounts)) {
		if _, err := money.Parse(amounts[currency], currency); err != nil {
			l.wrong(key+"."+currency, err.Error(), "Limits are amounts of one currency, by its ISO 4217 code.",
				"Write it as in { USD = \"50.00\" }.")
		}
	}
}

func (l *loading) checkServices() {
	if l.config.Store.Dir == "" {
		l.wrong("store.dir", "store.dir is empty", "Payments and keys need a place.", "Leave it out for /var/lib/vipasod.")
	}
	if l.config.GRPC.Socket == "" {
		l.wrong("grpc.socket", "grpc.socket is empty", "Programs reach vipasod through its socket.", "Leave it out for /run/vipasod/vipasod.sock.")
	}
	l.checkSocket("grpc.socket", l.config.GRPC.Socket)
	r := l.config.GRPC.Roles
	l.checkPeople("grpc.roles.observer", r.Observer)
	l.checkPeople("grpc.roles.cashier", r.Cashier)
	l.checkPeople("grpc.roles.manager", r.Manager)
	l.checkPeople("grpc.roles.admin", r.Admin)
	if listen := l.config.HTTP.Listen; listen != "" {
		l.wrong("http.listen", fmt.Sprintf("%q cannot be served", listen), "This version has no gate for browsers; the local API is gRPC on grpc.socket.",
			"Write listen = \"\", or remove the line.")
	}
	if !slices.Contains([]string{"debug", "info", "warn", "error"}, l.config.Log.Level) {
		l.wrong("log.level", fmt.Sprintf("level %q is not known", l.config.Log.Level), "There are four levels.",
			"Write level = \"debug\", \"info\", \"warn\" or \"error\".")
	}
}

func (l *loading) checkPeople(key string, list []string) {
	for _, who := range list {
		if !identityForm.MatchString(who) {
			l.wrong(key, fmt.Sprintf("%q is neither user:NAME nor group:NAME", who), "Roles are given to unix users and groups.",
				"Write it as in [\"group:vipaso\", \"user:kiosk\"].")
		}
	}
}

func (l *loading) checkSocket(key, path string) {
	if len(path) > socketMax {
		l.wrong(key, fmt.Sprintf("%s has %d bytes", key, len(path)), fmt.Sprintf("Linux takes at most %d bytes for the path of a socket.", socketMax),
			"Choose a shorter directory, such as one under /run.")
	}
}

func (l *loading) checkSpan(key string, d Duration, least, most time.Duration) {
	if time.Duration(d) < least || time.Duration(d) > most {
		l.wrong(key, fmt.Sprintf("%s is %s", key, time.Duration(d)), fmt.Sprintf("It is at least %s and at most %s.", least, most),
			"Choose a value between them, or leave the key out.")
	}
}
