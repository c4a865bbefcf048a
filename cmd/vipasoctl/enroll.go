package main

import (
	"context"
	"fmt"

	"github.com/google/uuid"
	"github.com/spf13/cobra"
	"google.golang.org/grpc"

	devicev1 "github.com/vipaso/vipasod/proto/vipaso/device/v1"
)

func (a *app) enrollCommand() *cobra.Command {
	var backend, ca, code string
	cmd := &cobra.Command{
		Use:   "enroll --backend URL --ca FILE --code CODE",
		Short: "Make this device a known till or customer",
		Long: `Enroll hands the device's public keys to the backend and stores what comes back.
When it returns, certificate, trust bundle, limits and instruments are on disk
and the network may go.`,
		Example: `  vipasoctl enroll --backend https://pay.example.com:8443 --ca ca.pem --code K7QF-22XM`,
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			pem, err := readCA(ca)
			if err != nil {
				return err
			}
			c, err := a.dial()
			if err != nil {
				return err
			}
			a.progress("enrolling with %s…", backend)
			req := &devicev1.EnrollRequest{RequestId: uuid.NewString(), BackendUrl: backend, CaPem: pem, Code: code}
			var resp *devicev1.EnrollResponse
			err = persist(cmd.Context(), c, restartWait, func(ctx context.Context, opts ...grpc.CallOption) (err error) {
				resp, err = c.device().Enroll(ctx, req, opts...)
				return err
			})
			if err != nil {
				return err
			}
			return a.emit(resp.GetIdentity(), func() { a.printIdentity(resp.GetIdentity()) })
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&backend, "backend", "", "where the backend is, such as https://pay.example.com:8443")
	flags.StringVar(&ca, "ca", "", "`file` with the backend's CA certificate (PEM)")
	flags.StringVar(&code, "code", "", "one-time code from the backend")
	required(cmd, "backend", "ca", "code")
	return cmd
}

func (a *app) logoutCommand() *cobra.Command {
	var force bool
	cmd := &cobra.Command{
		Use:   "logout [--force]",
		Short: "Forget the enrollment",
		Long: `Logout forgets the enrollment. The daemon refuses while money is not handed in
(UNSYNCED_MONEY), unless forced.`,
		Example: `  vipasoctl sync now && vipasoctl logout`,
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := a.dial()
			if err != nil {
				return err
			}
			req := &devicev1.LogoutRequest{RequestId: uuid.NewString(), Force: force}
			var resp *devicev1.LogoutResponse
			err = persist(cmd.Context(), c, restartWait, func(ctx context.Context, opts ...grpc.CallOption) (err error) {
				resp, err = c.device().Logout(ctx, req, opts...)
				return err
			})
			if err != nil {
				return err
			}
			return a.emit(resp.GetIdentity(), func() { a.printf("logged out\n") })
		},
	}
	cmd.Flags().BoolVar(&force, "force", false, "also while money is not handed in")
	return cmd
}

func (a *app) printIdentity(id *devicev1.Identity) {
	for i, part := range keep(a.identity(id)) {
		a.printf("%s%s", either(i > 0, "  ", ""), part)
	}
	a.printf("\n")
	if id.GetDeviceId() != "" {
		a.printf("device   %s\n", clean(id.GetDeviceId()))
	}
}

// required marks flags that a command cannot do without.
func required(cmd *cobra.Command, names ...string) {
	for _, name := range names {
		if err := cmd.MarkFlagRequired(name); err != nil {
			panic(fmt.Sprintf("%s: %v", cmd.Name(), err)) // a flag that is not there: a bug of ours
		}
	}
}
