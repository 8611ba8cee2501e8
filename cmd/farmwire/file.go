package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/alecthomas/kong"
	"go.yaml.in/yaml/v3"
)

// fileResolver gives flags their values from the YAML file that --config names. It reads the file when kong asks for the
// first flag, because the name of the file is itself the value of a flag or of an environment variable. Its errors give the
// line in the file and never quote its text, because somebody may have put a secret in the wrong place.
type fileResolver struct {
	loaded bool
	path   string
	values map[string]*yaml.Node // by the name of the flag
	err    error                 // the first error, kept because kong's error begins with the flag that it asked for
}

// Validate accepts every grammar; kong requires the method.
func (*fileResolver) Validate(*kong.Application) error { return nil }

// Resolve returns the value of a flag as kong would read it from the command line, and nil if the file does not set it.
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
	node := r.values[flag.Name]
	if node == nil || slices.ContainsFunc(flag.Envs, isSet) {
		return nil, nil // the environment beats the file
	}
	value, err := asText(node)
	if err == nil && value != nil {
		err = checkValue(flag, value)
	}
	if err != nil {
		r.err = fmt.Errorf("--config: %s:%d: %s: %w", r.path, node.Line, flag.Name, err)
	}
	return value, r.err
}

// asText returns a value, or a list of values, as the text in the file. YAML's types do not count, as on the command line:
// a name that consists of digits is a name, and 15 is not a duration. A null is the same as no value.
func asText(node *yaml.Node) (any, error) {
	node = resolveAlias(node)
	switch {
	case node.ShortTag() == "!!null":
		return nil, nil
	case node.Kind == yaml.ScalarNode:
		return node.Value, nil
	case node.Kind != yaml.SequenceNode:
		return nil, errors.New("the value must be a single one or a list")
	}
	texts := make([]any, 0, len(node.Content))
	for _, element := range node.Content {
		element = resolveAlias(element)
		if element.Kind != yaml.ScalarNode || element.ShortTag() == "!!null" {
			return nil, errors.New("a list holds single values only")
		}
		texts = append(texts, element.Value)
	}
	return texts, nil
}

// resolveAlias returns the node that an alias stands for, and any other node itself.
func resolveAlias(node *yaml.Node) *yaml.Node {
	if node.Kind == yaml.AliasNode {
		return node.Alias
	}
	return node
}

// checkValue reports whether a flag takes a value. It decodes the value as kong would, because kong's own error quotes it.
func checkValue(flag *kong.Flag, value any) error {
	text, single := value.(string)
	if single && flag.Enum != "" && !slices.Contains(flag.EnumSlice(), text) {
		return fmt.Errorf("the value must be one of %s", strings.Join(flag.EnumSlice(), ", "))
	}
	if !single && flag.Target.Kind() != reflect.Slice {
		return errors.New("the value must be a single one")
	}
	scratch := reflect.New(flag.Target.Type()).Elem()
	if scratch.Kind() == reflect.Pointer {
		scratch.Set(reflect.New(scratch.Type().Elem()))
	}
	if flag.Mapper.Decode(&kong.DecodeContext{Value: flag.Value, Scan: kong.Scan().PushTyped(value, kong.FlagValueToken)}, scratch) == nil {
		if own, ok := scratch.Interface().(interface{ problem() string }); ok && own.problem() != "" {
			return errors.New("the value " + own.problem())
		}
		return nil
	}
	switch kind := reflect.Indirect(scratch).Kind(); {
	case scratch.Type() == reflect.TypeFor[time.Duration]():
		return errors.New("the value must be a duration with its unit, for example 15s")
	case kind == reflect.Bool:
		return errors.New("the value must be true or false")
	case kind == reflect.Int:
		return errors.New("the value must be a whole number, in decimal digits")
	case kind == reflect.Float64:
		return errors.New("the value must be a number")
	}
	return errors.New("the value must be a single one")
}

// load reads the file, if there is one.
func (r *fileResolver) load(ctx *kong.Context) error {
	i := slices.IndexFunc(ctx.Model.Flags, func(f *kong.Flag) bool { return f.Name == "config" })
	r.path, _ = ctx.FlagValue(ctx.Model.Flags[i]).(string)
	if r.path == "" {
		return nil
	}
	text, err := os.ReadFile(r.path)
	if wrong, ok := errors.AsType[*fs.PathError](err); ok {
		if !strings.HasSuffix(r.path, ".yaml") && !strings.HasSuffix(r.path, ".yml") || strings.Contains(r.path, "\n") {
			return fmt.Errorf("it must name a YAML file: %w", wrong.Err) // the path is not quoted, because it may be a secret
		}
		return fmt.Errorf("%s %s: %w", wrong.Op, r.path, wrong.Err)
	}
	if err != nil {
		return err
	}
	top, err := parseYAML(text)
	if err != nil {
		return fmt.Errorf("%s:%w", r.path, err)
	}
	return r.store(ctx.Model.Node, top)
}

// store stores the values by the names of their flags. It refuses keys that are no flags of any command.
func (r *fileResolver) store(commands *kong.Node, top *yaml.Node) error {
	known := flagCommands(commands)
	r.values = map[string]*yaml.Node{}
	for i := 0; i+1 < len(top.Content); i += 2 {
		key, value := top.Content[i], top.Content[i+1]
		name := resolveAlias(key).Value
		if name == "config" || name == "help" {
			return fmt.Errorf("%s:%d: --%s cannot be set in the file", r.path, key.Line, name)
		}
		if _, ok := known[name]; !ok {
			if !regexp.MustCompile(`^[A-Za-z][A-Za-z0-9_-]{0,39}$`).MatchString(name) {
				return fmt.Errorf("%s:%d: this is no flag's name", r.path, key.Line) // not quoted, because it may be a secret
			}
			return fmt.Errorf("%s:%d: there is no flag --%s%s", r.path, key.Line, name, suggestion(name, known))
		}
		if first := r.values[name]; first != nil {
			return fmt.Errorf("%s:%d: %s is set twice, first in line %d", r.path, key.Line, name, first.Line)
		}
		value.Line = key.Line // errors give this line even if the value begins on the next one
		r.values[name] = value
	}
	return nil
}

// isSet reports whether there is an environment variable of that name.
func isSet(name string) bool {
	_, ok := os.LookupEnv(name)
	return ok
}
