package schedule

import (
	"math"
	"time"
)

// The rule of the pace. It was chosen by measurement: TestQuota prints what it comes to.
//
// A cut remembers the rate that was too much, the limit. The rate then rises in a straight line from the cut to the limit
// within regain, passes it slowly, and rises by e to the third power of (time since then / grow). So a quota that has not
// changed is passed at a small angle and costs one or two throttled requests each time, and a quota that has doubled is
// used after regain + 0.9 grow = 17 s.
//
// A cut takes some requests a second, and not a fixed part of the rate: the fewer requests there are, the more of the rate is
// needed to be below the quota until it is tried again, and the less a deep cut costs of what the service has saved up
// meanwhile. If the service throttles again before it has answered several requests, the cuts double up to a half. So a pace
// follows a quota that halves in some four round trips, and one that is always throttled falls to the floor in some ten. Cuts
// in a row keep the limit of the first one: other tools may have used up the quota for a moment only.
const (
	cutRate   = 2    // requests/s that a cut takes, within the next two
	minCut    = 0.03 // of the rate
	maxCut    = 0.4  // of the rate; of cuts that double maxRowCut
	maxRowCut = 0.5
	row       = 5 // a cut after fewer answers than this since the last is twice as deep as that

	regain    = 12 * time.Second
	grow      = 6 * time.Second
	floorRate = 0.2 // requests/s; no cut goes below this

	useWindow = 2 * time.Second // over which it is counted what is really sent
	useMargin = 1.1             // what is counted lags behind a rate that rises
)

// bucket is a token bucket. Tokens are taken only when a request is sent, so that none is ever owed.
type bucket struct {
	rate   float64 // tokens a second
	burst  float64 // tokens are not gathered beyond this, but there may be more at the start
	tokens float64
	at     time.Time // when tokens was last brought up to date; if it is to come, the bucket is closed until then
}

// fill adds the tokens that the bucket has gained up to now.
func (b *bucket) fill(now time.Time) {
	d := now.Sub(b.at)
	if d <= 0 {
		return
	}
	if b.tokens < b.burst {
		b.tokens = min(b.burst, b.tokens+d.Seconds()*b.rate)
	}
	b.at = now
}

// setRate sets the rate from now on.
func (b *bucket) setRate(rate, burst float64, now time.Time) {
	b.fill(now)
	b.rate, b.burst = rate, burst
}

// next returns from when on there is a token, which is never before now.
func (b *bucket) next(now time.Time) time.Time {
	b.fill(now)
	if b.tokens >= 1 {
		return latest(now, b.at)
	}
	// Up to the next nanosecond, so that the token is whole by then.
	return b.at.Add(time.Duration(math.Ceil((1-b.tokens)/b.rate*1e9)) + 1)
}

// closeUntil lets no token out before then. Of the tokens that it has and would gain meanwhile, at most one is left.
func (b *bucket) closeUntil(then, now time.Time) {
	b.fill(now)
	then = latest(b.at, then)
	b.tokens, b.at = min(1, b.tokens+then.Sub(b.at).Seconds()*b.rate), then
}

// pace is a token bucket whose rate is cut when the service throttles, and comes back up to a ceiling.
type pace struct {
	bucket
	ceiling float64   // requests/s
	cut     float64   // the rate just after the last cut
	limit   float64   // the rate that was too much then
	step    float64   // which part of it was cut off
	cutAt   time.Time // zero if there was none
	answers int       // to requests that were sent since the last cut
	lately  tally
	resumes bool // the next request is the first after a pause
	use     use
}

func newPace(ceiling float64, now time.Time) pace {
	burst := max(1, ceiling/10)
	return pace{
		bucket:  bucket{rate: ceiling, burst: burst, tokens: burst, at: now},
		ceiling: ceiling, cut: ceiling, limit: ceiling, answers: row, use: use{from: now},
	}
}

// setCeiling sets the ceiling and scales what was cut.
func (p *pace) setCeiling(ceiling float64, now time.Time) {
	p.adjust(now)
	p.cut *= ceiling / p.ceiling
	p.limit *= ceiling / p.ceiling
	p.ceiling = ceiling
	p.adjust(now)
	p.tokens = min(p.tokens, p.burst)
}

// adjust brings the rate of the bucket up to date.
func (p *pace) adjust(now time.Time) {
	rate := p.rateAt(now)
	p.setRate(rate, max(1, rate/10), now)
}

// rateAt returns the rate in requests/s.
func (p *pace) rateAt(now time.Time) float64 {
	since := now.Sub(p.cutAt)
	if since < regain {
		return min(p.ceiling, p.cut+(p.limit-p.cut)*since.Seconds()/regain.Seconds())
	}
	return min(p.ceiling, p.limit*math.Exp(math.Pow((since-regain).Seconds()/grow.Seconds(), 3)))
}

// take takes a token for a request that is sent now.
func (p *pace) take(now time.Time) {
	p.tokens--
	p.resumes = false
	p.use.sent(now)
}

// answered takes in that a request was not throttled.
func (p *pace) answered(sent time.Time) {
	if !sent.Before(p.cutAt) {
		p.answers++
	}
}

// slow cuts the rate, unless the throttled request was sent before the last cut. It cuts from what is really sent.
func (p *pace) slow(sent, now time.Time) {
	if !sent.Before(p.cutAt) {
		rate := max(min(p.rateAt(now), p.use.rate(now)*useMargin), min(floorRate, p.ceiling))
		if p.answers < row {
			p.step = min(maxRowCut, 2*p.step)
		} else {
			p.limit = rate
			p.step = min(maxCut, max(minCut, cutRate/rate))
		}
		p.cut = max(rate*(1-p.step), min(floorRate, p.ceiling))
		p.cutAt, p.answers = now, 0
	}
	p.adjust(now)
	if !p.at.After(now) {
		p.tokens = 0 // the next request waits for its whole interval
	}
}

// use counts the requests that are really sent.
type use struct {
	from time.Time // when the count began
	n    int
	last float64 // requests/s of the count before
}

func (u *use) sent(now time.Time) {
	if d := now.Sub(u.from); d >= useWindow {
		u.last = float64(u.n) / d.Seconds()
		u.from, u.n = now, 0
	}
	u.n++
}

// rate returns how many requests/s were sent lately.
func (u *use) rate(now time.Time) float64 {
	return max(u.last, float64(u.n)/max(1, now.Sub(u.from).Seconds()))
}

// tally counts answers, and how many of them were 429s. Each counts the less the older it is: 1/e after fadeTime.
type tally struct {
	answers, throttled float64
	at                 time.Time // as of when
}

const (
	fadeTime  = 30 * time.Second
	fadedAway = 0.3 // less than this is as if there was none
)

// asOf returns the tally as of a later time.
func (t tally) asOf(now time.Time) tally {
	part := math.Exp(-now.Sub(t.at).Seconds() / fadeTime.Seconds())
	return tally{t.answers * part, t.throttled * part, now}
}

// add counts an answer, and so many 429s.
func (t *tally) add(throttled float64, now time.Time) {
	*t = t.asOf(now)
	t.answers++
	t.throttled += throttled
}
