package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// A flag beats the environment, which beats the file. What --api-rate became shows in the refusal of a bad one.
func TestPrecedence(t *testing.T) {
	file := filepath.Join(t.TempDir(), "farmwire.yaml")
	write := func(text string) {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("api-rate: -3\nbrokers: [127.0.0.1:1]\n")
	run := func(args ...string) string {
		var out, err bytes.Buffer
		if code := execute(t.Context(), append([]string{"run", "--config", file}, args...), &streams{strings.NewReader(""), &out, &err}); code != exitUsage {
			t.Fatalf("exit code %d; %s", code, err.String())
		}
		return err.String()
	}
	want := func(got, part string) {
		t.Helper()
		if !strings.Contains(got, part) {
			t.Errorf("%q does not say %q", got, part)
		}
	}
	want(run(), "--api-rate is -3")
	t.Setenv("FARMWIRE_API_RATE", "-2")
	want(run(), "--api-rate is -2")
	want(run("--api-rate=-1"), "--api-rate is -1")
	write("api_rate: 3\n")
	want(run(), "there is no flag --api_rate")
	write("api-rate: [\n")
	want(run(), file)
	file += ".missing"
	want(run(), "no such file")
}

func TestUsageErrors(t *testing.T) {
	for line, part := range map[string]string{
		"run":                               "--brokers is missing",
		"run --dry-run --staleness 0s":      "--staleness",
		"run --brokers x:1 --initial some":  "--initial",
		"run --brokers x:1 --api-rate NaN":  "--api-rate",
		"run --brokers x:1 --api-rate +Inf": "--api-rate",
		"topics check":                      "--brokers is missing",
		"topics":                            "create",
		"unknown":                           "unknown",
		"run --brokers x:1 --nonsense":      "--nonsense",
		"topics check --brokers x:1 --sasl-password-file /does/not/exist": "--sasl-password-file",
	} {
		t.Run(line, func(t *testing.T) {
			var out, err bytes.Buffer
			code := execute(t.Context(), strings.Fields(line), &streams{strings.NewReader(""), &out, &err})
			if code != exitUsage || !strings.Contains(err.String(), part) || strings.Count(err.String(), "\n") != 1 {
				t.Errorf("exit code %d, stderr %q; want 2 and one line with %q", code, err.String(), part)
			}
		})
	}
}

func TestHelpAndVersion(t *testing.T) {
	for line, part := range map[string]string{"--help": "Usage: farmwire", "run --help": "FARMWIRE_API_RATE", "version": "farmwire "} {
		var out, err bytes.Buffer
		if code := execute(t.Context(), strings.Fields(line), &streams{strings.NewReader(""), &out, &err}); code != 0 || !strings.Contains(out.String(), part) {
			t.Errorf("%s: exit code %d, stdout %q, stderr %q", line, code, out.String(), err.String())
		}
	}
}
