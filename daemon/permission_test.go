package daemon

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	grpcpeer "google.golang.org/grpc/peer"
	"google.golang.org/grpc/test/bufconn"

	devicev1 "github.com/vipaso/vipasod/proto/vipaso/device/v1"
)

// Every method of every service that is served has a least role, and nothing
// else has one.
func TestPermissionTableIsComplete(t *testing.T) {
	s := NewServer(newBench(t, asTill, nil).Device, ServerOptions{Sim: true})
	served := s.GetServiceInfo()
	for service, info := range served {
		for _, m := range info.Methods {
			if leastRole[service][m.Name] == stranger {
				t.Errorf("%s/%s has no least role", service, m.Name)
			}
		}
		if len(info.Methods) != len(leastRole[service]) {
			t.Errorf("%s has %d methods, %d least roles", service, len(info.Methods), len(leastRole[service]))
		}
	}
	for service := range leastRole {
		if _, ok := served[service]; !ok {
			t.Errorf("%s has least roles and is not served", service)
		}
	}
	s.Stop()
}

// What each role may do beyond the one before it.
func TestPermissionsByRole(t *testing.T) {
	till, phone := newBench(t, asTill, nil), newBench(t, asCustomer, nil)
	const (
		device, business, customer = "/vipaso.device.v1.DeviceService/", "/vipaso.business.v1.BusinessService/", "/vipaso.customer.v1.CustomerService/"
	)
	for _, tt := range []struct {
		d      *bench
		method string
		least  callerRole
	}{
		{till, device + "GetStatus", observer}, {till, device + "WatchEvents", observer}, {till, device + "Diagnose", observer},
		{till, "/grpc.health.v1.Health/Watch", observer}, {till, business + "FetchPayments", observer}, {phone, customer + "ListInstruments", observer},
		{till, business + "SendPaymentRequestViaBle", cashier}, {till, business + "CancelPayment", cashier}, {till, business + "SyncPayments", cashier}, {till, business + "ReversePayment", manager},
		{phone, customer + "ReceivePaymentRequestsViaBle", cashier}, {phone, customer + "AcceptPayment", cashier}, {phone, customer + "PreAuthorizeInstrument", cashier},
		{till, device + "SetLogLevel", manager}, {till, device + "BackupStore", manager}, {till, device + "ExportPayments", manager},
		{till, device + "Enroll", manager}, {till, "/vipaso.sim.v1.SimService/DropLink", manager},
		{till, device + "Logout", admin}, {till, device + "CreateDiagnosticsBundle", admin},
	} {
		for r := stranger; r <= admin; r++ {
			ctx := grpcpeer.NewContext(t.Context(), &grpcpeer.Peer{AuthInfo: peerUser{uid: 1000, role: r}})
			err := tt.d.mayCall(ctx, tt.method)
			if (err == nil) != (r >= tt.least) || err != nil && !errors.Is(err, errNotPermitted) {
				t.Errorf("%s as %s: %v", tt.method, r, err)
			}
		}
	}
}

func TestPermissionsDenyByDefault(t *testing.T) {
	b := newBench(t, asTill, nil)
	asAdmin := grpcpeer.NewContext(t.Context(), &grpcpeer.Peer{AuthInfo: peerUser{role: admin}})
	for _, method := range []string{"/vipaso.device.v1.DeviceService/Explode", "/vipaso.device.v2.DeviceService/GetStatus", "/", "", "GetStatus"} {
		if err := b.mayCall(asAdmin, method); !errors.Is(err, errNotPermitted) {
			t.Errorf("%q: %v", method, err)
		}
	}
	for _, ctx := range []context.Context{t.Context(), grpcpeer.NewContext(t.Context(), &grpcpeer.Peer{})} {
		if err := b.mayCall(ctx, "/grpc.health.v1.Health/Check"); !errors.Is(err, errNotPermitted) {
			t.Errorf("caller nobody knows: %v", err)
		}
	}
}

func TestPermissionsOverTheWire(t *testing.T) {
	b := newBench(t, asTill, nil)
	device := devicev1.NewDeviceServiceClient(b.serve(cashier))
	_, err := device.Logout(t.Context(), &devicev1.LogoutRequest{RequestId: namedID("call").String(), Force: true})
	wantStatus(t, "unary", err, codes.PermissionDenied, "NOT_PERMITTED")
	if text := err.Error(); !strings.Contains(text, "uid 1000 is cashier, Logout takes admin") {
		t.Errorf("said %q", text)
	}
	if !b.self.Load().Enrolled() {
		t.Error("logged out all the same")
	}
	stream, err := device.BackupStore(t.Context(), &devicev1.BackupStoreRequest{})
	if err != nil {
		t.Fatal(err)
	}
	_, err = stream.Recv()
	wantStatus(t, "stream", err, codes.PermissionDenied, "NOT_PERMITTED")
}

// village is a user database of three people.
type village struct{}

func (village) user(uid string) (string, []string) {
	switch uid {
	case "1000":
		return "ann", []string{"1000", "50"}
	case "1001":
		return "bob", []string{"1001", "60"}
	}
	return "", nil
}

func (village) group(name string) string {
	return map[string]string{"till": "50", "staff": "60", "ann": "1000"}[name]
}

func TestRolesOfUsers(t *testing.T) {
	for _, tt := range []struct {
		name     string
		config   map[string][]string
		uid, gid uint32
		want     callerRole
	}{
		{"root", nil, 0, 0, admin},
		{"the daemon's own user", nil, 990, 990, admin},
		{"nobody is given anything", nil, 1000, 1000, stranger},
		{"by user", map[string][]string{"cashier": {"user:ann"}}, 1000, 1000, cashier},
		{"another user", map[string][]string{"cashier": {"user:ann"}}, 1001, 1001, stranger},
		{"by supplementary group", map[string][]string{"observer": {"group:staff"}}, 1001, 1001, observer},
		{"by primary group of the process", map[string][]string{"manager": {"group:till"}}, 4711, 50, manager},
		{"a group is no user", map[string][]string{"admin": {"group:bob"}}, 1001, 1001, stranger},
		{"a user is no group", map[string][]string{"admin": {"user:till"}}, 1000, 1000, stranger},
		{"the highest of several", map[string][]string{"observer": {"user:ann"}, "manager": {"group:till"}, "cashier": {"group:ann"}}, 1000, 1000, manager},
		{"by number", map[string][]string{"cashier": {"user:4711"}, "observer": {"group:4712"}}, 4711, 4712, cashier},
		{"by number of the group", map[string][]string{"observer": {"group:4712"}}, 4711, 4712, observer},
		{"unknown user, unnamed member", map[string][]string{"admin": {"user:", "group:", "ann", "role:ann"}}, 4711, 4712, stranger},
		{"a group that does not exist", map[string][]string{"admin": {"group:nosuch"}}, 1000, 1000, stranger},
		{"no such role", map[string][]string{"boss": {"user:ann"}, "stranger": {"user:ann"}}, 1000, 1000, stranger},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := newRoles(tt.config, slog.New(slog.DiscardHandler))
			r.own, r.users = 990, village{}
			if got := r.of(tt.uid, tt.gid); got != tt.want {
				t.Errorf("%s, want %s", got, tt.want)
			}
		})
	}
}

func TestRolesSayWhatTheyIgnore(t *testing.T) {
	var log bytes.Buffer
	newRoles(map[string][]string{"boss": {"user:ann"}, "admin": {"ann"}, "cashier": {"user:bob"}}, slog.New(slog.NewTextHandler(&log, nil)))
	if text := log.String(); strings.Count(text, "role ignored") != 2 || strings.Contains(text, "bob") {
		t.Errorf("logged %s", text)
	}
}

// The kernel says who connects to a unix socket.
func TestPeerCredentialsOfAUnixSocket(t *testing.T) {
	l, err := Listen(filepath.Join(t.TempDir(), "s"), "", nil)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	client, err := net.Dial("unix", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	server, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	creds := peerCredentials{roles: newRoles(nil, slog.New(slog.DiscardHandler))}
	_, info, err := creds.ServerHandshake(server)
	if err != nil {
		t.Fatal(err)
	}
	if u := info.(peerUser); u.uid != uint32(os.Getuid()) || u.role != admin {
		t.Errorf("%+v, want uid %d as admin", u, os.Getuid())
	}
	if _, _, err := creds.ClientHandshake(t.Context(), "", client); !errors.Is(err, errPeer) {
		t.Errorf("as a client: %v", err)
	}
}

// A connection that the kernel cannot vouch for is trusted only if the server
// was told to.
func TestPeerCredentialsOfAnotherConnection(t *testing.T) {
	a, b := net.Pipe()
	defer a.Close()
	defer b.Close()
	creds := peerCredentials{roles: newRoles(nil, slog.New(slog.DiscardHandler))}
	if _, _, err := creds.ServerHandshake(a); !errors.Is(err, errPeer) {
		t.Errorf("untrusted: %v", err)
	}
	creds.trusted = true
	_, info, err := creds.ServerHandshake(a)
	if err != nil || info.(peerUser).role != admin {
		t.Errorf("trusted: %+v %v", info, err)
	}
}

// A whole server over a real socket, and one that refuses what is none.
func TestServerTakesUnixSocketsOnly(t *testing.T) {
	b := newBench(t, asTill, nil)
	path := filepath.Join(t.TempDir(), "run", "vipasod.sock")
	l, err := Listen(path, "", nil)
	if err != nil {
		t.Fatal(err)
	}
	s := NewServer(b.Device, ServerOptions{})
	t.Cleanup(s.Stop)
	go s.Serve(l)
	conn, err := grpc.NewClient("unix:"+path, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if err := callAny(t.Context(), conn, "vipaso.business.v1.BusinessService", "FetchPayments"); err != nil {
		t.Errorf("over the socket: %v", err)
	}
	pipe := bufconn.Listen(1 << 16)
	go s.Serve(pipe)
	other, err := grpc.NewClient("passthrough:///x", grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) { return pipe.DialContext(ctx) }))
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	err = callAny(t.Context(), other, "vipaso.business.v1.BusinessService", "FetchPayments")
	if err == nil {
		t.Error("a connection of nobody knows whom was served")
	}
}

func TestListenReplacesADeadSocket(t *testing.T) {
	path := filepath.Join(t.TempDir(), "deep", "er", "s")
	first, err := Listen(path, "", nil)
	if err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o660 {
		t.Errorf("mode %v %v, want 0660", info.Mode(), err)
	}
	if _, err := Listen(path, "", nil); !errors.Is(err, ErrSocketInUse) {
		t.Errorf("over a live one: %v", err)
	}
	first.(*net.UnixListener).SetUnlinkOnClose(false) // as kill -9 leaves it
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Lstat(path); err != nil {
		t.Fatalf("the test left no dead socket: %v", err)
	}
	second, err := Listen(path, "", nil)
	if err != nil {
		t.Fatalf("over a dead one: %v", err)
	}
	if err := second.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Lstat(path); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a socket was left behind: %v", err)
	}
}

func TestListenTouchesNothingElse(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	if err := os.WriteFile(path, []byte("precious"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Listen(path, "", nil); !errors.Is(err, ErrSocketInUse) {
		t.Errorf("over a file: %v", err)
	}
	if b, err := os.ReadFile(path); err != nil || string(b) != "precious" {
		t.Errorf("the file is now %q %v", b, err)
	}
	if _, err := Listen(filepath.Join(t.TempDir(), strings.Repeat("x", 120)), "", nil); err == nil || !strings.Contains(err.Error(), "at most 107") {
		t.Errorf("a path that is too long: %v", err)
	}
}

// Without its group the socket is served all the same: that is one line of
// the log.
func TestListenWithoutItsGroup(t *testing.T) {
	var log bytes.Buffer
	l, err := Listen(filepath.Join(t.TempDir(), "s"), "no-such-group-here", slog.New(slog.NewTextHandler(&log, nil)))
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if text := log.String(); strings.Count(text, "\n") != 1 || !strings.Contains(text, "no-such-group-here") {
		t.Errorf("logged %q", text)
	}
}
