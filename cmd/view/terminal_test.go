package view_test

import (
	"io"
	"testing"

	"farmwire/cmd/view"
)

func TestWithoutTerminal(t *testing.T) {
	for _, c := range []struct {
		forced, columns string
		colour          bool
		width           int
	}{
		{"", "", false, 128},
		{"0", "0", false, 128},
		{"1", "90", true, 90},
	} {
		t.Setenv("CLICOLOR_FORCE", c.forced)
		t.Setenv("COLUMNS", c.columns)
		if colour, width := view.HasColour(io.Discard), view.Width(io.Discard); colour != c.colour || width != c.width {
			t.Errorf("%+v: got %v, %d", c, colour, width)
		}
	}
}
