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

// parseYAML gives the mapping that a file holds; an empty file has none. An error begins with the line's number.
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

// syntaxError says where a file is no YAML, and what the parser wanted, in its fixed words. Where it may quote the
// file (it names an unknown anchor), its words are not used.
func syntaxError(err error) error {
	line, problem := "1", strings.TrimPrefix(err.Error(), "yaml: ")
	if m := regexp.MustCompile(`^line (\d+): (.*)$`).FindStringSubmatch(problem); m != nil {
		line, problem = m[1], m[2]
	}
	if strings.Contains(problem, "anchor") {
		problem = "an alias names an anchor that is not there"
	}
	return fmt.Errorf("%s: this is no YAML: %s", line, problem)
}

// flagCommands lists the flags of a command and of those below it, with the commands that have them.
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

// suggestion names the flag that was perhaps meant, and the commands that have it.
func suggestion(name string, known map[string][]string) string {
	const far, longest = 3, 40 // slips of the fingers; letters of a name
	best, nearest := far, ""
	if len(name) > longest {
		name = ""
	}
	for _, flag := range slices.Sorted(maps.Keys(known)) {
		if strings.HasPrefix(flag, name+"-") && nearest == "" {
			nearest = flag // as sasl-password for sasl-password-file
		}
		if d := distance(strings.ReplaceAll(strings.ToLower(name), "_", "-"), flag); d < best && d < len(flag)-1 {
			best, nearest = d, flag
		}
	}
	if nearest == "" {
		return "; farmwire --help lists the commands, and their --help the flags"
	}
	return fmt.Sprintf("; did you mean --%s of %s?", nearest, strings.Join(known[nearest], ", "))
}

// distance is the number of letters to insert, delete, replace, or exchange with the next, that makes b of a.
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
