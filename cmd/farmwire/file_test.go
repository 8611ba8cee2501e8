package main

import (
	"bytes"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/alecthomas/kong"
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
		"topics x":                          "unexpected argument x",
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

// fromFile runs a command with a configuration file.
func fromFile(t *testing.T, text string, args ...string) (code int, said string) {
	t.Helper()
	t.Chdir(t.TempDir())
	if err := os.WriteFile("c.yaml", []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	var out, err bytes.Buffer
	code = execute(t.Context(), append(args, "--config", "c.yaml"), &streams{strings.NewReader(""), &out, &err})
	return code, err.String()
}

// A value is what is written, whatever YAML takes it for.
func TestFileIsTakenAsWritten(t *testing.T) {
	for written, want := range map[string]string{
		"00420017": "00420017", "0123": "0123", "0x1F": "0x1F", "1.10": "1.10", "1e3": "1e3", "1_000": "1_000", "2026-01-02": "2026-01-02",
		"12:30:45": "12:30:45", "True": "True", "no": "no", ".inf": ".inf", `"0123"`: "0123", "'null'": "null", "!!str 010": "010", "0o17": "0o17",
		"-0": "-0", "+7": "+7", "=": "=",
	} {
		var resolver fileResolver
		var flags struct {
			Config string
			Name   string
			Names  []string
		}
		parser, err := kong.New(&flags, kong.Resolvers(&resolver))
		if err != nil {
			t.Fatal(err)
		}
		file := filepath.Join(t.TempDir(), "c.yaml")
		if err := os.WriteFile(file, []byte("name: &x "+written+"\nnames: ["+written+", *x]\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := parser.Parse([]string{"--config", file}); err != nil || flags.Name != want || !slices.Equal(flags.Names, []string{want, want}) {
			t.Errorf("%s: name %q, names %q, %v; want %q", written, flags.Name, flags.Names, err, want)
		}
	}
}

// What is wrong with a file is said with its place, and without what stands there.
func TestFileErrors(t *testing.T) {
	for text, want := range map[string]string{
		"brokers: x:1\nstaleness: canary\n":               `c\.yaml:2: staleness: the value must be a duration`,
		"brokers: x:1\npartitions: canary\n":              `c\.yaml:2: partitions: the value must be a whole number`,
		"brokers: x:1\n\napi-rate: canary\n":              `c\.yaml:3: api-rate: the value must be a number`,
		"brokers: x:1\ntls: canary\n":                     `c\.yaml:2: tls: the value must be true or false`,
		"brokers: x:1\npartitions: [3, 4]\n":              `c\.yaml:2: partitions: the value must be a single one`,
		"brokers: x:1\nsasl-username: [canary]\n":         `c\.yaml:2: sasl-username: the value must be a single one`,
		"brokers: x:1\nsasl-mechanism: plain\n  canary\n": `c\.yaml:2: sasl-mechanism: the value must be one of none, plain`,
		"brokers: [x:1, [canary]]\n":                      `c\.yaml:1: brokers: a list holds single values only`,
		"brokers: [x:1, null]\n":                          `c\.yaml:1: brokers: a list holds single values only`,
		"brokers: &x [canary, *x]\n":                      `c\.yaml:1: brokers: a list holds single values only`,
		"brokers:\n  canary: x\n":                         `c\.yaml:1: brokers: the value must be a single one or a list`,
		"brokers: x:1\nbrokers: canary\n":                 `c\.yaml:2: brokers is set twice, first in line 1`,
		"brokers: x:1\nsasl-user: canary\n":               `c\.yaml:2: there is no flag --sasl-user; farmwire`,
		"brokers: x:1\nsasl-usrname: canary\n":            `c\.yaml:2: there is no flag --sasl-usrname; did you mean --sasl-username of farmwire run, farmwire tail, farmwire trigger, farmwire audit, farmwire topics\?`,
		"brokres: canary\n":                               `c\.yaml:1: .*did you mean --brokers of farmwire run`,
		"API_RATE: 3\n":                                   `c\.yaml:1: .*did you mean --api-rate of farmwire run, farmwire plan\?`,
		"can ary: 3\n":                                    `c\.yaml:1: this is no flag's name`,
		"brokers: x:1\nsasl-username: \"canary\n":         `c\.yaml:\d: this is not YAML: `,
		"brokers: x:1\nsasl-username: canary: canary\n":   `c\.yaml:2: this is not YAML: `,
		"brokers: x:1\n\tsasl-username: canary\n":         `c\.yaml:2: this is not YAML: `,
		"brokers: x:1\nsasl-username: *canary\n":          `c\.yaml:\d: this is not YAML: an alias names an anchor that does not exist`,
		"brokers: x:1\nsasl-username: @canary\n":          `c\.yaml:2: this is not YAML: `,
		"canary\n":                                        `c\.yaml:1: the file must hold flag names`,
		"\n# a comment\n- canary\n":                       `c\.yaml:3: the file must hold flag names`,
		"brokers: x:1\n---\nsasl-username: canary\n":      `c\.yaml:\d: the file must hold one document`,
		"brokers: x:1\x00canary\n":                        `c\.yaml:1: this is not YAML: control characters`,
	} {
		code, said := fromFile(t, text, "run")
		if code != exitUsage || !regexp.MustCompile(`^farmwire: --config: `+want).MatchString(said) || strings.Contains(said, "canary") || strings.Count(said, "\n") != 1 {
			t.Errorf("%q: exit code %d, %q; want %q", text, code, said, want)
		}
	}
	// FARMWIRE_CONFIG may hold what ought to be in the file.
	t.Setenv("FARMWIRE_CONFIG", "sasl-username: canary\nbrokers: x:1\n")
	var out, err bytes.Buffer
	if code := execute(t.Context(), []string{"run"}, &streams{strings.NewReader(""), &out, &err}); code != exitUsage || strings.Contains(err.String(), "canary") {
		t.Errorf("exit code %d, %q", code, err.String())
	}
}

// An absent value is the default, and a flag of another command is no error.
func TestFileLeavesOut(t *testing.T) {
	for _, text := range []string{"", "# nothing\n", "null\n", "---\n", "api-rate: null\n", "api-rate:\n", "api-rate: ~\n", "page-size: 3\noutput: table\n"} {
		if code, said := fromFile(t, text, "run"); code != exitUsage || !strings.Contains(said, "--brokers is missing") {
			t.Errorf("%q: exit code %d, %q", text, code, said)
		}
	}
	if code, said := fromFile(t, "page-size: [3]\n", "sessions", "--farm", "f", "--fleet", "f", "--worker", "w"); code != exitUsage || !strings.Contains(said, "c.yaml:1: page-size: ") {
		t.Errorf("exit code %d, %q", code, said)
	}
}
