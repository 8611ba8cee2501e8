package main

import (
	"strconv"
	"strings"
	"unicode/utf8"
)

// span is a piece of a line in one style.
type span struct {
	column int // of its first character, from 0
	text   string
	style  style
}

// style is what SGR parameters have set.
type style struct {
	colour    string // #rrggbb; "" is the terminal's own
	bold, dim bool
}

// parseLine splits a line of output into spans. It knows the SGR sequences that set or reset a colour
// of the foreground, bold and dim, and drops all other escape sequences. Every character is taken to
// be one column wide.
func parseLine(line string) []span {
	var spans []span
	var now style
	column := 0
	for line != "" {
		text, rest, found := strings.Cut(line, "\x1b[")
		if text != "" {
			spans = append(spans, span{column, text, now})
			column += utf8.RuneCountInString(text)
		}
		if !found {
			break
		}
		end := strings.IndexFunc(rest, func(r rune) bool { return r >= '@' && r <= '~' })
		if end < 0 {
			break
		}
		if rest[end] == 'm' {
			now = now.with(rest[:end])
		}
		line = rest[end+1:]
	}
	return spans
}

// with returns the style after SGR parameters, as in "1" or "38;5;208".
func (s style) with(parameters string) style {
	numbers := strings.Split(parameters, ";")
	for i := 0; i < len(numbers); i++ {
		n, _ := strconv.Atoi(numbers[i]) // an empty parameter is 0
		switch {
		case n == 0:
			s = style{}
		case n == 1:
			s.bold = true
		case n == 2:
			s.dim = true
		case n == 22:
			s.bold, s.dim = false, false
		case n == 39:
			s.colour = ""
		case n >= 30 && n <= 37:
			s.colour = paletteColour(n - 30)
		case n >= 90 && n <= 97:
			s.colour = paletteColour(n - 90 + 8)
		case n == 38 && i+2 < len(numbers) && numbers[i+1] == "5":
			index, _ := strconv.Atoi(numbers[i+2])
			s.colour = paletteColour(index)
			i += 2
		}
	}
	return s
}

// paletteColour is a colour of the 256 that xterm has. The first 16 are chosen to be readable on
// the picture's background; the others are xterm's cube of 6×6×6 colours and its 24 greys.
func paletteColour(index int) string {
	ours := [...]string{
		"#6e7681", "#ff7b72", "#56d364", "#e3b341", "#79c0ff", "#d2a8ff", "#56d4dd", "#d0d7de",
		"#8b949e", "#ffa198", "#7ee787", "#f2cc60", "#a5d6ff", "#e2c5ff", "#b3f0ff", "#ffffff",
	}
	const cube, greys = 16, 232
	switch {
	case index < 0 || index > 255:
		return ""
	case index < cube:
		return ours[index]
	case index >= greys:
		level := 8 + 10*(index-greys)
		return hexColour(level, level, level)
	}
	level := func(step int) int {
		if step == 0 {
			return 0
		}
		return 55 + 40*step
	}
	index -= cube
	return hexColour(level(index/36), level(index/6%6), level(index%6))
}

func hexColour(r, g, b int) string {
	digits := strconv.FormatInt(int64(1<<24|r<<16|g<<8|b), 16)
	return "#" + digits[1:]
}
