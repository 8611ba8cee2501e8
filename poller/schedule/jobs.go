package schedule

import (
	"container/list"
	"math"
	"slices"
	"time"
)

const (
	maxJobs      = 2000
	quickFinds   = 10 * time.Second       // half-life of the finds that show a burst
	slowFinds    = 90 * time.Second       // half-life of the finds that show which of many jobs are active
	unknownFinds = 5                      // the jobs of which nothing was found yet count as this many finds
	unseenFor    = time.Minute            // a session is not expected to stay unseen for longer
	jobsRefresh  = 200 * time.Millisecond // the order of the jobs is this old at most
	bestJobs     = 16                     // of the jobs in order; more are not asked for between two refreshes

	jobPromises  = 3               // so many promised sessions say as much of a job as what all jobs yielded
	allPromises  = 5               // and so many as much of all jobs as that a promise is kept
	maxPromised  = 10              // one listing counts as this many promised sessions at most,
	maxYield     = 4               // and as this many times what was promised
	missPause    = 4 * time.Second // after a listing that was not worth it; four times as long after each further one
	maxMisses    = 8               // the pause grows no more
	blindPause   = 5 * time.Second // so long for each miss in a row no listing of a job is tried, unless new sessions are found
	hotFinds     = 2.5             // finds of a job within seconds that show a burst
	maxBlind     = 12              // misses in a row that count for that
	jobFailPause = time.Minute     // after a failure, and the longest time that a listing is waited for
)

// jobs says of which job a listing would show the most new sessions a page. It takes the new sessions that are not seen yet to
// be of those jobs that new sessions were found of lately. A job that was just listed has none but those that started since.
//
// It is wrong where jobs are small or their starts are over, so each promise is corrected by what the listings before have
// yielded, and a listing that was not worth it puts the next one of that job off. Where listings show nothing at all, what is
// unseen is of none of the jobs that seemed likely, as when a burst begins. Then it waits until listings of workers have shown as many
// new sessions.
type jobs struct {
	known     map[Job]*list.Element // of *jobFinds
	order     *list.List            // the job with the newest evidence is at the front
	at        time.Time             // when the finds were last faded and the jobs put in order
	all       finds
	yield     yield                     // of the listings of all jobs
	best      []promisedJob             // the best first
	often     []promisedJob             // likewise, by how many new sessions a page a listing would show if none were known to wait
	saved     float64                   // pages of a listing of a worker, which a new session saves that a listing of its job shows
	anyActive bool                      // a listing of one of them may soon show a new session
	blind     int                       // listings in a row, of whatever jobs, that showed nothing
	since     int                       // new sessions that listings of workers have shown since the last of them
	until     time.Time                 // no listing is tried before, unless there are as many of these as of those
	isOff     func(Job, time.Time) bool // a job that cannot be listed now makes room for others
}

// finds are counts of new sessions that fade.
type finds struct{ quick, slow float64 }

func (f *finds) add(o finds) { f.quick, f.slow = f.quick+o.quick, f.slow+o.slow }

func (f *finds) fade(quick, slow float64) { f.quick, f.slow = f.quick*quick, f.slow*slow }

// yield is what listings have shown, and what they had promised.
type yield struct{ news, promised float64 }

// add takes in a listing. One that is not promised anything says nothing.
func (y *yield) add(news int, promised float64) {
	if promised > 0 {
		weight := min(promised, maxPromised)
		y.news += weight * min(float64(news)/promised, maxYield)
		y.promised += weight
	}
}

func (y *yield) fade(by float64) { y.news, y.promised = y.news*by, y.promised*by }

// part returns which part of a promise is kept. So many more promised sessions would have yielded prior of what was promised.
func (y *yield) part(prior, weight float64) float64 {
	return (y.news + prior*weight) / (y.promised + weight)
}

// jobFinds is what is known of a job.
type jobFinds struct {
	job      Job
	finds    finds
	starts   float64 // new sessions that anything has shown, faded like slow finds
	yield    yield
	pages    int       // of the last listing
	listed   time.Time // when the last listing was over; zero if there was none
	misses   int       // listings in a row that saved no more pages than they cost
	fresh    bool      // a new session was found since the last miss
	until    time.Time // not asked for before
	passed   bool      // not asked for before the next refresh
	promised float64   // what next promised of it last, before it is corrected
}

// promisedJob is a job and what is promised of its listing for each session that is unseen.
type promisedJob struct {
	*jobFinds
	share float64 // of the unseen sessions, before it is corrected
	score float64 // new sessions a page
}

func newJobs() *jobs {
	return &jobs{known: map[Job]*list.Element{}, order: list.New(), saved: 1, isOff: func(Job, time.Time) bool { return false }}
}

// found takes in that a listing of a worker has shown a new session of the job.
func (j *jobs) found(job Job, now time.Time) {
	j.refresh(now)
	f := j.note(job, 1)
	f.fresh = true
	f.starts++
	j.since++
}

// note adds new sessions to what is known of a job.
func (j *jobs) note(job Job, n float64) *jobFinds {
	e := j.known[job]
	if e == nil {
		if j.order.Len() == maxJobs {
			j.forgetOldest()
		}
		e = j.order.PushFront(&jobFinds{job: job, pages: 1})
		j.known[job] = e
	}
	j.order.MoveToFront(e)
	f := e.Value.(*jobFinds)
	f.finds.add(finds{n, n})
	j.all.add(finds{n, n})
	return f
}

// noteShown adds new sessions that a listing of the job has shown. They came all at once, so they say less of what starts now than as
// many that were found one by one.
func (j *jobs) noteShown(job Job, news int) {
	j.note(job, math.Sqrt(float64(news))).starts += float64(news)
}

func (j *jobs) forgetOldest() {
	f := j.order.Remove(j.order.Back()).(*jobFinds)
	f.passed = true
	delete(j.known, f.job)
}

// next returns the job whose listing promises most new sessions a page, if that saves more pages than it costs. Waiting is how many new
// sessions are believed to exist unseen.
func (j *jobs) next(waiting float64, now time.Time) (Job, bool) {
	j.refresh(now)
	if j.since < j.blind && now.Before(j.until) {
		return Job{}, false
	}
	for _, b := range j.best {
		if waiting*b.score*j.saved <= 1 {
			break
		}
		if !b.passed {
			b.promised = waiting * b.share
			return b.job, true
		}
	}
	return Job{}, false
}

// isHot reports whether several new sessions of the job were found just now.
func (j *jobs) isHot(job Job) bool {
	e := j.known[job]
	return e != nil && e.Value.(*jobFinds).finds.quick >= hotFinds
}

// began takes in that a listing of the job begins. The job is not asked for again before listed or failed tells what came of
// it, or for a minute.
func (j *jobs) began(job Job, now time.Time) {
	j.pause(job, now.Add(jobFailPause))
}

// failed takes in that a listing of the job failed.
func (j *jobs) failed(job Job, now time.Time) {
	j.pause(job, now.Add(jobFailPause))
}

func (j *jobs) pause(job Job, until time.Time) {
	if e := j.known[job]; e != nil {
		f := e.Value.(*jobFinds)
		f.until, f.passed = until, true
	}
}

// listed takes in how many new sessions a listing of the job has shown on how many pages.
func (j *jobs) listed(job Job, pages, news int, now time.Time) {
	j.refresh(now)
	e := j.known[job]
	if news == 0 {
		j.blind, j.since = min(j.blind+1, maxBlind), 0
		j.until = now.Add(blindPause * time.Duration(j.blind))
	} else {
		j.blind = 0
		j.noteShown(job, news)
		e = j.known[job]
	}
	if e == nil {
		return
	}
	f := e.Value.(*jobFinds)
	f.pages, f.listed, f.until, f.passed = max(1, pages), now, time.Time{}, true
	f.yield.fade(.5)
	f.yield.add(news, f.promised)
	j.yield.add(news, f.promised)
	f.promised = 0
	if float64(news)*j.saved > float64(f.pages) {
		f.misses = 0
		return
	}
	f.misses, f.fresh = min(f.misses+1, maxMisses), false
}

// ahead returns the job whose listing shows the most new sessions a page, if the starts of each go on as they were lately. If no job
// may be listed now, it reports false, and when to ask again.
func (j *jobs) ahead(now time.Time) (job Job, next time.Time, ok bool) {
	j.refresh(now)
	for _, o := range j.often {
		if !o.passed && !j.isOff(o.job, now) {
			return o.job, now, true
		}
	}
	if j.anyActive {
		next = j.at.Add(jobsRefresh)
	}
	return Job{}, next, false
}

// listedAhead takes in how many new sessions a listing of the job has shown on how many pages that nothing had asked for.
func (j *jobs) listedAhead(job Job, pages, news int, now time.Time) {
	j.refresh(now)
	if news > 0 {
		j.noteShown(job, news)
	}
	if e := j.known[job]; e != nil {
		f := e.Value.(*jobFinds)
		f.pages, f.listed, f.until, f.passed = max(1, pages), now, time.Time{}, true
	}
}

// active returns the number of active jobs. A job is active as long as new sessions of the job start. A job with few starts
// counts for less than one.
func (j *jobs) active() float64 {
	starts, squares := 0., 0.
	for e := j.order.Front(); e != nil; e = e.Next() {
		n := e.Value.(*jobFinds).starts
		starts, squares = starts+n, squares+n*n
	}
	if squares == 0 {
		return 0
	}
	return starts * starts / squares
}

// refresh fades what is known and puts the jobs in order, if that was not done just now.
func (j *jobs) refresh(now time.Time) {
	passed := now.Sub(j.at)
	if passed < jobsRefresh {
		return
	}
	j.at = now
	quick := math.Exp2(-passed.Seconds() / quickFinds.Seconds())
	slow := math.Exp2(-passed.Seconds() / slowFinds.Seconds())
	j.yield.fade(slow)
	j.all = finds{}
	for e := j.order.Front(); e != nil; e = e.Next() {
		f := e.Value.(*jobFinds)
		f.passed = false
		f.finds.fade(quick, slow)
		f.starts *= slow
		j.all.add(f.finds)
	}
	j.sort(now)
}

// sort puts the best jobs in order.
func (j *jobs) sort(now time.Time) {
	j.best, j.often, j.anyActive = j.best[:0], j.often[:0], false
	part := j.yield.part(1, allPromises)
	sum := unknownFinds / (j.all.slow + unknownFinds)
	for e := j.order.Front(); e != nil; e = e.Next() {
		f := e.Value.(*jobFinds)
		b := promisedJob{jobFinds: f, share: j.share(f, now)}
		sum += b.share
		if f.until.After(now) || j.isOff(f.job, now) {
			continue
		}
		perPage := f.perSecond() / float64(f.pages)
		if perPage*unseenFor.Seconds() >= leastPromise {
			j.anyActive = true
			b.score = perPage * min(unseenFor, now.Sub(f.listed)).Seconds()
			if b.score >= leastPromise && now.Sub(f.listed) >= shortestJob {
				insertBest(&j.often, b)
			}
		}
		if f.misses > 0 && !f.fresh && now.Sub(f.listed) < stalePause(f.misses) {
			continue
		}
		b.score = b.share * f.yield.part(part, jobPromises) * f.worth(now) / float64(f.pages)
		insertBest(&j.best, b)
	}
	for i := range j.best {
		j.best[i].share /= sum
		j.best[i].score /= sum
	}
}

// share returns how likely an unseen session is of the job, in proportion to other jobs.
func (j *jobs) share(f *jobFinds, now time.Time) float64 {
	share := max(f.finds.quick/(j.all.quick+unknownFinds), f.finds.slow/(j.all.slow+unknownFinds))
	if since := now.Sub(f.listed); since < unseenFor {
		share *= max(0, since.Seconds()) / unseenFor.Seconds()
	}
	return share
}

// perSecond returns how many sessions of the job start a second.
func (f *jobFinds) perSecond() float64 { return f.starts * math.Ln2 / slowFinds.Seconds() }

// worth returns which part of a promise counts. It grows from 0 to 1 in a pause after listings that were not worth it. So what
// promises a lot does not wait for all of it.
func (f *jobFinds) worth(now time.Time) float64 {
	if f.misses == 0 {
		return 1
	}
	pause := missPause << (2 * f.misses)
	return min(1, now.Sub(f.listed).Seconds()/pause.Seconds())
}

// stalePause is how long after so many listings in a row that were not worth it a job is listed again of which nothing new was
// found meanwhile: where listings of workers are expensive, little may be found of any job.
func stalePause(misses int) time.Duration { return missPause << (2*min(misses, 5) + 2) }

// insertBest puts a job among the best ones, if it is one.
func insertBest(best *[]promisedJob, b promisedJob) {
	if len(*best) == bestJobs {
		if b.score <= (*best)[bestJobs-1].score {
			return
		}
		*best = (*best)[:bestJobs-1]
	}
	i := len(*best)
	for i > 0 && (*best)[i-1].score < b.score {
		i--
	}
	*best = slices.Insert(*best, i, b)
}
