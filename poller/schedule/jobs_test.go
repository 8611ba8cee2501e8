package schedule

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func jobNumber(n int) Job { return Job{"farm", "queue", fmt.Sprint("job-", n)} }

// jobsWorld starts sessions of jobs, and sees them by one request a tick. A request shows either all new sessions of a job, or
// one new session, whichever it is.
type jobsWorld struct {
	jobs     *jobs
	random   *rand.Rand
	now      time.Time
	tick     time.Duration
	without  bool // listings of jobs
	unseen   []unseenSession
	sessions map[Job]int

	delays   time.Duration // until they were seen, of all that were seen
	seen     int
	listings int // of jobs
	pages    int
	news     int // sessions that they showed
}

type unseenSession struct {
	job   Job
	start time.Time
}

func newJobsWorld(tick time.Duration) *jobsWorld {
	return &jobsWorld{jobs: newJobs(), random: rand.New(rand.NewPCG(1, 2)), now: epoch, tick: tick, sessions: map[Job]int{}}
}

func (w *jobsWorld) start(job Job, n int) {
	for range n {
		w.unseen = append(w.unseen, unseenSession{job, w.now})
	}
	w.sessions[job] += n
}

func (w *jobsWorld) see(i int) {
	w.delays += w.now.Sub(w.unseen[i].start)
	w.seen++
	w.unseen[i] = w.unseen[len(w.unseen)-1]
	w.unseen = w.unseen[:len(w.unseen)-1]
}

// step sends a request, if anything is there to be seen.
func (w *jobsWorld) step() {
	w.now = w.now.Add(w.tick)
	if len(w.unseen) == 0 {
		return
	}
	job, ok := w.jobs.next(float64(len(w.unseen)), w.now)
	if !ok || w.without {
		i := w.random.IntN(len(w.unseen))
		w.jobs.found(w.unseen[i].job, w.now)
		w.see(i)
		return
	}
	w.jobs.began(job, w.now)
	pages, news := 1+(w.sessions[job]-1)/100, 0
	w.now = w.now.Add(time.Duration(pages-1) * w.tick)
	for i := len(w.unseen) - 1; i >= 0; i-- {
		if w.unseen[i].job == job {
			w.see(i)
			news++
		}
	}
	w.jobs.listed(job, pages, news, w.now)
	w.listings, w.pages, w.news = w.listings+1, w.pages+pages, w.news+news
}

func (w *jobsWorld) delay() time.Duration { return w.delays / time.Duration(max(1, w.seen)) }

func (w *jobsWorld) yield() float64 { return float64(w.news) / float64(max(1, w.pages)) }

// steady runs for an hour. So many jobs of that size are active at any time, and starts sessions a tick start.
func (w *jobsWorld) steady(active, size int, starts float64) {
	var at []int // the number of each active job
	for n := range active {
		at = append(at, n)
	}
	due, number := 0., active
	for end := w.now.Add(time.Hour); w.now.Before(end); {
		for due += starts * w.random.ExpFloat64(); due >= 1; due-- {
			i := w.random.IntN(active)
			w.start(jobNumber(at[i]), 1)
			if w.sessions[jobNumber(at[i])] >= size {
				at[i], number = number, number+1
			}
		}
		w.step()
	}
}

// With jobs of 50 to 150 sessions, of which N/50 are active at N workers, more starts than requests are seen soon by
// listings of jobs. With tiny jobs they cost little. The first figure is the mean delay without them, divided by that with
// them, and the second the new sessions on a page.
func TestJobsUnderSteadyLoad(t *testing.T) {
	for _, test := range []struct {
		name         string
		tick         time.Duration
		active, size int
		starts       float64 // a tick
		gain, yield  float64 // at least
	}{
		{"1,000 workers, busy", time.Second, 20, 100, 1.6, 16, 1.8},
		{"1,000 workers, jobs of 50", time.Second, 20, 50, 1.6, 16, 1.8},
		{"1,000 workers, jobs of 300", time.Second, 20, 300, 1.6, 10, 1.3},
		{"7,500 workers, busy", 100 * time.Millisecond, 150, 100, 1.2, 10, 1.4},
		{"jobs of 4", time.Second, 250, 4, 1.3, .95, 1},
		{"jobs of 10", time.Second, 100, 10, 1.3, 1.5, 1.2},
		{"load of .5", time.Second, 20, 100, .5, .95, 0},
	} {
		t.Run(test.name, func(t *testing.T) {
			w, without := newJobsWorld(test.tick), newJobsWorld(test.tick)
			without.without = true
			w.steady(test.active, test.size, test.starts)
			without.steady(test.active, test.size, test.starts)
			gain := without.delay().Seconds() / w.delay().Seconds()
			t.Logf("seen %d after %v, without listings of jobs %d after %v; gain %.2f; %d listings of %.2f pages, %.2f a page", w.seen,
				w.delay(), without.seen, without.delay(), gain, w.listings, float64(w.pages)/float64(max(1, w.listings)), w.yield())
			if gain < test.gain || w.yield() < test.yield {
				t.Errorf("gain %.2f, yield %.2f, want %v and %v at least", gain, w.yield(), test.gain, test.yield)
			}
		})
	}
}

// left returns how many sessions of the job are unseen.
func (w *jobsWorld) left(job Job) int {
	n := 0
	for _, u := range w.unseen {
		if u.job == job {
			n++
		}
	}
	return n
}

// A burst of one job is seen by a few pages of listings, beside jobs that go on as before.
func TestJobsInABurst(t *testing.T) {
	for _, test := range []struct {
		size           int
		starts         float64 // a second of other jobs
		seconds, pages float64 // until nine tenths are seen, and of listings of jobs, at most
	}{{500, .4, 12, 9}, {100, .4, 8, 4}, {60, .7, 9, 12}} {
		w := newJobsWorld(time.Second)
		w.steady(10, 100, test.starts)
		const bursts = 20
		before, took, due := w.pages, 0., 0.
		for n := range bursts {
			burst, at, seen := jobNumber(-1-n), w.now, false
			w.start(burst, test.size)
			for range 200 {
				for due += test.starts * w.random.ExpFloat64(); due >= 1; due-- {
					w.start(jobNumber(1_000_000+10*n+w.random.IntN(10)), 1)
				}
				w.step()
				if !seen && w.left(burst) < test.size/10 {
					seen, took = true, took+w.now.Sub(at).Seconds()/bursts
				}
			}
			if !seen {
				t.Errorf("%d sessions of a burst are not seen after 200 s", w.left(burst))
			}
		}
		pages := float64(w.pages-before) / bursts
		t.Logf("bursts of %d: nine tenths are seen after %.1f s, %.1f pages", test.size, took, pages)
		if took > test.seconds || pages > test.pages {
			t.Errorf("want %v s and %v pages at most", test.seconds, test.pages)
		}
	}
}

// A job whose listings show nothing is asked for ever more rarely, however many sessions of it are found otherwise.
func TestJobsBackOff(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		waiting := rapid.Float64Range(2, 500).Draw(t, "waiting")
		every := rapid.IntRange(1, 10).Draw(t, "seconds between finds")
		j, now := newJobs(), epoch
		var asked []time.Time
		for s := range 2 * 3600 {
			now = now.Add(time.Second)
			if s%every == 0 {
				j.found(jobNumber(1), now)
			}
			if s < 600 { // until the finds are as usual
				continue
			}
			if job, ok := j.next(waiting, now); ok {
				j.began(job, now)
				j.listed(job, 1, 0, now)
				asked = append(asked, now)
			}
		}
		for i := 2; i < len(asked); i++ {
			if last, pause := asked[i-1].Sub(asked[i-2]), asked[i].Sub(asked[i-1]); pause < last {
				t.Fatalf("asked for after %v, and before that after %v", pause, last)
			}
		}
		if len(asked) > 10 {
			t.Fatalf("asked for %d times", len(asked))
		}
	})
}

// After a listing that showed nothing, a job is not asked for before a new session of it is found.
func TestJobsNeedNewFinds(t *testing.T) {
	j, now := newJobs(), epoch
	for range 20 {
		j.found(jobNumber(1), now)
	}
	now = now.Add(time.Second)
	if job, ok := j.next(10, now); !ok || job != jobNumber(1) {
		t.Fatalf("asked for %v, %v", job, ok)
	}
	j.listed(jobNumber(1), 1, 1, now)
	now = now.Add(30 * time.Second)
	if job, ok := j.next(400, now); ok {
		t.Errorf("asked for %v again", job)
	}
	j.found(jobNumber(1), now)
	now = now.Add(time.Second)
	if _, ok := j.next(400, now); !ok {
		t.Error("not asked for after a new find")
	}
}

// Where listings show nothing, the next one of any job waits for as many new sessions to be found otherwise, but not for ever.
func TestJobsBlind(t *testing.T) {
	j, now := newJobs(), epoch
	for n := range 15 {
		for range 20 {
			j.found(jobNumber(n), now)
		}
	}
	ask := func() (Job, bool) {
		now = now.Add(time.Second)
		return j.next(400, now)
	}
	for misses := 1; misses <= 3; misses++ {
		job, ok := ask()
		if !ok {
			t.Fatalf("no job is asked for after %d misses", misses-1)
		}
		j.listed(job, 1, 0, now)
		for finds := range misses {
			if job, ok := ask(); ok {
				t.Errorf("asked for %v after %d misses and %d finds", job, misses, finds)
			}
			j.found(jobNumber(20), now)
		}
	}
	job, _ := ask()
	j.listed(job, 1, 0, now)
	for s := 1; s <= 4*5; s++ {
		if _, ok := ask(); ok != (s == 4*5) {
			t.Errorf("asked for a job %d s after 4 misses: %v", s, ok)
		}
	}
	j.listed(jobNumber(20), 1, 50, now)
	if _, ok := ask(); !ok {
		t.Error("no job is asked for after a listing that showed something")
	}
}

// What a job's own listing shows does not make it ask for the job again at once, but for those that start later.
func TestJobsDoNotLoop(t *testing.T) {
	j, now := newJobs(), epoch
	for range 20 {
		j.found(jobNumber(1), now)
		j.found(jobNumber(2), now)
	}
	now = now.Add(time.Second)
	first, _ := j.next(200, now)
	j.listed(first, 1, 100, now)
	now = now.Add(time.Second)
	second, ok := j.next(100, now)
	if !ok || second == first {
		t.Fatalf("asked for %v and then for %v, %v", first, second, ok)
	}
	j.listed(second, 1, 98, now)
	now = now.Add(time.Second)
	if job, ok := j.next(1, now); ok {
		t.Errorf("asked for %v where one session is waiting", job)
	}
	now = now.Add(20 * time.Second)
	if _, ok := j.next(20, now); !ok {
		t.Error("not asked for when new sessions have started")
	}
}

// A job is asked for again and again by what its own listings show alone, as where no worker can be listed.
func TestJobsLiveOnTheirOwnFinds(t *testing.T) {
	j, now := newJobs(), epoch
	j.found(jobNumber(1), now)
	asked := 0
	for s := range 3600 {
		now = now.Add(time.Second)
		if job, ok := j.next(50, now); ok {
			asked++
			j.began(job, now)
			j.listed(job, 1, 10+s%2, now)
		}
	}
	if asked < 3000 {
		t.Errorf("asked for %d times an hour", asked)
	}
}

// A job is not asked for twice at the same time, nor soon after a failure. Others are.
func TestJobsPause(t *testing.T) {
	for name, pause := range map[string]func(*jobs, Job, time.Time){"began": (*jobs).began, "failed": (*jobs).failed} {
		j, now := newJobs(), epoch
		for range 20 {
			j.found(jobNumber(1), now)
			j.found(jobNumber(1), now)
			j.found(jobNumber(2), now)
		}
		for s := range 200 {
			now = now.Add(time.Second)
			j.found(jobNumber(1), now)
			job, ok := j.next(100, now)
			if s == 100 {
				pause(j, jobNumber(1), now)
				job, ok = j.next(100, now) // what was put in order before
			}
			if got := ok && job == jobNumber(1); got != (s < 100 || s >= 160) {
				t.Fatalf("%s: asked for %v, %v after %d s", name, job, ok, s-100)
			}
			if s == 110 && !ok {
				t.Errorf("%s: no other job is asked for", name)
			}
		}
	}
}

// A listing of many pages must promise as many new sessions.
func TestJobsOfManyPages(t *testing.T) {
	j, now := newJobs(), epoch
	for range 200 {
		j.found(jobNumber(1), now)
	}
	j.listed(jobNumber(1), 30, 100, now)
	now = now.Add(time.Minute)
	if _, ok := j.next(25, now); ok {
		t.Error("asked for where 25 sessions are waiting")
	}
	if _, ok := j.next(50, now); !ok {
		t.Error("not asked for where 50 sessions are waiting")
	}
}

// Of more jobs than are kept, the one with the oldest evidence is forgotten. Nothing is asked of what is forgotten.
func TestJobsAreBounded(t *testing.T) {
	j, now := newJobs(), epoch
	for i := range 3 * maxJobs {
		now = now.Add(time.Millisecond)
		j.found(jobNumber(-1), now)
		j.found(jobNumber(i), now)
		if job, ok := j.next(1e9, now); ok && j.known[job] == nil {
			t.Fatalf("asked for %v, which is forgotten", job)
		}
	}
	if len(j.known) != maxJobs || j.order.Len() != maxJobs || len(j.best) > bestJobs || cap(j.best) > 2*bestJobs {
		t.Errorf("%d and %d jobs are kept, and %d of %d in order", len(j.known), j.order.Len(), len(j.best), cap(j.best))
	}
	if j.known[jobNumber(-1)] == nil || j.known[jobNumber(2*maxJobs+1)] == nil || j.known[jobNumber(2*maxJobs)] != nil {
		t.Error("it is not the job with the oldest evidence that is forgotten")
	}
	now = now.Add(time.Second)
	j.next(1, now)
	for i := range maxJobs {
		j.found(jobNumber(3*maxJobs+i), now)
	}
	if job, ok := j.next(1e9, now); ok {
		t.Errorf("asked for %v, which is forgotten since the jobs were put in order", job)
	}
	j.listed(jobNumber(0), 1, 0, now)
	j.failed(jobNumber(0), now)
	if j.known[jobNumber(0)] != nil {
		t.Error("a job is known of which nothing was found")
	}
}

// Whatever happens, only a job that promises more than one session is asked for, and never one that is under way.
func TestJobsLaws(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		j, now := newJobs(), epoch
		underWay := map[Job]time.Time{}
		for range rapid.IntRange(1, 200).Draw(t, "steps") {
			now = now.Add(time.Duration(rapid.Int64Range(0, 5e9).Draw(t, "passed")))
			job := jobNumber(rapid.IntRange(0, 30).Draw(t, "job"))
			switch rapid.IntRange(0, 3).Draw(t, "what") {
			case 0:
				for range rapid.IntRange(1, 50).Draw(t, "finds") {
					j.found(job, now)
				}
			case 1:
				delete(underWay, job)
				j.listed(job, rapid.IntRange(0, 9).Draw(t, "pages"), rapid.IntRange(0, 900).Draw(t, "news"), now)
			case 2:
				j.failed(job, now)
				if j.known[job] != nil {
					underWay[job] = now
				}
			}
			waiting := rapid.Float64Range(0, 1000).Draw(t, "waiting")
			if job, ok := j.next(0, now); ok {
				t.Fatalf("asked for %v where none is waiting", job)
			}
			job, ok := j.next(waiting, now)
			if !ok {
				continue
			}
			if since, is := underWay[job]; is && now.Sub(since) < time.Minute {
				t.Fatalf("asked for %v after %v", job, now.Sub(since))
			}
			if waiting*maxYield <= 1 {
				t.Fatalf("asked for %v where %v are waiting", job, waiting)
			}
			if again, _ := j.next(waiting, now); again != job {
				t.Fatalf("asked for %v and then for %v", job, again)
			}
			j.began(job, now)
			underWay[job] = now
		}
	})
}

func BenchmarkJobs(b *testing.B) {
	j, r := newJobs(), rand.New(rand.NewPCG(1, 2))
	for range 20 * maxJobs {
		j.found(jobNumber(r.IntN(maxJobs)), epoch)
	}
	b.Run("next", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			j.next(1, epoch)
		}
	})
	b.Run("refresh", func(b *testing.B) {
		b.ReportAllocs()
		for now := epoch; b.Loop(); now = now.Add(jobsRefresh) {
			j.refresh(now)
		}
	})
}
