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

// fileResolver gives flags their values from the YAML file that --config names. It is read when the first
// flag asks, because the file's name is itself a flag or an environment variable. Its errors name the place in
// the file, and never what stands there: the file may hold a secret where it does not belong.
type fileResolver struct {
	loaded bool
	path   string
	values map[string]*yaml.Node
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
	node := r.values[flag.Name]
	if node == nil || slices.ContainsFunc(flag.Envs, isSet) {
		return nil, nil // the environment beats the file
	}
	value, err := asTyped(node)
	if err == nil && value != nil {
		err = fits(flag, value)
	}
	if err != nil {
		r.err = fmt.Errorf("--config: %s:%d: %s: %w", r.path, node.Line, flag.Name, err)
	}
	return value, r.err
}

// asTyped makes of a value what would stand on the command line: the text as it is written, so that a name of
// digits stays the name, and 15 is no duration. What YAML calls null is absent.
func asTyped(node *yaml.Node) (any, error) {
	node = pointed(node)
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
		element = pointed(element)
		if element.Kind != yaml.ScalarNode || element.ShortTag() == "!!null" {
			return nil, errors.New("a list holds single values only")
		}
		texts = append(texts, element.Value)
	}
	return texts, nil
}

// pointed follows an alias.
func pointed(node *yaml.Node) *yaml.Node {
	if node.Kind == yaml.AliasNode {
		return node.Alias
	}
	return node
}

// fits tries whether a flag takes a value. Kong's own error would quote it.
func fits(flag *kong.Flag, value any) error {
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

func (r *fileResolver) load(ctx *kong.Context) error {
	i := slices.IndexFunc(ctx.Model.Flags, func(f *kong.Flag) bool { return f.Name == "config" })
	r.path, _ = ctx.FlagValue(ctx.Model.Flags[i]).(string)
	if r.path == "" {
		return nil
	}
	text, err := os.ReadFile(r.path)
	if wrong, ok := errors.AsType[*fs.PathError](err); ok {
		if !strings.HasSuffix(r.path, ".yaml") && !strings.HasSuffix(r.path, ".yml") || strings.Contains(r.path, "\n") {
			return fmt.Errorf("it must name a YAML file: %w", wrong.Err) // it may be a secret in the wrong place
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
	return r.take(ctx.Model.Node, top)
}

// take takes in the keys and their values.
func (r *fileResolver) take(commands *kong.Node, top *yaml.Node) error {
	known := flagCommands(commands)
	r.values = map[string]*yaml.Node{}
	for i := 0; i+1 < len(top.Content); i += 2 {
		key, value := top.Content[i], top.Content[i+1]
		name := pointed(key).Value
		if name == "config" || name == "help" {
			return fmt.Errorf("%s:%d: --%s has no place in the file", r.path, key.Line, name)
		}
		if _, ok := known[name]; !ok {
			if !regexp.MustCompile(`^[A-Za-z][A-Za-z0-9_-]{0,39}$`).MatchString(name) {
				return fmt.Errorf("%s:%d: this is no flag's name", r.path, key.Line) // nor is it known what it is
			}
			return fmt.Errorf("%s:%d: there is no flag --%s%s", r.path, key.Line, name, suggestion(name, known))
		}
		if first := r.values[name]; first != nil {
			return fmt.Errorf("%s:%d: %s stands in the file twice, first in line %d", r.path, key.Line, name, first.Line)
		}
		value.Line = key.Line // where a reader looks, also if the value begins on the next line
		r.values[name] = value
	}
	return nil
}

func isSet(name string) bool {
	_, ok := os.LookupEnv(name)
	return ok
}
