package main

// The package graph of vipasod, as rules. Adapters know the domain, the domain
// knows no adapter, adapters do not know each other, and cmd wires them. A
// change that needs a new edge changes it here, and its commit says why.

const module = "github.com/vipaso/vipasod"

// packages are all there may be below the module; a * stands for one element.
var packages = []string{
	"cmd/vipasod", "cmd/vipasoctl", "cmd/vipaso-backend", "cmd/vipaso-demo",
	"cmd/internal/proof",
	"cmd/internal/build", "cmd/internal/flags", "cmd/internal/device", "cmd/internal/backend", "cmd/internal/prove", "cmd/internal/rogue",
	"cmd/internal/prove/crash", "cmd/internal/prove/report", "cmd/internal/prove/report/draw", "cmd/internal/conformance",
	"proto/vipaso/*/v1",
	"daemon", "daemon/catalogue", "daemon/catalogue/gen", "daemon/payment",
	"preauth", "preauth/money", "preauth/ledger", "preauth/seal", "preauth/vectors",
	"store", "store/secondhead",
	"syncer", "syncer/outbox", "syncer/backend",
	"ble/link", "ble/link/linktest", "ble/frame", "ble/secure", "ble/radio", "ble/hci", "ble/sim", "ble/testbed",
}

// pure packages decide and do nothing: equal arguments give equal results.
// (ble/sim is half pure and keeps that by a test of its own.)
var pure = []string{"preauth", "preauth/money", "preauth/ledger", "daemon/payment", "ble/frame", "syncer/outbox"}

// impureDeps may not be reached from a pure package, by any path. ID types
// such as uuid.UUID and X.509 reach package net, so they stay in the shells.
var impureDeps = []string{
	"net", "database/sql", "google.golang.org/grpc", "github.com/go-ble/ble", "github.com/mattn/go-sqlite3", "github.com/jackc/pgx/v5",
}

// impureImports may not be imported by a pure package itself.
var impureImports = []string{"sync", "sync/atomic", "os", "os/exec", "os/signal", "io/ioutil", "math/rand", "math/rand/v2", "crypto/rand", "runtime"}

// impureTime are the functions of package time that read or wait for a clock.
var impureTime = []string{"Now", "Since", "Until", "Sleep", "After", "AfterFunc", "Tick", "NewTimer", "NewTicker"}

// soleImporters says who alone may import a module, or a package of ours.
var soleImporters = map[string][]string{
	"github.com/mattn/go-sqlite3":        {"store", "syncer/backend"},
	"github.com/jackc/pgx/v5":            {"syncer/backend"},
	"github.com/go-ble/ble":              {"ble/hci"},
	module + "/preauth/ledger":           {"syncer/backend", "cmd/internal/conformance"},
	module + "/preauth/vectors":          {"cmd/internal/conformance"},
	module + "/syncer/backend":           {"cmd/internal/backend", "cmd/internal/prove", "cmd/vipaso-backend", "cmd/vipaso-demo"},
	module + "/store/secondhead":         {"store", "syncer/backend"}, // what both databases have alike
	module + "/ble/hci":                  {"cmd/internal/device", "cmd/vipasod"},
	module + "/daemon/catalogue":         {"daemon", "daemon/catalogue/gen", "cmd/vipasod", "cmd/vipasoctl", "cmd/vipaso-backend", "cmd/vipaso-demo", "cmd/internal/device", "cmd/internal/backend", "syncer/backend"},
	module + "/cmd/internal/prove":       {"cmd/vipaso-demo", "cmd/internal/prove/report/draw"},
	module + "/cmd/internal/conformance": {"cmd/vipaso-demo"},
}

// codesFiles are the only files that choose gRPC status codes; generated code
// and tests may name them.
var codesFiles = []string{"daemon/errors.go", "syncer/errors.go", "syncer/backend/errors.go", "cmd/vipasoctl/exit.go"}

// leaf is what both databases have alike, without any domain in it.
const leaf = "store/secondhead"

// strangers lists, by prefix of a package, what it may not import of ours,
// by prefix too. The last element of a rule ends at a slash or the end. To the
// leaf nobody is a stranger whom soleImporters names.
var strangers = []struct {
	from string
	to   []string
}{
	{"preauth", []string{"daemon", "store", "syncer", "ble", "cmd"}},
	{"preauth/money", []string{"preauth/ledger", "proto"}},
	{"preauth/ledger", []string{"proto"}}, // and not the device's arithmetic: see TestDepsLedgerIsIndependent
	{"daemon/payment", []string{"store", "syncer", "ble", "cmd", "daemon/catalogue"}},
	{"daemon/catalogue", []string{"preauth", "store", "syncer", "ble", "cmd", "proto", "daemon/payment"}},
	{"daemon", []string{"ble/radio", "ble/hci", "ble/sim", "syncer/backend", "cmd"}},
	{"store", []string{"syncer", "ble", "cmd"}},
	{"store/secondhead", []string{"preauth", "proto", "daemon", "store", "syncer", "ble", "cmd"}},
	{"syncer", []string{"ble", "cmd", "store"}},
	{"syncer/backend", []string{"daemon/payment"}},
	{"ble", []string{"daemon", "store", "syncer", "cmd"}},
	{"ble/link", []string{"preauth", "proto", "ble/radio", "ble/secure", "ble/sim", "ble/hci"}},
	{"ble/frame", []string{"preauth", "proto", "ble/link", "ble/radio", "ble/secure", "ble/sim", "ble/hci"}},
	{"ble/secure", []string{"ble/radio", "ble/sim", "ble/hci"}},
	{"ble/radio", []string{"preauth", "ble/secure", "ble/frame", "ble/sim", "ble/hci"}},
	{"ble/sim", []string{"preauth", "ble/secure", "ble/frame", "ble/hci"}},
	{"ble/hci", []string{"preauth", "ble/secure", "ble/frame", "ble/sim"}},
	{"cmd/vipasoctl", []string{"store", "syncer", "ble", "daemon/payment", "cmd/internal/device", "cmd/internal/backend", "cmd/internal/prove"}},
	{"cmd/internal/build", []string{"cmd/internal/device", "cmd/internal/backend", "daemon", "preauth", "proto", "store", "syncer", "ble"}},
}

// apart lists what a package may not import although a longer path below it
// may: the whole path counts.
var apart = map[string][]string{
	"store":          {"daemon"},
	"syncer":         {"daemon"},
	"syncer/outbox":  {"daemon"},
	"syncer/backend": {"daemon", "syncer", "syncer/outbox"},
	"preauth/ledger": {"preauth"},
	"cmd/vipasoctl":  {"daemon"},
}
