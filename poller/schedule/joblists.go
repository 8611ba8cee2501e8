package schedule

import (
	"slices"
	"time"

	"farmwire/diff"
)

// ListSessions shows the sessions of a job on all workers, a hundred in one request. While several sessions of a job wait to be
// found, a listing of the job finds more of them than listings of workers. It also shows sessions of workers that were deleted,
// and second sessions of workers. Which job promises most is in jobs.go.

const (
	jobPlaces      = 4    // listings of jobs under way
	triedShare     = 0.01 // of the requests may be for listings of jobs that are not worth it
	unorderedPages = 10   // of a listing that does not show the newest sessions first are read in any case
	mostCredit     = 5    // such requests that may be saved up
)

// jobListing returns the page of a listing of a job that goes first, as long as it promises more than the listing of a worker.
func (c *choice) jobListing() *task {
	for _, t := range c.s.jobLists {
		if t.inFlight || t.notBefore.After(c.now) {
			c.wait(t.notBefore)
		} else if c.can(ListSessions) {
			return t
		}
	}
	if len(c.s.jobLists) >= jobPlaces || !c.can(ListSessions) {
		return nil
	}
	waiting := float64(c.s.queued[urgent])
	job, ok := c.s.jobs.next(waiting, c.now)
	if !ok || c.s.jobCredit < 0 && !c.s.jobs.isHot(job) || c.s.isJobOff(job, c.now) {
		return nil
	}
	return c.s.beginJob(job, waiting, c.now)
}

// beginJob begins a listing of a job, of which so many new sessions are hoped for.
func (s *Schedule) beginJob(job Job, hoped float64, now time.Time) *task {
	t := &task{kind: ListSessions, farm: s.farms[job.FarmID], job: job, page: 1, limit: maxPages, hoped: hoped}
	s.jobs.began(job, now)
	s.jobLists = append(s.jobLists, t)
	return t
}

// isJobOff reports whether no listing of a job may begin: one is under way, ListSessions does not work in its farm, or nothing is known
// of the farm any more.
func (s *Schedule) isJobOff(j Job, now time.Time) bool {
	f := s.farms[j.FarmID]
	return f == nil || f.off[ListSessions].After(now) || slices.ContainsFunc(s.jobLists, func(t *task) bool { return t.job == j })
}

// isJobRead reports whether the rest of a job's listing is not worth its requests: the pages so far have shown too few new
// sessions, and the rest is known or what was hoped for would not pay for so many pages.
func (s *Schedule) isJobRead(t *task, a Answer) bool {
	if a.NewestFirst && a.Settled {
		return true
	}
	if a.Unordered && t.page < unorderedPages {
		return false // what is new may be on any page
	}
	news := t.news + s.countNews(a)
	return float64(news)*s.jobs.saved <= float64(t.page) && float64(t.page) >= t.hoped*s.jobs.saved
}

// countNews counts the sessions of an answer that are not known.
func (s *Schedule) countNews(a Answer) int {
	n := 0
	for _, x := range a.Sessions {
		if w := s.workers[x.WorkerKey]; w == nil || !has(w.Open, x.SessionID) {
			n++
		}
	}
	return n
}

// jobPage takes in a page of a job's listing. Of each worker of which it shows something new it is an observation. A worker that
// is in another call, or has an observation that is not committed, is left out; it is listed instead.
func (s *Schedule) jobPage(t *task, a Answer, now time.Time, o *Outcome) {
	var order []diff.WorkerKey
	shown := make(map[diff.WorkerKey][]diff.Session)
	for _, x := range a.Sessions {
		if shown[x.WorkerKey] == nil {
			order = append(order, x.WorkerKey)
		}
		shown[x.WorkerKey] = append(shown[x.WorkerKey], x)
	}
	for _, k := range order {
		w := s.shownByJob(k, now)
		if w == nil || !w.isNews(shown[k]) {
			continue
		}
		if w.activity != resting {
			w.urgent = true
			continue
		}
		wasAnnounced := w.announced
		news := s.learn(w, shown[k], byJob, wasAnnounced, now)
		t.news += news
		// What its status has announced is open, or has ended since. A session that is over may be an older one.
		isOver := !slices.ContainsFunc(shown[k], func(x diff.Session) bool { return x.LifecycleStatus != diff.StatusEnded })
		if news > 0 && !(wasAnnounced && isOver) {
			if w.urgent && w.presence == presenceShown && w.listingFailures == 0 {
				w.listingDue = soonest(w.listingDue, now) // it may be urgent for another reason, and else due in hours
			}
			w.urgent = false
			if wasAnnounced && w.answer != notListed && !w.isLeaving { // else something more asks for a listing
				w.awaits = awaitsCommit
			}
			s.endAnnouncement(w, wasAnnounced, true)
		}
		s.leaveQueues(w)
		w.activity = uncommittedLookup
		o.Workers = append(o.Workers, k)
	}
}

// shownByJob returns a worker of which a job's listing shows a session. One that discovery does not show is added, because it
// was deleted or is very new. It is nil if its shard is not owned, or its fleet is not known.
func (s *Schedule) shownByJob(k diff.WorkerKey, now time.Time) *worker {
	if w := s.workers[k]; w != nil {
		return w
	}
	sh, f := s.shards[s.config.Shard(k.WorkerID)], s.fleets[fleetKey{k.FarmID, k.FleetID}]
	if sh == nil || f == nil {
		return nil
	}
	w := s.addWorker(Known{Worker: k, Empty: true}, sh, f, now)
	w.presence = presenceMissing
	return w
}

// isNews reports whether one of the sessions is not known, or has changed.
func (w *worker) isNews(shown []diff.Session) bool {
	return slices.ContainsFunc(shown, func(x diff.Session) bool {
		i := slices.IndexFunc(w.Open, func(o diff.Session) bool { return o.SessionID == x.SessionID })
		return i < 0 || x.HasEnded() || x.LifecycleStatus != w.Open[i].LifecycleStatus || x.TargetLifecycleStatus != w.Open[i].TargetLifecycleStatus
	})
}

// jobDone takes in the last answer to a listing of a job.
func (s *Schedule) jobDone(t *task, a Answer, now time.Time, o *Outcome) {
	if i := slices.Index(s.jobLists, t); i >= 0 {
		s.jobLists = slices.Delete(s.jobLists, i, i+1)
	}
	if a.Reason == ResourceNotFound {
		s.jobs.failed(t.job, now) // the job was deleted
		return
	}
	s.judgeBatch(ListSessions, t.farm.id, a.Reason, now, o)
	if a.Reason != "" {
		s.jobs.failed(t.job, now)
		return
	}
	s.jobPage(t, a, now, o)
	s.noteAhead(t, t.news)
	if t.ahead {
		s.jobs.listedAhead(t.job, t.page, t.news, now)
		return
	}
	s.jobs.listed(t.job, t.page, t.news, now)
	s.jobCredit = min(mostCredit, s.jobCredit+float64(t.news)*s.jobs.saved-float64(t.page))
}
