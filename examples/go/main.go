// Command go says which sessions have been open for too long, as soon as they are. It shows how a Go program reads Farmwire's
// events by package consumer, which hands out committed records only.
//
//	go run ./examples/go --brokers localhost:9092 --from 168h --limit 2h
//
// It keeps nothing: after a restart it reads from --from again, and says again what is still open. A program that sends an
// alarm, and must send it once, writes the id of the session beside the alarm, and looks there first.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"maps"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"
	"time"

	"farmwire/cluster"
	"farmwire/consumer"
	"farmwire/diff"
	"farmwire/event"
)

func main() {
	brokers := flag.String("brokers", "localhost:9092", "bootstrap brokers, separated by commas")
	prefix := flag.String("topic-prefix", "deadline.sessions", "the topic is <prefix>.events")
	from := flag.String("from", "168h", "where to begin: beginning, a duration before now, or a time")
	limit := flag.Duration("limit", 2*time.Hour, "how long a session may be open")
	flag.Parse()

	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	config := consumer.Config{Cluster: cluster.Config{Brokers: strings.Split(*brokers, ",")}, TopicPrefix: *prefix}
	if err := watch(ctx, config, *from, *limit, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// watch reads events until ctx ends.
func watch(ctx context.Context, config consumer.Config, from string, limit time.Duration, out io.Writer) error {
	position, err := consumer.ParsePosition(from, time.Now())
	if err != nil {
		return fmt.Errorf("--from: %w", err)
	}
	reader, err := consumer.Open(ctx, config, position, config.EventsTopic())
	if err != nil {
		return err
	}
	defer reader.Close()
	sessions := sessions{}
	for {
		reading, cancel := context.WithTimeout(ctx, time.Second)
		records, err := reader.Read(reading)
		cancel()
		switch {
		case ctx.Err() != nil:
			return nil // Ctrl-C
		case err != nil && !errors.Is(err, context.DeadlineExceeded):
			return err
		}
		for _, r := range records {
			e, err := r.Event()
			if errors.Is(err, event.ErrUnknown) {
				continue // a newer Farmwire has more kinds of events
			}
			if err != nil {
				return err
			}
			sessions.take(e, out)
		}
		// While old records are being read, the end of a session may be yet to come.
		if last := len(records) - 1; last < 0 || time.Since(records[last].Time) < time.Minute {
			sessions.warn(limit, out)
		}
	}
}

// sessions are the open sessions, by id.
type sessions map[string]*session

type session struct {
	diff.Session
	host string
	told bool // that it has been open for too long
}

// take follows an event.
func (all sessions) take(e event.Event, out io.Writer) {
	id := e.Session.SessionID
	switch e.Kind {
	case diff.Ended, diff.Vanished:
		// A session that vanished is over too, but nobody knows when it ended.
		if s := all[id]; s != nil && s.told {
			fmt.Fprintf(out, "%s is over (%s)\n", id, e.Kind)
		}
		delete(all, id)
	default:
		// An inferred start was not seen, but its time is exact all the same.
		s := all[id]
		if s == nil {
			s = &session{}
			all[id] = s
		}
		s.Session = e.Session
		if e.Status != nil {
			s.host = e.Status.HostName
		}
	}
}

// warn says once of each session that it has been open for too long.
func (all sessions) warn(limit time.Duration, out io.Writer) {
	for _, id := range slices.Sorted(maps.Keys(all)) {
		if s := all[id]; !s.told && time.Since(s.StartedAt) > limit {
			s.told = true
			fmt.Fprintf(out, "%s on %s has been open since %s (job %s)\n", id, s.host, s.StartedAt.Format(time.RFC3339), s.JobID)
		}
	}
}
