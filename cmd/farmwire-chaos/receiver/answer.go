package receiver

import (
	"hash/fnv"
	"strconv"

	"farmwire/cmd/farmwire-chaos/receipts"
)

// fate is what the receiver has in mind for an event.
type fate struct {
	refuses bool // the event is always refused
	noes    int  // otherwise, so often before it says yes
	trouble int  // and so often nobody is there, or the answer is lost
}

// fateOf decides by the seed, so that it does not depend on when the event comes.
func (r *Receiver) fateOf(group, id string) fate {
	h := fnv.New64a()
	h.Write([]byte(strconv.FormatUint(r.cfg.Seed, 10) + group + id))
	n := h.Sum64()
	n ^= n >> 29
	n *= 0xbf58476d1ce4e5b9 // the last letters of an id must change all bits
	n ^= n >> 32
	f := fate{refuses: n%100 < refusedPercent}
	if n/100%100 < unwillingPercent {
		f.noes = 1 + int(n/10_000%uint64(max(r.cfg.Attempts-1, 1)))
	}
	if n/1_000_000%100 < troubledPercent {
		f.trouble = 1 + int(n/100_000_000%mostTroubles)
	}
	return f
}

const (
	refusedPercent   = 4  // of the events are always refused
	unwillingPercent = 10 // are told no and then yes
	troubledPercent  = 30 // do not get through, and then they do
	mostTroubles     = 3
)

// Hanging is the status of a refusal that tells a command to hang until its time is over.
const Hanging = 418

// deed is what the receiver does with one request.
type deed struct {
	answer     receipts.Answer
	status     int    // of the answer
	retryAfter string // of the answer
	cut        bool   // the connection, instead of an answer
	hang       bool   // instead of an answer
}

// decide decides what to do with the next request for an event. r.mu is held.
func (r *Receiver) decide(e *state) deed {
	if e.troubles < e.fate.trouble && !r.calm {
		e.troubles++
		return r.trouble(e.fate.refuses)
	}
	if e.fate.refuses || e.noes < e.fate.noes {
		e.noes++
		status := []int{500, 500, 400, 404, 422, 302}[r.rng.IntN(6)]
		if r.rng.IntN(40) == 0 {
			status = Hanging
		}
		return deed{answer: receipts.No, status: status}
	}
	return deed{answer: receipts.Yes, status: []int{200, 202, 204}[r.rng.IntN(3)]}
}

// trouble is a request that gets no yes and no no. What is refused is never taken.
func (r *Receiver) trouble(refuses bool) deed {
	answer := receipts.Away
	if !refuses && r.rng.IntN(2) == 0 {
		answer = receipts.Taken
	}
	kinds := []deed{{answer: answer, cut: true}, {answer: answer, hang: true}}
	if answer == receipts.Away {
		kinds = append(kinds, deed{answer: answer, status: 503, retryAfter: "2"}, deed{answer: answer, status: 429, retryAfter: "1"},
			deed{answer: answer, status: 502}, deed{answer: answer, status: 504})
	}
	return kinds[r.rng.IntN(len(kinds))]
}
