package farmtest

import "slices"

// Order is the order in which listings are given. The service documents none.
type Order int

// The orders of a listing. Each is stable: it does not change while a listing is paged.
const (
	NewestFirst Order = iota
	OldestFirst
	RandomStable // an order that has nothing to do with time
)

// key places the n-th entry that was made; no two entries have the same key.
func (o Order) key(n uint64) uint64 {
	switch o {
	case OldestFirst:
		return n
	case RandomStable:
		return mix(n)
	default:
		return ^n
	}
}

// mix scatters n one to one over all 64-bit numbers.
func mix(n uint64) uint64 {
	n += 0x9e3779b97f4a7c15
	n = (n ^ n>>30) * 0xbf58476d1ce4e5b9
	n = (n ^ n>>27) * 0x94d049bb133111eb
	return n ^ n>>31
}

// ordered holds entries sorted by key.
type ordered[T any] struct {
	keys  []uint64
	items []T
}

func (o *ordered[T]) insert(key uint64, item T) {
	i, _ := slices.BinarySearch(o.keys, key)
	o.keys = slices.Insert(o.keys, i, key)
	o.items = slices.Insert(o.items, i, item)
}

func (o *ordered[T]) remove(key uint64) {
	if i, found := slices.BinarySearch(o.keys, key); found {
		o.keys = slices.Delete(o.keys, i, i+1)
		o.items = slices.Delete(o.items, i, i+1)
	}
}

// after returns the index of the first entry behind key.
func (o *ordered[T]) after(key uint64) int {
	i, found := slices.BinarySearch(o.keys, key)
	if found {
		i++
	}
	return i
}
