package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
)

// cache keeps the figures of the runs that are finished in a file of JSON lines, so that a table that was interrupted is
// resumed. It is used by one goroutine.
type cache struct {
	file  *os.File
	known map[trial]figures
}

// line is a line of the file.
type line struct {
	trial
	Figures figures `json:"figures"`
}

// openCache opens the file, which may not exist yet. A last line that was not written to its end is dropped.
func openCache(path string) (*cache, error) {
	c := &cache{known: make(map[trial]figures)}
	text, err := os.ReadFile(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("read the finished runs: %w", err)
	}
	whole := text[:bytes.LastIndexByte(text, '\n')+1]
	for n, text := range bytes.Split(bytes.TrimSpace(whole), []byte("\n")) {
		if len(text) == 0 {
			continue
		}
		var l line
		if err := json.Unmarshal(text, &l); err != nil {
			return nil, fmt.Errorf("%s, line %d: %w", path, n+1, err)
		}
		c.known[l.trial] = l.Figures
	}
	if c.file, err = os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o666); err != nil {
		return nil, fmt.Errorf("keep the finished runs: %w", err)
	}
	_, err = c.file.Seek(int64(len(whole)), io.SeekStart)
	if err := errors.Join(err, c.file.Truncate(int64(len(whole)))); err != nil {
		return nil, errors.Join(fmt.Errorf("keep the finished runs: %w", err), c.file.Close())
	}
	return c, nil
}

// add adds the figures of a run.
func (c *cache) add(r trial, f figures) error {
	text, err := json.Marshal(line{r, f})
	if err == nil {
		_, err = c.file.Write(append(text, '\n'))
	}
	if err != nil {
		return fmt.Errorf("keep the finished runs: %w", err)
	}
	c.known[r] = f
	return nil
}

// of returns the figures of a policy in a cell: the medians of its runs. It reports false if one of them is not finished.
func (c *cache) of(p policy, at cell) (figures, bool) {
	var all []figures
	for _, r := range at.runs(p) {
		f, ok := c.known[r]
		if !ok {
			return figures{}, false
		}
		all = append(all, f)
	}
	return medianOf(all), true
}
