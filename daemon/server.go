package daemon

import (
	"log/slog"
	"time"

	"buf.build/go/protovalidate"
	validate "github.com/grpc-ecosystem/go-grpc-middleware/v2/interceptors/protovalidate"
	"google.golang.org/grpc"
	"google.golang.org/grpc/channelz/service"
	"google.golang.org/grpc/credentials"
	healthv1 "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/keepalive"
	"google.golang.org/grpc/reflection"

	businessv1 "github.com/vipaso/vipasod/proto/vipaso/business/v1"
	customerv1 "github.com/vipaso/vipasod/proto/vipaso/customer/v1"
	devicev1 "github.com/vipaso/vipasod/proto/vipaso/device/v1"
	simv1 "github.com/vipaso/vipasod/proto/vipaso/sim/v1"
)

// ServerOptions configures NewServer. The zero value serves root and the
// daemon's own user over unix sockets.
type ServerOptions struct {
	// Roles gives unix users and groups a role: by name of the role (observer,
	// cashier, manager, admin) lists of "user:NAME" and "group:NAME".
	Roles map[string][]string
	// Logger takes the calls, at debug, and what goes wrong; nil discards.
	Logger *slog.Logger
	// Sim serves SimService too: the radio is a simulated one.
	Sim bool
	// Trusted takes callers on anything but a unix socket for the daemon's
	// own user. For tests that run in one process.
	Trusted bool
}

const (
	streamsMax = 256              // calls of one connection at a time
	pingMin    = 10 * time.Second // between two pings of a client
)

// NewServer returns the local API of d, ready to serve.
func NewServer(d *Device, o ServerOptions) *grpc.Server {
	log := o.Logger
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	return newServer(d, o, log, peerCredentials{roles: newRoles(o.Roles, log), trusted: o.Trusted})
}

// newServer is NewServer with any way to tell who calls.
func newServer(d *Device, o ServerOptions, log *slog.Logger, who credentials.TransportCredentials) *grpc.Server {
	g := guard{log: log, may: d.mayCall}
	s := grpc.NewServer(
		grpc.Creds(who),
		grpc.ChainUnaryInterceptor(g.unary, validate.UnaryServerInterceptor(protovalidate.GlobalValidator)),
		grpc.ChainStreamInterceptor(g.stream, validate.StreamServerInterceptor(protovalidate.GlobalValidator)),
		grpc.MaxRecvMsgSize(8*messageMax),
		grpc.MaxConcurrentStreams(streamsMax),
		grpc.KeepaliveEnforcementPolicy(keepalive.EnforcementPolicy{MinTime: pingMin, PermitWithoutStream: true}),
	)
	d.addServices(s, o)
	return s
}

// addServices adds every service. That of the other role is there as well, and
// refused by mayCall.
func (d *Device) addServices(s *grpc.Server, o ServerOptions) {
	var business businessv1.BusinessServiceServer = businessv1.UnimplementedBusinessServiceServer{}
	var customer customerv1.CustomerServiceServer = customerv1.UnimplementedCustomerServiceServer{}
	if d.business() {
		business = newBusinessService(d)
	} else {
		customer = newCustomerService(d)
	}
	businessv1.RegisterBusinessServiceServer(s, business)
	customerv1.RegisterCustomerServiceServer(s, customer)
	devicev1.RegisterDeviceServiceServer(s, newDeviceService(d))
	healthv1.RegisterHealthServer(s, newHealth(d, s))
	service.RegisterChannelzServiceToServer(s)
	reflection.Register(s)
	if o.Sim {
		simv1.RegisterSimServiceServer(s, newSimService(d))
	}
}
