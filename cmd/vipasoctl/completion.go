package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	paymentv1 "github.com/vipaso/vipasod/proto/vipaso/payment/v1"
)

// completionWait is how long a shell is kept waiting for live values.
const completionWait = time.Second

func (a *app) completionCommand() *cobra.Command {
	shells := []string{"bash", "zsh", "fish", "powershell"}
	return &cobra.Command{
		Use:   "completion SHELL",
		Short: "Print a completion script: bash, zsh, fish or powershell",
		Long: `Completion prints a script that completes commands, flags and live values: payments,
instruments and pre-authorizations are asked of the daemon.`,
		Example: `  source <(vipasoctl completion bash)
  vipasoctl completion fish > ~/.config/fish/completions/vipasoctl.fish`,
		Args:      wants("SHELL"),
		ValidArgs: shells,
		RunE: func(cmd *cobra.Command, args []string) error {
			root := cmd.Root()
			switch args[0] {
			case "bash":
				return root.GenBashCompletionV2(a.stdout, true)
			case "zsh":
				return root.GenZshCompletion(a.stdout)
			case "fish":
				return root.GenFishCompletion(a.stdout, true)
			case "powershell":
				return root.GenPowerShellCompletionWithDesc(a.stdout)
			}
			return usagef("completion %s: want %s", args[0], strings.Join(shells, ", "))
		},
	}
}

// A source gives values to complete with, each with a description after a
// tab. One that fails gives none.
type source func(ctx context.Context) []string

// completeFirst completes the first argument from s.
func (a *app) completeFirst(s source) cobra.CompletionFunc {
	return func(cmd *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
		if len(args) > 0 {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		return a.live(cmd, s), cobra.ShellCompDirectiveNoFileComp
	}
}

// completeFlag completes the value of a flag from s.
func (a *app) completeFlag(cmd *cobra.Command, flag string, s source) {
	complete := func(cmd *cobra.Command, _ []string, _ string) ([]string, cobra.ShellCompDirective) {
		return a.live(cmd, s), cobra.ShellCompDirectiveNoFileComp
	}
	mustRegister(cmd, flag, complete)
}

// completeWords completes the value of a flag with one of words.
func completeWords(cmd *cobra.Command, flag string, words ...string) {
	mustRegister(cmd, flag, cobra.FixedCompletions(words, cobra.ShellCompDirectiveNoFileComp))
}

// completeFirstWords completes the first argument with one of words.
func completeFirstWords(words func() []string) cobra.CompletionFunc {
	return func(_ *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
		if len(args) > 0 {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		return words(), cobra.ShellCompDirectiveNoFileComp
	}
}

func mustRegister(cmd *cobra.Command, flag string, complete cobra.CompletionFunc) {
	if err := cmd.RegisterFlagCompletionFunc(flag, complete); err != nil {
		panic(fmt.Sprintf("%s --%s: %v", cmd.Name(), flag, err)) // a flag that is not there: a bug of ours
	}
}

func (a *app) live(cmd *cobra.Command, s source) []string {
	ctx, cancel := context.WithTimeout(cmd.Context(), completionWait)
	defer cancel()
	return s(ctx)
}

func (a *app) paymentIDs(ctx context.Context) []string {
	h, err := a.history(ctx)
	if err != nil {
		return nil
	}
	resp, err := h.FetchPayments(ctx, &paymentv1.FetchPaymentsRequest{PageSize: 30})
	if err != nil {
		return nil
	}
	var ids []string
	for _, p := range resp.GetPayments() {
		ids = append(ids, clean(p.GetPaymentId())+"\t"+sum(p.GetTotal(), p.GetCurrency())+" "+word(p.GetState()))
	}
	return ids
}

func (a *app) instrumentIDs(ctx context.Context) []string {
	list, err := a.instruments(ctx)
	if err != nil {
		return nil
	}
	var ids []string
	for _, i := range list {
		ids = append(ids, clean(i.GetInstrumentId())+"\t"+clean(i.GetLabel())+" "+sum(i.GetPreAuthorizedAmount(), i.GetCurrency()))
	}
	return ids
}

func (a *app) preauthIDs(ctx context.Context) []string {
	instruments, err := a.instruments(ctx)
	if err != nil {
		return nil
	}
	var ids []string
	for _, p := range preauths(instruments) {
		ids = append(ids, clean(p.GetPreAuthorizationId())+"\t"+sum(p.GetRemaining(), p.GetCurrency())+" "+usability(p))
	}
	return ids
}
