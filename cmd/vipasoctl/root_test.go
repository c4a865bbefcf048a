package main

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/spf13/cobra"
)

// contract is every command that scripts may rely on, with its flags.
var contract = []string{
	"enroll --backend --ca --code", "logout --force",
	"status --watch", "doctor", "ready", "trust --output", "listen --after --types", "version",
	"instruments list",
	"preauth create --instrument --request-id", "preauth list", "preauth void",
	"pay request --ref --timeout --policy --tag --tip --request-id",
	"pay receive --single --accept-all --after --instrument --tip --tag",
	"pay accept --amount --currency --instrument --tip --delegated", "pay decline", "pay cancel", "pay reverse",
	"payments list --unsynced --status", "payments show --timeline", "payments receipt --format",
	"payments evacuate", "payments carry", "receipt verify --root", "evidence verify --root", "journal export --force", "journal verify --root",
	"sync now", "sync status", "store check", "store backup", "store export --format", "log level --for",
	"radio status", "radio scan", "sim peers", "sim set --loss --latency", "sim drop-link", "sim offline",
	"errors", "bugreport --output", "completion",
}

func TestContract(t *testing.T) {
	root := newApp(nil, nil, nil, os.Getenv).rootCommand()
	for _, line := range contract {
		words := strings.Fields(line)
		flags := slices.IndexFunc(words, func(w string) bool { return strings.HasPrefix(w, "--") })
		if flags < 0 {
			flags = len(words)
		}
		cmd, rest, err := root.Find(words[:flags])
		if err != nil || len(rest) > 0 {
			t.Errorf("no command %v: %v", words[:flags], err)
			continue
		}
		for _, flag := range words[flags:] {
			if cmd.Flags().Lookup(strings.TrimPrefix(flag, "--")) == nil {
				t.Errorf("%s has no %s", cmd.CommandPath(), flag)
			}
		}
	}
	for _, flag := range []string{"socket", "json"} {
		if root.PersistentFlags().Lookup(flag) == nil {
			t.Errorf("no --%s", flag)
		}
	}
}

// TestEveryCommandIsExplained: a sentence, and an example that is a command.
func TestEveryCommandIsExplained(t *testing.T) {
	root := newApp(nil, nil, nil, os.Getenv).rootCommand()
	walk(root, func(cmd *cobra.Command) {
		if cmd.Short == "" || strings.HasSuffix(cmd.Short, ".") || cmd.Example == "" {
			t.Errorf("%s: short %q, example %q", cmd.CommandPath(), cmd.Short, cmd.Example)
		}
		for line := range strings.Lines(strings.ReplaceAll(cmd.Example, "\\\n", " ")) {
			if err := exampleOf(root, cmd, line); err != "" {
				t.Errorf("%s: example %q: %s", cmd.CommandPath(), line, err)
			}
		}
	})
}

func walk(cmd *cobra.Command, visit func(*cobra.Command)) {
	visit(cmd)
	for _, child := range cmd.Commands() {
		walk(child, visit)
	}
}

// exampleOf says what is wrong with an example line of cmd.
func exampleOf(root, cmd *cobra.Command, line string) string {
	_, text, ok := strings.Cut(line, "vipasoctl ")
	if !ok {
		return "not of this program"
	}
	text, _, _ = strings.Cut(text, ")")
	for _, end := range []string{" | ", " > ", " && "} {
		text, _, _ = strings.Cut(text, end)
	}
	found, rest, err := root.Find(strings.Fields(strings.ReplaceAll(text, `"`, "")))
	switch {
	case err != nil:
		return err.Error()
	case found != cmd && !cmd.HasSubCommands() && !strings.Contains(line, "&& vipasoctl "+strings.TrimPrefix(cmd.CommandPath(), "vipasoctl ")):
		return "is one of " + found.CommandPath()
	}
	if err := found.ParseFlags(rest); err != nil {
		return err.Error()
	}
	return ""
}

func TestManualPages(t *testing.T) {
	f := newFake(t)
	dir := filepath.Join(t.TempDir(), "man")
	if got := f.run("gen-man", dir); got.code != 0 {
		t.Fatalf("%+v", got)
	}
	page := content(t, filepath.Join(dir, "vipasoctl-pay-request.1"))
	if !strings.Contains(page, "prefer-online") || !strings.Contains(page, "EXAMPLE") {
		t.Errorf("page:\n%s", page)
	}
}

func TestHelp(t *testing.T) {
	f := newFake(t)
	byFlag, byCommand := f.run("pay", "request", "--help"), f.run("help", "pay", "request")
	if byFlag != byCommand || byFlag.code != 0 || byFlag.stdout == "" {
		t.Errorf("--help %+v, help %+v", byFlag, byCommand)
	}
	if got := f.run("help", "nope"); got.code != 2 {
		t.Errorf("help nope: %+v", got)
	}
}

// TestCompletion: commands, words and live values; none without a daemon.
func TestCompletion(t *testing.T) {
	f := answering(t)
	tests := []struct{ args, want string }{
		{"pay re|", "request\tAsk"},
		{"pay request 1 USD --policy |", "force-offline\n"},
		{"payments show |", paymentID + "\t13.00 USD PROVISIONAL\n"},
		{"payments receipt --format |", "html\n"},
		{"preauth void |", preauthID + "\t88.00 USD AVAILABLE\n"},
		{"preauth create 1 USD --instrument |", instrumentID + "\tBlue card 88.00 USD\n"},
		{"pay receive --instrument |", instrumentID},
		{"errors AMOUNT_S|", "AMOUNT_SYNTAX\t"},
		{"log level |", "debug\n"},
		{"sim offline |", "off\n"},
		{"completion |", "fish\n"},
		{"listen --types |", "payment_settled\n"},
	}
	for _, test := range tests {
		args := strings.Fields(test.args)
		args[len(args)-1] = strings.TrimSuffix(args[len(args)-1], "|")
		if got := f.run(append([]string{"__complete"}, args...)...); got.code != 0 || !strings.Contains(got.stdout, test.want) {
			t.Errorf("%s: %+v, want %q", test.args, got, test.want)
		}
	}
	f.stop()
	for _, args := range []string{"payments show", "preauth void", "pay receive --instrument"} {
		if got := f.run(append(append([]string{"__complete"}, strings.Fields(args)...), "")...); got.code != 0 || got.stdout != ":4\n" {
			t.Errorf("%s without a daemon: %+v", args, got)
		}
	}
}

func TestCompletionScripts(t *testing.T) {
	f := newFake(t)
	for _, shell := range []string{"bash", "zsh", "fish", "powershell"} {
		if got := f.run("completion", shell); got.code != 0 || !strings.Contains(got.stdout, "vipasoctl") {
			t.Errorf("%s: exit %d, %d bytes", shell, got.code, len(got.stdout))
		}
	}
}
