package daemon

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"os/user"
	"slices"
	"strconv"
	"strings"

	grpcpeer "google.golang.org/grpc/peer"

	businessv1 "github.com/vipaso/vipasod/proto/vipaso/business/v1"
	customerv1 "github.com/vipaso/vipasod/proto/vipaso/customer/v1"

	"github.com/vipaso/vipasod/preauth"
)

// callerRole is what a caller may do. Each role includes those before it.
type callerRole int

// The roles, in order. A caller that none was given to is a stranger and may
// do nothing.
const (
	stranger callerRole = iota
	observer
	cashier
	manager
	admin
)

var roleNames = []string{"stranger", "observer", "cashier", "manager", "admin"}

// String returns the role as it stands in the configuration.
func (r callerRole) String() string { return roleNames[r] }

// leastRole says which role each method needs at least, by service and method.
// What is not here, nobody may call.
var leastRole = map[string]map[string]callerRole{
	"vipaso.business.v1.BusinessService": {
		"SendPaymentRequestViaBle": cashier, "StreamPaymentRequest": cashier, "CancelPayment": cashier, "ReversePayment": manager,
		"CheckReadiness": observer, "FetchPayments": observer, "FetchPayment": observer, "FetchOfflinePayments": observer,
		"SyncPayments": cashier,
	},
	"vipaso.customer.v1.CustomerService": {
		"PreAuthorizeInstrument": cashier, "VoidPreAuthorization": cashier,
		"ListInstruments": observer, "WatchInstruments": observer,
		"ReceivePaymentRequestsViaBle": cashier, "AcceptPayment": cashier, "DeclinePayment": cashier,
		"CheckReadiness": observer, "FetchPayments": observer, "FetchPayment": observer, "FetchOfflinePayments": observer,
		"SyncPayments": cashier,
	},
	"vipaso.device.v1.DeviceService": {
		"BeginEnrollment": manager, "CompleteEnrollment": manager, "Enroll": manager, "Logout": admin,
		"WatchAuthenticationState": observer, "GetStatus": observer, "WatchStatus": observer,
		"Diagnose": observer, "WatchEvents": observer, "SyncNow": cashier,
		"SetLogLevel": manager, "BackupStore": manager, "CheckStore": manager, "ExportPayments": manager,
		"ScanRadio": cashier, "CreateDiagnosticsBundle": admin,
		"Allow": manager, "EndAllowance": manager, "ExportJournal": manager, "SealPayments": manager, "CarrySealed": manager,
		"GetTrust": observer,
	},
	"vipaso.sim.v1.SimService": {
		"ListPeers": manager, "SetConditions": manager, "DropLink": manager, "SetOffline": manager,
	},
	"grpc.health.v1.Health":                    {"Check": observer, "List": observer, "Watch": observer},
	"grpc.reflection.v1.ServerReflection":      {"ServerReflectionInfo": observer},
	"grpc.reflection.v1alpha.ServerReflection": {"ServerReflectionInfo": observer},
	"grpc.channelz.v1.Channelz": {
		"GetTopChannels": observer, "GetServers": observer, "GetServer": observer, "GetServerSockets": observer,
		"GetChannel": observer, "GetSubchannel": observer, "GetSocket": observer,
	},
}

// mayCall refuses a caller whose role does not do for the method, and a
// service of the role that this device does not have.
func (d *Device) mayCall(ctx context.Context, fullMethod string) error {
	service, method, _ := strings.Cut(strings.TrimPrefix(fullMethod, "/"), "/")
	need, listed := leastRole[service][method]
	who := callerOf(ctx)
	if !listed {
		return fmt.Errorf("uid %d, %s is for nobody: %w", who.uid, fullMethod, errNotPermitted)
	}
	if who.role < need {
		return fmt.Errorf("uid %d is %s, %s takes %s: %w", who.uid, who.role, method, need, errNotPermitted)
	}
	if service == d.otherService() {
		return fmt.Errorf("%s, and this is %s: %w", method, d.kind(), errWrongRole)
	}
	return nil
}

// kind is what people call a device of this role.
func (d *Device) kind() string {
	if d.business() {
		return "a till"
	}
	return "a customer device"
}

// otherService is the service that this device refuses.
func (d *Device) otherService() string {
	if d.business() {
		return customerv1.CustomerService_ServiceDesc.ServiceName
	}
	return businessv1.BusinessService_ServiceDesc.ServiceName
}

// nobody is the uid of a caller that is not known.
const nobody = ^uint32(0)

// callerOf returns who makes a call.
func callerOf(ctx context.Context) peerUser {
	if p, ok := grpcpeer.FromContext(ctx); ok {
		if u, ok := p.AuthInfo.(peerUser); ok {
			return u
		}
	}
	return peerUser{uid: nobody, role: stranger}
}

// personMax is how many bytes of a user's name are told to the backend.
const personMax = 64

// name is what the system calls the user, or else its number.
func (u peerUser) name() string {
	number := strconv.FormatUint(uint64(u.uid), 10)
	name, _ := system{}.user(number)
	if name == "" || preauth.CheckLine(name, personMax) != nil {
		return "uid " + number
	}
	return name
}

// roles says what unix users and groups may do.
type roles struct {
	own    uint32 // the daemon's uid
	people []member
	users  userDatabase
}

// userDatabase is what the system knows of its users.
type userDatabase interface {
	// user returns a user's name and groups, empty if there is no such user.
	user(uid string) (name string, gids []string)
	// group returns the number of a group, empty if there is none.
	group(name string) (gid string)
}

// member is a user or group with a role.
type member struct {
	group bool
	name  string // or number
	role  callerRole
}

// newRoles reads the configuration: by name of the role, lists of "user:NAME"
// and "group:NAME". What it cannot read gives nobody anything, and is logged.
func newRoles(config map[string][]string, log *slog.Logger) roles {
	r := roles{own: uint32(os.Geteuid()), users: system{}}
	for name, people := range config {
		role := callerRole(slices.Index(roleNames, name))
		for _, who := range people {
			kind, id, ok := strings.Cut(who, ":")
			if role <= stranger || !ok || id == "" || kind != "user" && kind != "group" {
				log.Warn("role ignored", "role", name, "member", who)
				continue
			}
			r.people = append(r.people, member{group: kind == "group", name: id, role: role})
		}
	}
	return r
}

// of returns the highest role that a user has, by uid, primary gid, or any
// group that the user database lists. Root and the daemon's own user are
// admin.
func (r roles) of(uid, gid uint32) callerRole {
	if uid == 0 || uid == r.own {
		return admin
	}
	number := strconv.FormatUint(uint64(uid), 10)
	name, gids := r.users.user(number)
	gids = append(gids, strconv.FormatUint(uint64(gid), 10))
	best := stranger
	for _, m := range r.people {
		has := m.name == number || m.name == name
		if m.group {
			has = slices.Contains(gids, m.name) || slices.Contains(gids, r.users.group(m.name))
		}
		if has {
			best = max(best, m.role)
		}
	}
	return best
}

// system is the user database of this machine.
type system struct{}

func (system) user(uid string) (string, []string) {
	u, err := user.LookupId(uid)
	if err != nil {
		return "", nil
	}
	gids, err := u.GroupIds()
	if err != nil {
		return u.Username, nil // the primary group is known from the socket
	}
	return u.Username, gids
}

func (system) group(name string) string {
	g, err := user.LookupGroup(name)
	if err != nil {
		return ""
	}
	return g.Gid
}
