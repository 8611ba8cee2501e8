package schedule

import (
	"testing"
	"time"
)

// What is left lists the job of which most sessions have probably started since its last listing, until none starts any more.
func TestJobsAhead(t *testing.T) {
	j, now := newJobs(), epoch
	listed := func(d time.Duration) map[Job]int {
		n := map[Job]int{}
		for end := now.Add(d); now.Before(end); now = now.Add(100 * time.Millisecond) {
			if job, _, ok := j.ahead(now); ok {
				j.began(job, now)
				j.listedAhead(job, 1, 0, now)
				n[job]++
			}
		}
		return n
	}
	for range 30 {
		j.found(jobNumber(1), now)
		now = now.Add(time.Second)
	}
	for range 3 {
		j.found(jobNumber(2), now)
	}
	n := listed(10 * time.Second)
	if n[jobNumber(1)] < 10 || n[jobNumber(2)] < 5 || n[jobNumber(1)] > 21 {
		t.Errorf("listings in 10 s, at most two a second of each: %v", n)
	}
	j.began(jobNumber(1), now)
	j.listedAhead(jobNumber(1), 1, 0, now)
	j.began(jobNumber(2), now)
	j.listedAhead(jobNumber(2), 1, 0, now)
	if _, next, ok := j.ahead(now.Add(jobsRefresh)); ok || !next.After(now) {
		t.Errorf("just after the jobs were listed: %v, and it asks again at %v", ok, next)
	}
	listed(20 * time.Minute)
	if n := listed(time.Minute); len(n) != 0 {
		t.Errorf("listings of jobs of which no session starts any more: %v", n)
	}
	if _, next, ok := j.ahead(now); ok || !next.IsZero() {
		t.Errorf("without an active job it asks again at %v", next)
	}
}

// A job of which listings fail is left alone for a minute.
func TestJobsAheadFail(t *testing.T) {
	j, now := newJobs(), epoch
	for range 10 {
		j.found(jobNumber(1), now)
	}
	now = now.Add(time.Second)
	job, _, ok := j.ahead(now)
	if !ok {
		t.Fatal("the job is not listed")
	}
	j.began(job, now)
	j.failed(job, now)
	if _, _, ok := j.ahead(now.Add(jobFailPause / 2)); ok {
		t.Error("the job is listed again at once")
	}
	if _, _, ok := j.ahead(now.Add(jobFailPause + time.Second)); !ok {
		t.Error("the job is not listed again")
	}
}

// A job with few starts counts for less than one.
func TestActiveJobs(t *testing.T) {
	j := newJobs()
	if n := j.active(); n != 0 {
		t.Errorf("%v of no jobs", n)
	}
	for n := range 4 {
		for range 5 {
			j.found(jobNumber(n), epoch)
		}
	}
	j.found(jobNumber(9), epoch)
	if n := j.active(); n < 4 || n > 4.5 {
		t.Errorf("%v jobs, want 4 and a bit", n)
	}
}

// A listing that soon may be sent goes before listings ahead of time. One that has to wait for longer does not keep them back.
func TestListingsThatMaySoonBeSentGoFirst(t *testing.T) {
	for pause, want := range map[time.Duration]bool{longestHold / 2: false, time.Minute: true} {
		p := newPlay(15*time.Second, 10, 1).add(0, 2).own()
		p.run(time.Minute)
		s, now := p.schedule, p.now
		for range 30 {
			s.jobs.found(Job{"farm-1", "queue-1", "job-1"}, now)
		}
		now = now.Add(time.Second)
		s.makeUrgent(s.workers[key(0)], now)
		s.promote(now)
		s.budget.pause(ListSessionsForWorker, pause, now)
		c := &choice{s: s, now: now}
		if listing := c.pressingOrRegular(); listing != nil {
			t.Fatalf("a listing begins in a pause: %+v", listing)
		}
		if got := c.jobAhead() != nil; got != want {
			t.Errorf("a pause of %v: a job is listed: %v", pause, got)
		}
	}
}
