package coverage

import (
	"slices"
	"time"

	"farmwire/diff"
)

// Config says which shard a Tracker is of, and what is asked for.
type Config struct {
	GapAfter time.Duration              // how long requests must fail before that is a gap
	Owns     func(workerID string) bool // whether the worker is of the shard

	// Absence is why nobody may have looked before the Tracker was made. The default is Down.
	Absence Reason

	// The farms and fleets that the poller was given. Without farms, ListFarms is asked. With exactly one farm and fleets, only
	// ListWorkers of these fleets is asked. Otherwise ListFleets of the farms is asked, and ListWorkers of what it shows.
	Farms, Fleets []string
}

// Tracker computes the watermarks and the gaps of one shard from the requests, the answers and the commits. Its methods must
// not be called at the same time.
//
// A Tracker lives from a restore until the shard is lost or a publication fails. Then a new one is made from the State that is
// stored. It must be told of every request that is sent after it was made.
type Tracker struct {
	config  Config
	stored  State  // what it was made from
	began   moment // when it was made
	nextGap uint64

	levels   map[Scope]*level // everything, the farms and the fleets; those of workers that are known are always there
	workers  map[diff.WorkerKey]*worker
	requests map[uint64]*request // under way, by Number
	lists    map[uint64]*list    // under way, by List
	pending  map[diff.WorkerKey][]pending

	alive     moment        // of the newest good answer
	told      moment        // alive, as of the last Take
	watermark Kinds[moment] // as last taken
	gaps      []*gap        // the open ones, in the order of their numbers
	bad       map[failingPart]*failure
	before    []*earlier              // what failed when it was stored: the open gaps, and what was in none
	missed    map[diff.WorkerKey]bool // workers with sessions that were asked for and not shown
	check     moment                  // when something may be failing for long enough
	down      *gap                    // with the reason Down, not open yet, because the first good answer may show that there was none; nil if there is none
	unstored  bool                    // a worker exists that no State names, or what a State says is unanswered was answered
	deleted   map[Scope]moment        // fleets with deleted workers that wait to be published, and since when
	due       []Record
}

// level is everything of the account, a farm or a fleet.
type level struct {
	answers
	Scope
	looks  [kinds]look // changes is not used
	isUnit bool        // a list of what is in it is asked for, and it exists: its looks count
	shown  uint64      // the number of the last list that showed it
	listed moment      // when the first request of the last complete list of what is in it was sent
	last   uint64      // the number of that list
}

// worker is a worker that discovery shows or that has open sessions.
type worker struct {
	answers
	diff.WorkerKey
	looks    [kinds]look // changes is not used: it is that of the sessions
	sessions []session   // the open ones, sorted by id
	isUnit   bool        // discovery shows it: its looks count
	shown    uint64      // the number of the last list that showed it
	gone     moment      // when discovery lacked it, as long as that is not published; zero otherwise
	listed   moment      // the request of the last complete listing
	asked    [2]asking   // the first and the last status that asked for a listing that is not committed
	lacked   bool        // a list lacked it since the first of these, so the poller may have forgotten that; only a listing ends it
}

// asking is a status that asked for a listing of its worker.
type asking struct {
	number uint64 // of the request that showed it; 0 if there is none
	at     moment
}

// session is an open session.
type session struct {
	id      string
	look    look
	missed  moment // since when it was asked for and not shown; zero if it was shown since
	seen    bool   // it was shown since the Tracker was made
	arrived uint64 // the tick of the answer that last showed it, see diff.Exchange
}

// look is the newest look at something.
type look struct {
	at    moment
	until moment // it has not caught up with a gap before a look at this moment or later
	gap   uint64 // the number of that gap

	// awaits says that a status asked for a listing that is not committed yet. It is up to date while eachLook runs.
	awaits bool
}

func (l *look) note(at moment) { l.at = max(l.at, at) }

// isBehind reports whether the gap that prevented looks was closed, and there was no look since.
func (l *look) isBehind() bool { return l.at < l.until }

// NewTracker returns the Tracker of a shard after the fence and the restore. Stored is the State that was published last, or nil
// if there was none. Snapshots are those that were restored. Now is by the service's clock.
func NewTracker(c Config, stored *State, snapshots []diff.Snapshot, now time.Time) *Tracker {
	t := &Tracker{
		config: c, began: momentOf(now), nextGap: 1,
		levels: make(map[Scope]*level), workers: make(map[diff.WorkerKey]*worker),
		requests: make(map[uint64]*request), lists: make(map[uint64]*list), pending: make(map[diff.WorkerKey][]pending),
		bad: make(map[failingPart]*failure), missed: make(map[diff.WorkerKey]bool), deleted: make(map[Scope]moment),
	}
	if stored != nil {
		t.stored = *stored
	}
	t.restore(snapshots)
	return t
}

// Take returns the records that are due: first those of gaps, then a heartbeat if it is asked for. It also returns what is to be
// stored together with them. The caller publishes all of it in one transaction. If that fails, the Tracker is of no use any more.
func (t *Tracker) Take(now time.Time, heartbeat bool) ([]Record, State) {
	at := momentOf(now)
	if heartbeat {
		t.openDown()
	}
	t.dropLists(at)
	t.takeDeleted(at, heartbeat)
	t.findFailing(at)
	behind := t.advance()
	records := t.due
	t.due = nil
	if heartbeat {
		h := Heartbeat{Watermark: times(t.watermark), Behind: behind}
		for _, l := range t.levels {
			if l.FleetID != "" && l.isUnit {
				h.Fleets++
			}
		}
		for _, w := range t.workers {
			h.OpenSessions += len(w.sessions)
			if w.isUnit {
				h.Workers++
			}
		}
		records = append(records, Record{Heartbeat: &h})
	}
	return records, t.state(behind)
}

// IsDue reports whether records of gaps wait to be published, or whether the State that was last taken must be replaced soon. That is
// so if a worker was shown that it does not name, if something was answered that it calls unanswered, or if its Alive is old.
func (t *Tracker) IsDue(now time.Time) bool {
	t.findFailing(momentOf(now))
	return len(t.due) > 0 || t.unstored || t.alive.since(t.told) > aliveEvery || t.deletedDue(momentOf(now))
}

// Age returns how old the watermarks are that were last taken, and which of them there are.
func (t *Tracker) Age(now time.Time) (ages Kinds[time.Duration], known Kinds[bool]) {
	for k := range kinds {
		if w := *of(&t.watermark, k); w != 0 {
			*of(&ages, k), *of(&known, k) = max(0, momentOf(now).since(w)), true
		}
	}
	return ages, known
}

// state returns what is stored. Deleted workers whose gap is not published yet are stored too, so that a successor finds out
// that they are gone.
func (t *Tracker) state(behind []Behind) State {
	t.told, t.unstored = t.alive, false
	s := State{Alive: t.alive.time(), Watermark: times(t.watermark), Behind: behind, NextGap: t.nextGap}
	for _, g := range t.gaps {
		s.Gaps = append(s.Gaps, g.Gap)
	}
	s.Unanswered = t.unanswered()
	for key, w := range t.workers {
		if w.isUnit || w.gone != 0 {
			s.Workers = append(s.Workers, key)
		}
	}
	slices.SortFunc(s.Workers, compareKeys)
	return s
}

func times(w Kinds[moment]) Watermark {
	return Watermark{w.Changes.time(), w.Announced.time(), w.Starts.time()}
}
