package main

import (
	"errors"
	"fmt"
	"os"
	"slices"

	"github.com/alecthomas/kong"
	"go.yaml.in/yaml/v3"
)

// fileResolver gives flags their values from the YAML file that --config names. It is read when the first
// flag asks, because the file's name is itself a flag or an environment variable.
type fileResolver struct {
	loaded bool
	values map[string]any
	err    error // why the file gave nothing; kong would put the name of the flag that asked before it
}

func (*fileResolver) Validate(*kong.Application) error { return nil }

func (r *fileResolver) Resolve(ctx *kong.Context, _ *kong.Path, flag *kong.Flag) (any, error) {
	if !r.loaded {
		r.loaded = true
		if err := r.load(ctx); err != nil {
			r.err = fmt.Errorf("--config: %w", err)
		}
	}
	if r.err != nil {
		return nil, r.err
	}
	if slices.ContainsFunc(flag.Envs, isSet) {
		return nil, nil // the environment beats the file
	}
	value, err := asTyped(r.values[flag.Name])
	if err != nil {
		r.err = fmt.Errorf("--config: %s: %w", flag.Name, err)
	}
	return value, r.err
}

// asTyped makes of a value what would stand on the command line, so that a number is read by the same rules: 15 is
// no duration, and 7 is a name.
func asTyped(value any) (any, error) {
	switch v := value.(type) {
	case nil:
		return nil, nil
	case []any:
		texts := make([]any, 0, len(v))
		for _, element := range v {
			text, err := asTyped(element)
			if _, ok := text.(string); !ok || err != nil {
				return nil, errors.New("a list holds single values only")
			}
			texts = append(texts, text)
		}
		return texts, nil
	case map[string]any, map[any]any:
		return nil, errors.New("the value must be a single one or a list")
	}
	return fmt.Sprint(value), nil
}

func (r *fileResolver) load(ctx *kong.Context) error {
	i := slices.IndexFunc(ctx.Model.Flags, func(f *kong.Flag) bool { return f.Name == "config" })
	path, _ := ctx.FlagValue(ctx.Model.Flags[i]).(string)
	if path == "" {
		return nil
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	var wrong *yaml.TypeError
	switch err := yaml.Unmarshal(text, &r.values); {
	case errors.As(err, &wrong):
		return fmt.Errorf("%s must hold flag names and values, as in \"api-rate: 5\"", path)
	case err != nil:
		return fmt.Errorf("read %s: %w", path, err)
	}
	known := flagNames(ctx.Model.Node)
	for key := range r.values {
		if !known[key] {
			return fmt.Errorf("read %s: there is no flag --%s", path, key)
		}
	}
	return nil
}

// flagNames lists the flags of a command and of those below it.
func flagNames(node *kong.Node) map[string]bool {
	names := map[string]bool{}
	for _, flag := range node.Flags {
		names[flag.Name] = true
	}
	for _, child := range node.Children {
		for name := range flagNames(child) {
			names[name] = true
		}
	}
	return names
}

func isSet(name string) bool {
	_, ok := os.LookupEnv(name)
	return ok
}
