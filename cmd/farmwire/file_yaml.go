package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/alecthomas/kong"
	"go.yaml.in/yaml/v3"
)

// parseYAML returns the mapping that a file holds, which is empty for an empty file. Its errors begin with the number of
// the line.
func parseYAML(text []byte) (*yaml.Node, error) {
	decoder := yaml.NewDecoder(bytes.NewReader(text))
	var document, second yaml.Node
	switch err := decoder.Decode(&document); {
	case errors.Is(err, io.EOF):
		return &yaml.Node{}, nil
	case err != nil:
		return nil, syntaxError(err)
	}
	top := document.Content[0]
	if top.ShortTag() == "!!null" {
		return &yaml.Node{}, nil
	}
	if top.Kind != yaml.MappingNode {
		return nil, fmt.Errorf("%d: the file must hold flag names and values, as in \"api-rate: 5\"", top.Line)
	}
	switch err := decoder.Decode(&second); {
	case errors.Is(err, io.EOF):
		return top, nil
	case err != nil:
		return nil, syntaxError(err)
	}
	return nil, fmt.Errorf("%d: the file must hold one document, and another begins here", second.Line)
}

// syntaxError returns the line at which a file is not YAML, and what the parser says about it. The parser's messages are
// constants, except that it quotes the name of an unknown anchor, which is left out.
func syntaxError(err error) error {
	line, problem := "1", strings.TrimPrefix(err.Error(), "yaml: ")
	if m := regexp.MustCompile(`^line (\d+): (.*)$`).FindStringSubmatch(problem); m != nil {
		line, problem = m[1], m[2]
	}
	if strings.Contains(problem, "anchor") {
		problem = "an alias names an anchor that does not exist"
	}
	return fmt.Errorf("%s: this is not YAML: %s", line, problem)
}

// flagCommands returns the names of all flags of a command and of its subcommands, each with the commands that have it.
func flagCommands(node *kong.Node) map[string][]string {
	all := map[string][]string{}
	for _, flag := range node.Flags {
		all[flag.Name] = []string{node.FullPath()}
	}
	for _, child := range node.Children {
		for name, commands := range flagCommands(child) {
			all[name] = append(all[name], commands...)
		}
	}
	return all
}

// suggestion returns the end of an error about an unknown flag: which flag was probably meant and which commands have it,
// or else how to list the flags.
func suggestion(name string, known map[string][]string) string {
	const tooFar, longest = 3, 40 // typing errors; characters of a name that is compared
	best, nearest := tooFar, ""
	if len(name) > longest {
		name = ""
	}
	for _, flag := range slices.Sorted(maps.Keys(known)) {
		if strings.HasPrefix(flag, name+"-") && nearest == "" {
			nearest = flag // such as sasl-password-file for sasl-password
		}
		if d := distance(strings.ReplaceAll(strings.ToLower(name), "_", "-"), flag); d < best && d < len(flag)-1 {
			best, nearest = d, flag
		}
	}
	if nearest == "" {
		return "; farmwire --help lists the commands, and the --help of each lists its flags"
	}
	return fmt.Sprintf("; did you mean --%s of %s?", nearest, strings.Join(withoutSubcommands(known[nearest]), ", "))
}

// withoutSubcommands shortens command lines to the program and the first command: farmwire topics for farmwire topics check.
func withoutSubcommands(commands []string) []string {
	var short []string
	for _, command := range commands {
		words := strings.Fields(command)
		short = append(short, strings.Join(words[:min(2, len(words))], " "))
	}
	return slices.Compact(short)
}

// distance returns how many letters must be inserted, deleted, replaced or swapped with their neighbour to turn a into b:
// the optimal string alignment distance.
func distance(a, b string) int {
	rows := make([][]int, len(a)+1)
	for i := range rows {
		rows[i] = make([]int, len(b)+1)
		rows[i][0] = i
		for j := range b {
			if i == 0 {
				rows[0][j+1] = j + 1
				continue
			}
			cost := 1
			if a[i-1] == b[j] {
				cost = 0
			}
			rows[i][j+1] = min(rows[i-1][j]+cost, rows[i-1][j+1]+1, rows[i][j]+1)
			if i > 1 && j > 0 && a[i-1] == b[j-1] && a[i-2] == b[j] {
				rows[i][j+1] = min(rows[i][j+1], rows[i-2][j-1]+1)
			}
		}
	}
	return rows[len(a)][len(b)]
}
