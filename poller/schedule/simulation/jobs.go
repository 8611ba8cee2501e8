package simulation

import (
	"cmp"
	"slices"
	"strconv"
	"time"

	"farmwire/poller/schedule"
)

// addToJob adds a session to those of its job. They are in the order of their starts.
func (w *world) addToJob(s *session) {
	key := schedule.Job{FarmID: s.worker.key.FarmID, QueueID: s.queue, JobID: s.job}
	all := w.ofJob[key]
	w.ofJob[key] = slices.Insert(all, startedUntil(all, s.start), s)
}

// startedUntil returns how many of a job's sessions had started at that time.
func startedUntil(all []*session, at time.Duration) int {
	n, _ := slices.BinarySearchFunc(all, at, func(s *session, at time.Duration) int {
		return cmp.Or(cmp.Compare(s.start, at), -1) // those that start at that time are before it
	})
	return n
}

// listJob returns a page of the sessions of a job that had started at that time, also of those whose worker was deleted. A
// job has no sessions before the first one of its farm was added, and then the service does not find it.
func (w *world) listJob(c schedule.Call, at time.Duration) (schedule.Answer, page) {
	all := w.ofJob[c.Job]
	if all == nil {
		return schedule.Answer{Reason: schedule.ResourceNotFound, NotFound: "job"}, page{}
	}
	var a schedule.Answer
	started := startedUntil(all, at)
	first := (c.Page - 1) * pageSize
	p := newPage(min(pageSize, max(0, started-first)))
	p.starts = make([]time.Duration, 0, cap(p.shown))
	for place := first; place < min(started, first+pageSize); place++ {
		i := started - 1 - place
		if w.config.OldestFirst {
			i = place
		}
		p.starts = append(p.starts, all[i].start)
		p.add(all[i], at)
	}
	if first+pageSize < started {
		a.Next = strconv.Itoa(c.Page + 1)
	}
	return a, p
}
