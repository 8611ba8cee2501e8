package schema_test

import (
	"fmt"
	"maps"
	"slices"
)

// annotations are the keywords of a schema that neither accept nor refuse anything.
func annotations() []string { return []string{"title", "description", "$comment", "examples"} }

// maps of names to schemas, and arrays of schemas, as values of a schema's keywords.
func namesSchemas(keyword string) bool { return keyword == "properties" || keyword == "$defs" }
func listsSchemas(keyword string) bool { return keyword == "allOf" || keyword == "anyOf" }
func holdsOneSchema(keyword string) bool {
	return slices.Contains([]string{"if", "then", "not", "items", "additionalProperties"}, keyword)
}

// walk calls visit for each keyword of a schema and of all schemas in it, with the JSON pointer of the schema that has it.
func walk(pointer string, schema any, visit func(pointer, keyword string, at map[string]any)) {
	at, ok := schema.(map[string]any)
	if !ok {
		return // true or false
	}
	for _, keyword := range slices.Sorted(maps.Keys(at)) {
		visit(pointer, keyword, at)
		below := pointer + "/" + keyword
		switch {
		case namesSchemas(keyword):
			for name, s := range at[keyword].(map[string]any) {
				walk(below+"/"+name, s, visit)
			}
		case listsSchemas(keyword):
			for i, s := range at[keyword].([]any) {
				walk(fmt.Sprint(below, "/", i), s, visit)
			}
		case holdsOneSchema(keyword):
			walk(below, at[keyword], visit)
		}
	}
}
