package main

import (
	"context"
	"encoding/hex"
	"fmt"
	"strings"

	"github.com/spf13/cobra"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/vipaso/vipasod/preauth"
	devicev1 "github.com/vipaso/vipasod/proto/vipaso/device/v1"
)

func (a *app) trustCommand() *cobra.Command {
	var file string
	var force bool
	c := &cobra.Command{
		Use:   "trust [-o FILE]",
		Short: "Show whom this device trusts: root key, issuers, revocations",
		Long: `Trust shows the root key that this device knows its backend by, and the trust
bundle by which it judges others while there is no network. With -o the root key is
written to FILE as text: receipts, evidence and journals are verified with nothing
else.`,
		Example: `  vipasoctl trust
  vipasoctl trust -o root.key`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			got, err := a.trust(cmd.Context())
			if err != nil {
				return err
			}
			if file != "" {
				return a.save(file, force, func(f *newFile) error {
					return f.add([]byte(hex.EncodeToString(got.GetRootKey()) + "\n"))
				})
			}
			if a.json {
				return a.object(got)
			}
			return a.printTrust(got)
		},
	}
	c.Flags().StringVarP(&file, "output", "o", "", "write the root key to `file`")
	c.Flags().BoolVar(&force, "force", false, "replace the file if it exists")
	return c
}

func (a *app) trust(ctx context.Context) (*devicev1.GetTrustResponse, error) {
	c, err := a.dial()
	if err != nil {
		return nil, err
	}
	ctx, cancel := quick(ctx)
	defer cancel()
	return c.device().GetTrust(ctx, &devicev1.GetTrustRequest{})
}

// printTrust verifies what it shows.
func (a *app) printTrust(got *devicev1.GetTrustResponse) error {
	root, err := preauth.PublicKeyFrom(got.GetRootKey())
	if err != nil {
		return fmt.Errorf("root key: %w", err)
	}
	t, err := preauth.OpenTrust(root, got.GetTrustBundle())
	if err != nil {
		return fmt.Errorf("trust bundle: %w", err)
	}
	b := t.Bundle.Body
	a.printf("root key  %x\n          fingerprint %s\n", root[:], fingerprint(root))
	signed := timestamppb.New(t.SignedAt())
	a.printf("bundle    epoch %d, signed %s, %s ago\n", t.Epoch(), a.at(signed), a.ago(signed))
	if n := len(b.GetHandovers()); n > 0 {
		a.printf("          the root key was replaced %s\n", times(n))
	}
	a.printf("revoked   %s, %s\n", plural(uint32(len(b.GetRevokedDevices())), "device"), plural(uint32(len(b.GetRevokedSerials())), "pre-authorization"))
	issuers := &table{head: []string{"ISSUER", "FROM", "UNTIL"}}
	for _, k := range b.GetIssuers() {
		issuers.add(fingerprint(preauth.PublicKey(k.GetPublicKey())), a.at(moment(k.GetNotBeforeMs())), a.at(moment(k.GetNotAfterMs())))
	}
	a.printTable(issuers, "no issuers")
	return a.stdout.err
}

// fingerprint is the key id, in pairs that people can compare.
func fingerprint(k preauth.PublicKey) string {
	id := k.KeyID()
	pairs := make([]string, len(id))
	for i, b := range id {
		pairs[i] = fmt.Sprintf("%02x", b)
	}
	return strings.Join(pairs, ":")
}

func moment(ms int64) *timestamppb.Timestamp {
	return &timestamppb.Timestamp{Seconds: ms / 1000, Nanos: int32(ms%1000) * 1e6}
}

func times(n int) string {
	if n == 1 {
		return "once"
	}
	return fmt.Sprintf("%d times", n)
}
