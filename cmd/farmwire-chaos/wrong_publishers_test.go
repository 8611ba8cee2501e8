package main

import (
	"testing"

	"farmwire/cmd/farmwire-chaos/wrong"
)

// Every wrong publisher has flags that a campaign accepts. Whether its edits fit is tested in the package wrong.
func TestWrongPublishersHaveFlags(t *testing.T) {
	all, err := wrong.Publishers()
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range all {
		c, err := parseFlags(p.Flags)
		if err == nil {
			err = c.Validate()
		}
		if err != nil {
			t.Errorf("%s: %v", p.Name, err)
		}
	}
}
