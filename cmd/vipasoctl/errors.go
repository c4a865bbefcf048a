package main

import (
	"strings"

	"github.com/spf13/cobra"

	"github.com/vipaso/vipasod/daemon/catalogue"
)

func (a *app) errorsCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "errors [CODE]",
		Short: "Explain an error code, or list them all; needs no daemon",
		Example: `  vipasoctl errors
  vipasoctl errors ADAPTER_NOT_CONFIGURED`,
		Args:              noneOr("CODE"),
		ValidArgsFunction: completeFirstWords(errorCodes),
		RunE: func(_ *cobra.Command, args []string) error {
			if len(args) == 0 {
				return a.listErrors()
			}
			code := strings.ToUpper(strings.ReplaceAll(args[0], "-", "_"))
			e, ok := catalogue.Lookup(code)
			if !ok {
				return &unknownCode{code}
			}
			return a.plain(explained(e), func() {
				a.printf("%s%s\n", a.stdout.bold(a, e.Code), either(e.GRPC != "", " ("+e.GRPC+")", ""))
				a.printf("what   %s\nwhy    %s\nnext   %s\n", e.What, e.Why, e.Next)
			})
		},
	}
}

// An unknownCode is a code that the catalogue does not have.
type unknownCode struct{ code string }

func (u *unknownCode) Error() string {
	return "no error code " + u.code
}

func errorCodes() []string {
	var codes []string
	for _, e := range catalogue.All() {
		codes = append(codes, e.Code+"\t"+e.What)
	}
	return codes
}

// An errorObject is an entry of the catalogue for programs.
type errorObject struct {
	Code    string `json:"code"`
	GRPC    string `json:"grpc"`
	Retry   string `json:"retry"`
	Shopper string `json:"shopper"`
	What    string `json:"what"`
	Why     string `json:"why"`
	Next    string `json:"next"`
}

func explained(e catalogue.Entry) errorObject {
	return errorObject{e.Code, e.GRPC, e.Retry, e.Shopper, e.What, e.Why, e.Next}
}

func (a *app) listErrors() error {
	for _, e := range catalogue.All() {
		if err := a.plain(explained(e), func() { a.printf("%s%s\n", pad(e.Code, 24), e.What) }); err != nil {
			return err
		}
	}
	return nil
}
