package main

import (
	"bytes"
	"encoding/xml"
	"fmt"
	"strings"
	"unicode/utf8"
)

// The layout in pixels. A character has a cell of its own, so the layout does not depend on the
// font that a reader has.
const (
	cellWidth  = 8
	lineHeight = 17
	margin     = 14
	fontSize   = 13
	baseline   = 13 // of a line's text, from the line's top
)

// The picture has its own dark background, so that it looks the same on a dark and on a light page.
const (
	background = "#0d1117"
	foreground = "#e6edf3"
	dimmed     = "#8b949e"
)

// draw makes an SVG of the lines of a terminal, as wide as the longest of them. Vertical lines and their crossings are drawn as
// strokes, which join from line to line in any font; everything else is text.
func draw(screen [][]span) []byte {
	c := canvas{strokes: map[string]*strings.Builder{}}
	width := 0
	for row, spans := range screen {
		for _, s := range spans {
			c.span(row, s)
			width = max(width, s.column+utf8.RuneCountInString(s.text))
		}
	}
	w, h := width*cellWidth+2*margin, len(screen)*lineHeight+2*margin
	var out bytes.Buffer
	fmt.Fprintf(&out, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" width="%d" height="%d" role="img" aria-label="The demo of Farmwire in a terminal">`+"\n", w, h, w, h)
	fmt.Fprintf(&out, `<rect width="%d" height="%d" rx="8" fill="%s"/>`+"\n", w, h, background)
	for _, colour := range c.colours { // in order of appearance
		fmt.Fprintf(&out, `<path fill="none" stroke="%s" stroke-width="1.5" d="%s"/>`+"\n", colour, c.strokes[colour])
	}
	fmt.Fprintf(&out, `<g font-family="ui-monospace,SFMono-Regular,Menlo,Consolas,monospace" font-size="%d" fill="%s" xml:space="preserve">`+"\n", fontSize, foreground)
	out.Write(c.text.Bytes())
	out.WriteString("</g>\n</svg>\n")
	return out.Bytes()
}

// canvas collects what draw writes.
type canvas struct {
	text    bytes.Buffer
	colours []string
	strokes map[string]*strings.Builder // by colour
}

// span draws the strokes of a span, and its words as text.
func (c *canvas) span(row int, s span) {
	var word strings.Builder
	column, begun := s.column, s.column
	flush := func() {
		c.word(row, begun, word.String(), s.style)
		word.Reset()
	}
	for _, r := range s.text {
		path := strokeOf(r)
		if path != "" {
			flush()
			c.stroke(row, column, path, s.style)
		} else {
			if word.Len() == 0 {
				begun = column
			}
			word.WriteRune(r)
		}
		column++
	}
	flush()
}

// word writes text that begins in a column. Two blanks or more separate words, because each word
// is put into its own columns.
func (c *canvas) word(row, column int, text string, s style) {
	for text != "" {
		trimmed := strings.TrimLeft(text, " ")
		column += len(text) - len(trimmed)
		word, rest, found := strings.Cut(trimmed, "  ")
		if word = strings.TrimRight(word, " "); word == "" {
			return
		}
		c.write(row, column, word, s)
		if !found {
			return
		}
		n := len(trimmed) - len(rest)
		column += utf8.RuneCountInString(trimmed[:n])
		text = rest
	}
}

func (c *canvas) write(row, column int, word string, s style) {
	attributes := ""
	if colour := s.shown(); colour != foreground {
		attributes += ` fill="` + colour + `"`
	}
	if s.bold {
		attributes += ` font-weight="bold"`
	}
	n := utf8.RuneCountInString(word)
	if n > 1 { // whatever the font, the word is as wide as its cells
		attributes += fmt.Sprintf(` textLength="%d"`, n*cellWidth)
	}
	fmt.Fprintf(&c.text, `<text x="%d" y="%d"%s>`, margin+column*cellWidth, margin+row*lineHeight+baseline, attributes)
	_ = xml.EscapeText(&c.text, []byte(word)) // a buffer takes everything
	c.text.WriteString("</text>\n")
}

// stroke adds a path, which is relative to the middle of a cell's top.
func (c *canvas) stroke(row, column int, path string, s style) {
	colour := s.shown()
	if c.strokes[colour] == nil {
		c.strokes[colour] = &strings.Builder{}
		c.colours = append(c.colours, colour)
	}
	fmt.Fprintf(c.strokes[colour], "M%d %d%s", margin+column*cellWidth+cellWidth/2, margin+row*lineHeight, path)
}

// shown is the colour in which a style is drawn.
func (s style) shown() string {
	switch {
	case s.colour != "":
		return s.colour
	case s.dim:
		return dimmed
	}
	return foreground
}

// strokeOf is the path of a character that is drawn and not written, "" for any other. A cell is 8
// wide and 17 high.
func strokeOf(r rune) string {
	switch r {
	case '│':
		return "v17"
	case '─':
		return "m-4 8h8"
	case '┬':
		return "m-3 8h6m-3 0v9"
	case '╤':
		return "m-3 6h6m-6 3h6m-3 0v8"
	case '┼':
		return "v17m-3-9h6"
	case '┴':
		return "v8m-3 0h6"
	}
	return ""
}
