package farmtest

import "slices"

// Order is the order of the entries in a listing. The service documents none.
type Order int

// The orders of a listing. All are stable: entries that come or go between two pages do not move the others.
const (
	NewestFirst Order = iota
	OldestFirst
	RandomStable // unrelated to the time of creation
)

// key returns the sort key of the n-th entry that was created. No two entries have the same key.
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

// mix is a bijection of the 64-bit numbers that looks random.
func mix(n uint64) uint64 {
	n += 0x9e3779b97f4a7c15
	n = (n ^ n>>30) * 0xbf58476d1ce4e5b9
	n = (n ^ n>>27) * 0x94d049bb133111eb
	return n ^ n>>31
}

// ordered is a list of entries sorted by key.
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

// after returns the index of the first entry whose key is greater than key.
func (o *ordered[T]) after(key uint64) int {
	i, found := slices.BinarySearch(o.keys, key)
	if found {
		i++
	}
	return i
}
