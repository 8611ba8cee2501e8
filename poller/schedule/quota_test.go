package schedule

import (
	"container/heap"
	"math"
	"math/rand/v2"
	"time"
)

var epoch = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

func seconds(s float64) time.Duration { return time.Duration(s * 1e9) }

// account is a service in virtual time, with the instances that send requests to it. A round trip takes 50 to 150 ms.
type account struct {
	random *rand.Rand
	now    time.Time
	events events
	quota  *quota          // of the account; nil if there is none
	quotas map[Kind]*quota // of operations
	users  []*user
	sent   []float64 // when requests were sent, in seconds
	passed []float64 // when requests were accepted
}

// quota is a token bucket.
type quota struct {
	rate   func(t float64) float64 // requests/s at second t
	burst  float64                 // in seconds at the rate; at least one token
	tokens float64
	at     float64
}

func (q *quota) accepts(t float64) bool {
	if q == nil {
		return true
	}
	q.tokens = min(max(1, q.burst*q.rate(t)), q.tokens+q.rate(t)*(t-q.at))
	q.at = t
	return q.tokens >= 1
}

func (q *quota) take() {
	if q != nil {
		q.tokens--
	}
}

// flips is a quota that is halved and doubled every 300 s.
func flips(rate float64) func(float64) float64 {
	return func(t float64) float64 { return rate / float64(1+int(t/300)%2) }
}

func constant(rate float64) func(float64) float64 { return func(float64) float64 { return rate } }

// user is an instance with a demand for requests.
type user struct {
	*account
	budget                *budget
	demands               []demand // the first goes first
	at                    float64
	wakes                 int
	accepted              int
	throttled             int
	acceptedOf, deniedOf  [kinds]int
	acceptedLate, untilOf float64 // accepted in the second half
}

// demand is how many requests of a kind are wanted.
type demand struct {
	kind   Kind
	rate   float64 // requests/s; infinite if without end
	credit float64
}

func newAccount(seed uint64, q *quota) *account {
	return &account{random: rand.New(rand.NewPCG(seed, 1)), now: epoch, quota: q, quotas: map[Kind]*quota{}}
}

func (a *account) add(total float64, owned int, demands ...demand) *user {
	u := &user{account: a, budget: newBudget(total, a.now), demands: demands}
	u.budget.setShare(owned, 12, a.now)
	a.users = append(a.users, u)
	return u
}

func (a *account) seconds() float64 { return a.now.Sub(epoch).Seconds() }

func (a *account) run(length float64) {
	for _, u := range a.users {
		u.untilOf = length
		u.send()
	}
	for end := epoch.Add(seconds(length)); len(a.events) > 0 && !a.events[0].at.After(end); {
		e := heap.Pop(&a.events).(event)
		a.now = e.at
		e.do()
	}
}

// send sends what may be sent now.
func (u *user) send() {
	for {
		first, which := u.now.Add(time.Hour), -1
		for i := range u.demands {
			if at := u.due(&u.demands[i]); at.Before(first) {
				first, which = at, i
			}
		}
		u.at = u.seconds()
		if u.wakes++; first.After(u.now) {
			wake := u.wakes
			u.schedule(first, func() {
				if u.wakes == wake {
					u.send()
				}
			})
			return
		}
		u.demands[which].credit--
		u.request(u.demands[which].kind)
	}
}

// due returns when the next request of a demand may be sent.
func (u *user) due(d *demand) time.Time {
	at := u.budget.ready(d.kind, u.now)
	if math.IsInf(d.rate, 1) {
		return at
	}
	d.credit = min(10, d.credit+(u.seconds()-u.at)*d.rate)
	if d.credit < 1 {
		at = latest(at, u.now.Add(seconds((1-d.credit)/d.rate)+1))
	}
	return at
}

func (u *user) request(k Kind) {
	u.budget.take(k, u.now)
	sent, trip := u.now, 0.05+0.1*u.random.Float64()
	u.sent = append(u.sent, u.seconds())
	u.schedule(sent.Add(seconds(trip/2)), func() {
		ok := u.quota.accepts(u.seconds()) && u.quotas[k].accepts(u.seconds())
		if ok {
			u.quota.take()
			u.quotas[k].take()
			u.passed = append(u.passed, u.seconds())
		}
		u.schedule(sent.Add(seconds(trip)), func() {
			u.answer(k, ok, sent)
			u.send()
		})
	})
}

func (u *user) answer(k Kind, ok bool, sent time.Time) {
	if !ok {
		u.throttled++
		u.deniedOf[k]++
		u.budget.throttled(k, sent, 0, u.now)
		return
	}
	u.accepted++
	u.acceptedOf[k]++
	if u.seconds() > u.untilOf/2 {
		u.acceptedLate++
	}
	u.budget.answered(k, sent, u.now)
}

// figures are what came of a run. Down and up are how many seconds after the quota was halved or doubled the requests of the
// last two seconds were below 1.1 of it, or those that were accepted above 0.9; the worst of each.
type figures struct{ used, throttled, down, up, jain float64 }

func (a *account) figures(q *quota, length float64, flipping bool) figures {
	var f figures
	var all, sum, squares float64
	for t := range int(length) {
		all += q.rate(float64(t))
	}
	for _, u := range a.users {
		f.throttled += float64(u.throttled) / float64(len(a.sent))
		sum += u.acceptedLate
		squares += u.acceptedLate * u.acceptedLate
	}
	f.used = float64(len(a.passed)) / all
	f.jain = sum * sum / squares / float64(len(a.users))
	for t := 300.0; flipping && t < length; t += 300 {
		if r := q.rate(t); r < q.rate(t-1) {
			f.down = max(f.down, settles(a.sent, t, func(got float64) bool { return got <= 1.1*r }))
		} else {
			f.up = max(f.up, settles(a.passed, t, func(got float64) bool { return got >= .9*r }))
		}
	}
	return f
}

// settles returns how long after t the rate over the last two seconds is good.
func settles(times []float64, t float64, good func(float64) bool) float64 {
	for d := 2.0; d < 300; d += .25 {
		if good(float64(count(times, t+d-2, t+d)) / 2) {
			return d
		}
	}
	return math.Inf(1)
}

// count returns how many of the sorted times are from a to before b.
func count(times []float64, a, b float64) int {
	return search(times, b) - search(times, a)
}

func search(times []float64, t float64) int {
	lo, hi := 0, len(times)
	for lo < hi {
		if mid := (lo + hi) / 2; times[mid] < t {
			lo = mid + 1
		} else {
			hi = mid
		}
	}
	return lo
}

type event struct {
	at time.Time
	n  int
	do func()
}

type events []event

func (a *account) schedule(at time.Time, do func()) {
	heap.Push(&a.events, event{at, len(a.sent)*4 + len(a.passed), do})
}

func (e events) Len() int { return len(e) }
func (e events) Less(i, j int) bool {
	return e[i].at.Before(e[j].at) || e[i].at.Equal(e[j].at) && e[i].n < e[j].n
}
func (e events) Swap(i, j int) { e[i], e[j] = e[j], e[i] }
func (e *events) Push(x any)   { *e = append(*e, x.(event)) }
func (e *events) Pop() any {
	last := (*e)[len(*e)-1]
	*e = (*e)[:len(*e)-1]
	return last
}
