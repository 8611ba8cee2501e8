package schema_test

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
)

// Each rule of each schema is tried: without it a wrong record is accepted, or a right one refused. So whoever removes a
// rule, or adds one that nothing tries, sees a test fail.
func TestEveryRuleIsTried(t *testing.T) {
	all := trials(t)
	groups := [][]string{{"event"}, {"coverage"}, {"state"}, {"headers"}, {"coverage headers"}, {"keys"}, {"shard keys"}}
	for name := range all {
		for i := range groups {
			if strings.HasPrefix(name, "kinds/"+groups[i][0]+"/") {
				groups[i] = append(groups[i], name)
			}
		}
	}
	for _, group := range groups {
		first := all[group[0]]
		for _, rule := range rulesOf(t, first) {
			t.Run(group[0]+rule, func(t *testing.T) {
				t.Parallel()
				without := parse(t, edit(t, first.text, rule, "-"))
				for _, name := range group {
					if differs(without, all[name]) {
						return
					}
				}
				t.Error("it can be removed, and nothing is accepted or refused that was not before")
			})
		}
	}
}

// differs reports whether a document treats the values of a trial otherwise than the schema of the trial.
func differs(document any, trial trial) bool {
	compiled, err := compileAt(document, trial.at)
	if err != nil {
		return true // something refers to what was removed
	}
	for _, value := range trial.bad {
		if compiled.Validate(value) == nil {
			return true
		}
	}
	for _, value := range trial.good {
		if compiled.Validate(value) != nil {
			return true
		}
	}
	return false
}

// rulesOf are the JSON pointers of all that accepts or refuses something in the schema of a trial: keywords, and the members
// of those that have several.
func rulesOf(t *testing.T, trial trial) (rules []string) {
	whole := parse(t, trial.text)
	at := whole
	for name := range strings.SplitSeq(strings.TrimPrefix(trial.at, "/"), "/") {
		if trial.at != "" {
			at = at.(map[string]any)[name]
		}
	}
	walk(trial.at, at, func(pointer, keyword string, at map[string]any) {
		if slices.Contains(append(annotations(), "$schema", "$id", "format"), keyword) || isForReaders(pointer, keyword, at) {
			return
		}
		below := pointer + "/" + keyword
		switch members := at[keyword].(type) {
		case []any:
			for i := range members {
				rules = append(rules, fmt.Sprint(below, "/", i))
			}
		case map[string]any:
			rules = append(rules, below)
			if namesSchemas(keyword) {
				for name := range maps.Keys(members) {
					rules = append(rules, below+"/"+name)
				}
			}
		default:
			rules = append(rules, below)
		}
	})
	slices.Sort(rules)
	return rules
}

// isForReaders reports whether a rule accepts and refuses nothing that the other rules do not. It is there for those who read
// the schema, and to give validators one reason instead of many.
func isForReaders(pointer, keyword string, at map[string]any) bool {
	isAboutValue := strings.HasSuffix(pointer, "/if") && keyword == "required" &&
		slices.Contains([]string{"[change]", "[state]", "[reason]"}, fmt.Sprint(at[keyword]))
	isAnyRecord := pointer == "" && keyword == "type" && slices.Contains([]any{"urn:farmwire:coverage:v1", "urn:farmwire:state:v1"}, at["$id"])
	isKey := pointer == "/components/schemas/sessionKey" && keyword == "type"
	return isAboutValue || isAnyRecord || isKey
}
