package main

import (
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
}

func (*fileResolver) Validate(*kong.Application) error { return nil }

func (r *fileResolver) Resolve(ctx *kong.Context, _ *kong.Path, flag *kong.Flag) (any, error) {
	if !r.loaded {
		if err := r.load(ctx); err != nil {
			return nil, err
		}
		r.loaded = true
	}
	if slices.ContainsFunc(flag.Envs, isSet) {
		return nil, nil // the environment beats the file
	}
	return r.values[flag.Name], nil
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
	if err := yaml.Unmarshal(text, &r.values); err != nil {
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
