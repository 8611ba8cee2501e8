package schema_test

import (
	"fmt"
	"maps"
	"reflect"
	"slices"
)

// breaks returns what breaks someone's program if a published schema becomes the present one, one line each.
//
// A program may rely on what the published schema says of a record, whether it validates records, or was generated from it. And
// records that were published before stay in their topics, so the present schema must accept them. So everything that
// accepts or refuses something has to stay as it is, and only this may be added: members, which are optional, definitions, and
// laws about members or values that the published schema does not know. Titles, descriptions, comments and examples may
// change.
func breaks(published, present any) []string {
	c := comparison{known: map[string]bool{}}
	collect(published, c.known)
	c.schemas("", published, present)
	return c.found
}

type comparison struct {
	known map[string]bool // names of members and values, anywhere in the published schema
	found []string
}

func (c *comparison) add(pointer, format string, args ...any) {
	c.found = append(c.found, pointer+" "+fmt.Sprintf(format, args...))
}

// schemas compares two schemas that are at the same JSON pointer.
func (c *comparison) schemas(pointer string, published, present any) {
	was, isObject := published.(map[string]any)
	is, isStillObject := present.(map[string]any)
	if !isObject || !isStillObject {
		if !reflect.DeepEqual(published, present) {
			c.add(pointer, "has changed")
		}
		return
	}
	keywords := maps.Clone(was)
	maps.Copy(keywords, is)
	for _, keyword := range slices.Sorted(maps.Keys(keywords)) {
		if !slices.Contains(annotations(), keyword) {
			c.keyword(pointer+"/"+keyword, keyword, was, is)
		}
	}
}

// keyword compares one keyword of two schemas.
func (c *comparison) keyword(pointer, keyword string, published, present map[string]any) {
	was, hadIt := published[keyword]
	is, hasIt := present[keyword]
	switch {
	case namesSchemas(keyword):
		c.names(pointer, was, is)
	case keyword == "allOf":
		c.laws(pointer, was, is)
	case !hasIt:
		c.add(pointer, "is gone, and consumers rely on it")
	case !hadIt:
		c.add(pointer, "is new, and records that were published may break it")
	case slices.Contains([]string{"then", "items", "additionalProperties"}, keyword):
		c.schemas(pointer, was, is)
	case slices.Contains([]string{"required", "type", "enum"}, keyword):
		c.sets(pointer, was, is)
	case !reflect.DeepEqual(bare(was), bare(is)):
		c.add(pointer, "has changed")
	}
}

// names compares the values of properties or $defs.
func (c *comparison) names(pointer string, published, present any) {
	was, _ := published.(map[string]any)
	is, _ := present.(map[string]any)
	for _, name := range slices.Sorted(maps.Keys(was)) {
		if s, ok := is[name]; ok {
			c.schemas(pointer+"/"+name, was[name], s)
		} else {
			c.add(pointer+"/"+name, "is gone, and consumers rely on it")
		}
	}
}

// laws compares the values of allOf. What was added must be at the end.
func (c *comparison) laws(pointer string, published, present any) {
	was, _ := published.([]any)
	is, _ := present.([]any)
	for i := range max(len(was), len(is)) {
		at := fmt.Sprint(pointer, "/", i)
		switch {
		case i >= len(is):
			c.add(at, "is gone, and consumers rely on it")
		case i < len(was):
			c.schemas(at, was[i], is[i])
		case !c.isNews(is[i]):
			c.add(at, "is new, and records that were published may break it")
		}
	}
}

// sets compares values of which the order does not matter.
func (c *comparison) sets(pointer string, published, present any) {
	was, is := set(published), set(present)
	for _, member := range is {
		if !slices.Contains(was, member) {
			c.add(pointer, "has %s, and did not", member)
		}
	}
	for _, member := range was {
		if !slices.Contains(is, member) {
			c.add(pointer, "has not %s, and did", member)
		}
	}
}

// set returns the elements of an array, or the only value that there is instead of one.
func set(value any) (members []string) {
	all, ok := value.([]any)
	if !ok {
		all = []any{value}
	}
	for _, member := range all {
		members = append(members, fmt.Sprint(member))
	}
	return members
}

// isNews reports whether a law can apply only to records of which the published schema knows nothing: its condition demands a
// member, or a value of a member, that the published schema does not name.
func (c *comparison) isNews(law any) bool {
	whole, _ := law.(map[string]any)
	condition, _ := whole["if"].(map[string]any)
	if whole["else"] != nil {
		return false
	}
	required, _ := condition["required"].([]any)
	properties, _ := condition["properties"].(map[string]any)
	return slices.ContainsFunc(required, func(name any) bool {
		if !c.known[fmt.Sprint(name)] {
			return true
		}
		property, _ := properties[fmt.Sprint(name)].(map[string]any)
		value, ok := property["const"]
		return ok && !c.known[fmt.Sprint(value)]
	})
}

// collect notes the names of all members, and all values, that a schema has.
func collect(schema any, known map[string]bool) {
	walk("", schema, func(_, keyword string, at map[string]any) {
		switch value := at[keyword].(type) {
		case map[string]any:
			if keyword == "properties" {
				for name := range value {
					known[name] = true
				}
			}
		case []any:
			if keyword == "required" || keyword == "enum" {
				for _, name := range value {
					known[fmt.Sprint(name)] = true
				}
			}
		default:
			if keyword == "const" {
				known[fmt.Sprint(value)] = true
			}
		}
	})
}

// bare is a schema, or an array of schemas, without its annotations.
func bare(value any) any {
	switch value := value.(type) {
	case []any:
		all := make([]any, len(value))
		for i := range value {
			all[i] = bare(value[i])
		}
		return all
	case map[string]any:
		all := map[string]any{}
		for keyword, v := range value {
			named, _ := v.(map[string]any)
			switch {
			case slices.Contains(annotations(), keyword):
			case namesSchemas(keyword):
				schemas := map[string]any{}
				for name, s := range named {
					schemas[name] = bare(s)
				}
				all[keyword] = schemas
			default:
				all[keyword] = bare(v)
			}
		}
		return all
	}
	return value
}
