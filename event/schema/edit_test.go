package schema_test

import (
	"encoding/json"
	"strconv"
	"strings"
	"testing"
)

// edit returns a JSON text after edits: pairs of a JSON pointer and the value that it leads to from then on. The value "-"
// removes the member or the element, and a pointer that ends with a hyphen appends to an array.
func edit[T string | []byte](t testing.TB, text T, edits ...string) string {
	t.Helper()
	document := parse(t, string(text))
	for i := 0; i < len(edits); i += 2 {
		document = edited(t, document, edits[i], edits[i+1])
	}
	out, err := json.Marshal(document)
	if err != nil {
		t.Fatal(err)
	}
	return string(out)
}

func edited(t testing.TB, document any, pointer, value string) any {
	t.Helper()
	if pointer == "" {
		return parse(t, value)
	}
	head, rest, _ := strings.Cut(pointer[1:], "/")
	if rest != "" || strings.HasSuffix(pointer[1:], "/") {
		rest = "/" + rest
	}
	name := strings.NewReplacer("~1", "/", "~0", "~").Replace(head)
	isRemoved := rest == "" && value == "-"
	switch at := document.(type) {
	case map[string]any:
		if _, ok := at[name]; isRemoved && !ok {
			t.Fatalf("%s removes nothing", pointer)
		} else if isRemoved {
			delete(at, name)
		} else {
			at[name] = edited(t, at[name], rest, value)
		}
		return at
	case []any:
		if name == "-" {
			return append(at, edited(t, nil, rest, value))
		}
		i, err := strconv.Atoi(name)
		if err != nil || i >= len(at) {
			t.Fatalf("%s leads nowhere", pointer)
		}
		if isRemoved {
			return append(at[:i:i], at[i+1:]...)
		}
		at[i] = edited(t, at[i], rest, value)
		return at
	}
	t.Fatalf("%s leads nowhere", pointer)
	return nil
}
