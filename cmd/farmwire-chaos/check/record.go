package check

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
)

// Separators in what the console consumer prints. JSON escapes both, so neither is part of a value.
const (
	columnSeparator = "\t"
	headerSeparator = "\x1e"
)

// record is one line that the console consumer printed, with timestamp, partition, offset, headers, key and value.
type record struct {
	timestamp int64 // ms
	partition int
	offset    int64
	headers   string // as printed
	key       string
	value     string
	null      bool // a tombstone
}

// endOfRecords is what the console consumer prints, before a stack trace, when no record came for its timeout.
const endOfRecords = "ERROR Error processing message, terminating consumer process"

// eachRecord calls f for every record in the order of the file. The offsets of a partition must rise.
func eachRecord(r io.Reader, f func(record)) error {
	lines := bufio.NewReaderSize(r, 1<<20)
	last := map[int]int64{}
	for n := 1; ; n++ {
		line, err := lines.ReadString('\n')
		if err == io.EOF && line == "" {
			return nil
		}
		if err != nil && err != io.EOF {
			return err
		}
		if !strings.HasPrefix(line, "CreateTime:") && strings.Contains(line, endOfRecords) {
			return nil
		}
		rec, err := parseRecord(strings.TrimSuffix(line, "\n"))
		if err != nil {
			return fmt.Errorf("line %d: %w", n, err)
		}
		if before, known := last[rec.partition]; known && rec.offset <= before {
			return fmt.Errorf("line %d: offset %d of partition %d after %d", n, rec.offset, rec.partition, before)
		}
		last[rec.partition] = rec.offset
		f(rec)
	}
}

func parseRecord(line string) (record, error) {
	columns := strings.SplitN(line, columnSeparator, 6)
	if len(columns) != 6 {
		return record{}, errors.New("a record has six columns between tabs: timestamp, partition, offset, headers, key and value")
	}
	r := record{headers: columns[3], key: columns[4], value: columns[5], null: columns[5] == "null"}
	var err error
	for _, c := range []struct {
		text, name string
		to         *int64
	}{{columns[0], "CreateTime", &r.timestamp}, {columns[2], "Offset", &r.offset}} {
		if *c.to, err = number(c.text, c.name); err != nil {
			return r, err
		}
	}
	partition, err := number(columns[1], "Partition")
	r.partition = int(partition)
	return r, err
}

func number(column, name string) (int64, error) {
	text, ok := strings.CutPrefix(column, name+":")
	if !ok {
		return 0, fmt.Errorf("no %s in %q", name, column)
	}
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		return 0, fmt.Errorf("%s: %w", name, err)
	}
	return n, nil
}

// headerMap splits printed headers. It returns false if a name comes twice.
func headerMap(printed string) (map[string]string, bool) {
	headers := map[string]string{}
	if printed == "NO_HEADERS" {
		return headers, true
	}
	for h := range strings.SplitSeq(printed, headerSeparator) {
		name, value, _ := strings.Cut(h, ":")
		if _, twice := headers[name]; twice {
			return headers, false
		}
		headers[name] = value
	}
	return headers, true
}
