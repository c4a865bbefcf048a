package main

import (
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"
)

// rootCommand returns the whole tree of commands.
func (a *app) rootCommand() *cobra.Command {
	root := &cobra.Command{
		Use:   "vipasoctl",
		Short: "Ask and tell vipasod, the offline payment daemon",
		Long: `vipasoctl asks and tells vipasod, the daemon that takes and makes payments over
Bluetooth while neither side has a network.

Exit codes: 0 ok, 1 operation failed (declined, cancelled, rejected), 2 usage,
3 daemon not reachable, 4 not allowed, 5 conflict or wrong state, 6 timeout,
78 configuration error.`,
		Example: `  vipasoctl status
  vipasoctl pay request 12.00 USD --ref "table 4"`,
		SilenceErrors:     true,
		SilenceUsage:      true,
		CompletionOptions: cobra.CompletionOptions{DisableDefaultCmd: true},
	}
	root.SetOut(a.stdout)
	root.SetErr(a.stderr)
	root.SetIn(a.stdin)
	// A group of commands can be run only to say that it cannot.
	root.SetUsageTemplate(strings.Replace(root.UsageTemplate(), "{{if .Runnable}}", "{{if and .Runnable (not .HasAvailableSubCommands)}}", 1))
	flags := root.PersistentFlags()
	flags.StringVar(&a.socket, "socket", "", "unix socket `path` of vipasod (default VIPASO_SOCKET, else "+defaultSocket+")")
	flags.BoolVar(&a.json, "json", false, "print results as JSON, one object a line; errors go to stderr as text")
	flags.BoolVarP(&a.verbose, "verbose", "v", false, "show progress also when stderr is no terminal")
	a.addGroup(root, "Payments:", a.payCommand(), a.paymentsCommand(), a.preauthCommand(), a.instrumentsCommand(), a.syncCommand(), a.receiptGroup())
	a.addGroup(root, "This device:", a.statusCommand(), a.doctorCommand(), a.readyCommand(), a.trustCommand(), a.enrollCommand(), a.logoutCommand(), a.listenCommand())
	a.addGroup(root, "Operation:", a.storeCommand(), a.overrideCommand(), a.emergencyCommand(), a.radioCommand(), a.simCommand(), a.logCommand(), a.errorsCommand(), a.bugreportCommand(),
		a.journalCommand(), a.evidenceCommand())
	root.AddCommand(a.versionCommand(), a.completionCommand(), a.manCommand())
	root.SetHelpCommand(helpCommand())
	root.InitDefaultHelpCmd()
	a.adopt(root)
	return root
}

// addGroup adds commands under a heading of the help.
func (a *app) addGroup(root *cobra.Command, title string, commands ...*cobra.Command) {
	root.AddGroup(&cobra.Group{ID: title, Title: title})
	for _, cmd := range commands {
		cmd.GroupID = title
	}
	root.AddCommand(commands...)
}

// adopt prepares cmd and all below it: arguments lose their shields before
// a command sees them, and a group without a command of its own explains
// itself.
func (a *app) adopt(cmd *cobra.Command) {
	cmd.Flags().SortFlags = false
	cmd.DisableFlagsInUseLine = true
	cmd.DisableAutoGenTag = true
	if cmd.HasSubCommands() {
		cmd.SuggestionsMinimumDistance = 2
		cmd.Args = cobra.ArbitraryArgs
		cmd.RunE = groupOnly
	} else if inner := cmd.RunE; inner != nil {
		cmd.RunE = func(cmd *cobra.Command, args []string) error {
			args = unshieldAll(args)
			a.ran, a.command = true, cmd.CommandPath()
			if len(args) > 0 && strings.HasPrefix(cmd.Use, cmd.Name()+" PAYMENT") {
				a.payment = args[0]
			}
			return inner(cmd, args)
		}
	}
	cmd.PreRunE = unshieldFlags
	for _, child := range cmd.Commands() {
		a.adopt(child)
	}
}

// groupOnly answers a group of commands that was named alone or with a word
// that is none of its commands.
func groupOnly(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		cmd.SetOut(cmd.ErrOrStderr())
		return errors.Join(cmd.Help(), usagef("%s needs a command", cmd.CommandPath()))
	}
	message := fmt.Sprintf("%s has no command %q", cmd.CommandPath(), unshield(args[0]))
	if near := cmd.SuggestionsFor(args[0]); len(near) > 0 {
		message += "; did you mean " + strings.Join(near, " or ") + "?"
	}
	return usagef("%s", message)
}

// helpCommand is --help as a command.
func helpCommand() *cobra.Command {
	return &cobra.Command{
		Use:     "help [COMMAND…]",
		Short:   "Explain a command",
		Example: `  vipasoctl help pay request`,
		RunE: func(cmd *cobra.Command, args []string) error {
			about, rest, err := cmd.Root().Find(args)
			if err != nil || len(rest) > 0 {
				return groupOnly(about, rest)
			}
			about.InitDefaultHelpFlag()
			return about.Help()
		},
	}
}

// wants checks that there is one argument for each name.
func wants(names ...string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) == len(names) {
			return nil
		}
		return usagef("%s wants %s", cmd.CommandPath(), strings.Join(names, " "))
	}
}

// noneOr wants either no arguments or those names.
func noneOr(names ...string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) == 0 {
			return nil
		}
		return wants(names...)(cmd, args)
	}
}
