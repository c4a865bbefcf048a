package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"

	"github.com/pelletier/go-toml/v2"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// configFlags say where the configuration comes from; run and config show
// have the same.
type configFlags struct {
	path string
	set  []string
}

func (f *configFlags) register(flags *pflag.FlagSet) {
	flags.StringVar(&f.path, "config", defaultConfig, "configuration `FILE`")
	flags.StringArrayVar(&f.set, "set", nil, "set one `KEY=VALUE`, as in radio.driver=sim; may be repeated")
}

// load reads the configuration that the flags name. The default file may be
// absent, a named one may not.
func (f *configFlags) load(flags *pflag.FlagSet, env []string) (Config, Origins, error) {
	path := f.path
	if path == "" {
		return Config{}, nil, errNoFile
	}
	if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) && !flags.Changed("config") {
		path = ""
	}
	set, err := pairs(f.set)
	if err != nil {
		return Config{}, nil, err
	}
	return Load(path, env, set)
}

// errNoFile: without the file that was meant, the defaults would do for it.
var errNoFile = usageError{errors.New("the name of the configuration file is empty")}

// pairs reads KEY=VALUE texts.
func pairs(texts []string) (map[string]string, error) {
	set := map[string]string{}
	for _, text := range texts {
		key, value, ok := strings.Cut(text, "=")
		if !ok {
			return nil, usageError{fmt.Errorf("--set %q is not written as KEY=VALUE", text)}
		}
		set[key] = value
	}
	return set, nil
}

func newConfigCommand(env []string) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "config",
		Short: "Check, show or print a sample of the configuration",
		Args:  cobra.NoArgs,
		RunE:  func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(newConfigCheckCommand(env), newConfigExampleCommand(), newConfigShowCommand(env))
	return cmd
}

func newConfigCheckCommand(env []string) *cobra.Command {
	return &cobra.Command{
		Use:   "check FILE",
		Short: "Check a configuration file, together with the VIPASO_ environment",
		Args:  wantsFile,
		RunE: func(cmd *cobra.Command, args []string) error {
			if args[0] == "" {
				return errNoFile
			}
			if _, _, err := Load(args[0], env, nil); err != nil {
				return err
			}
			_, err := fmt.Fprintf(cmd.OutOrStdout(), "%s: ok\n", args[0])
			return err
		},
	}
}

func newConfigExampleCommand() *cobra.Command {
	role := roleBusiness
	cmd := &cobra.Command{
		Use:   "example",
		Short: "Print a sample configuration with every key",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if role != roleBusiness && role != roleCustomer {
				return usageError{fmt.Errorf("--role %q is neither business nor customer", role)}
			}
			return writeExample(cmd.OutOrStdout(), role)
		},
	}
	cmd.Flags().StringVar(&role, "role", role, "business or customer")
	return cmd
}

// writeExample prints the sample of a role, with the comments of Config.
func writeExample(w io.Writer, role string) error {
	var sample bytes.Buffer
	if err := toml.NewEncoder(&sample).SetIndentTables(false).Encode(example(role)); err != nil {
		return err
	}
	var b strings.Builder
	b.WriteString("# Configuration of vipasod. Each key may also be set in the environment: radio.driver\n" +
		"# is VIPASO_RADIO_DRIVER. `vipasod config show` prints what applies, and why.\n\n")
	for line := range strings.Lines(sample.String()) {
		if !strings.HasPrefix(line, "#") {
			// The encoder writes literal strings; none of ours needs that.
			line = strings.ReplaceAll(line, "'", `"`)
		}
		b.WriteString(line)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func newConfigShowCommand(env []string) *cobra.Command {
	var flags configFlags
	cmd := &cobra.Command{
		Use:   "show",
		Short: "Print each value that applies, and where it was set",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			config, origins, err := flags.load(cmd.Flags(), env)
			if err != nil {
				return err
			}
			return writeConfig(cmd.OutOrStdout(), config, origins)
		},
	}
	flags.register(cmd.Flags())
	return cmd
}

// writeConfig prints every key, as valid TOML with its origin behind it.
func writeConfig(w io.Writer, c Config, origins Origins) error {
	var lines []string
	width := 0
	for _, s := range settings(&c) {
		lines = append(lines, s.key+" = "+s.String())
		width = max(width, len(lines[len(lines)-1]))
	}
	for i, s := range settings(&c) {
		if _, err := fmt.Fprintf(w, "%-*s  # %s\n", width, lines[i], origins[s.key]); err != nil {
			return err
		}
	}
	return nil
}

// wantsFile checks that one file is named.
func wantsFile(cmd *cobra.Command, args []string) error {
	if len(args) != 1 {
		return fmt.Errorf("%s wants FILE", cmd.CommandPath())
	}
	return nil
}
