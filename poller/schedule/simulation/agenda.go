package simulation

import (
	"container/heap"
	"time"
)

// agenda is what happens in virtual time, which is counted from the start of the simulation. What is added first goes first
// of what happens at the same time.
type agenda struct {
	items items
	added uint64
}

type item struct {
	at     time.Duration
	number uint64
	do     func()
}

func (a *agenda) add(at time.Duration, do func()) {
	a.added++
	heap.Push(&a.items, item{at, a.added, do})
}

// next returns the time of the next item. It reports false if there is none.
func (a *agenda) next() (time.Duration, bool) {
	if len(a.items) == 0 {
		return 0, false
	}
	return a.items[0].at, true
}

// take removes the next item and returns what it does.
func (a *agenda) take() func() { return heap.Pop(&a.items).(item).do }

// items implements heap.Interface.
type items []item

func (s items) Len() int { return len(s) }
func (s items) Less(i, j int) bool {
	return s[i].at < s[j].at || s[i].at == s[j].at && s[i].number < s[j].number
}
func (s items) Swap(i, j int) { s[i], s[j] = s[j], s[i] }

// Push is a method of heap.Interface.
func (s *items) Push(x any) { *s = append(*s, x.(item)) }

// Pop is a method of heap.Interface.
func (s *items) Pop() any {
	last := len(*s) - 1
	x := (*s)[last]
	(*s)[last] = item{}
	*s = (*s)[:last]
	return x
}
