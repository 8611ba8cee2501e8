package publisher

import (
	"net"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/segmentio/kafka-go/protocol/metadata"
)

const (
	maxSeeds   = 32               // brokers of an answer that are remembered
	seedPause  = 30 * time.Second // for which a seed that failed is left alone while there is another one
	seedDialed = "seed"           // the network by which the transport dials a seed
)

// seeds are the brokers that the transport asks for metadata and for coordinators. At first these are the bootstrap brokers. If
// none of them can be used any more, the brokers that the last answer named are asked too. The transport itself knows only the
// addresses that it was given, and would find no leader any more.
//
// The transport tries the seeds in random order. So seeds also remember which of them failed, because a seed that accepts
// connections and never answers would otherwise be chosen again and again.
type seeds struct {
	bootstrap []string
	mu        sync.Mutex
	addr      *seedAddr
	named     []string               // by the last answer, at most maxSeeds
	failures  map[string]seedFailure // by address, of those in addr
}

type seedFailure struct {
	at  time.Time
	err error
}

func newSeeds(bootstrap []string) *seeds {
	return &seeds{bootstrap: bootstrap, addr: &seedAddr{bootstrap}, failures: make(map[string]seedFailure)}
}

// current returns the address to hand to the transport, which uses new connections if it is another one than before. It
// changes only when all seeds have failed and there are others.
func (s *seeds) current() *seedAddr {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !slices.ContainsFunc(s.addr.all, s.isUsable) {
		isNew := func(address string) bool { return !slices.Contains(s.addr.all, address) }
		if slices.ContainsFunc(s.named, isNew) {
			isNamed := func(address string) bool { return slices.Contains(s.named, address) }
			s.addr = &seedAddr{append(slices.DeleteFunc(slices.Clone(s.bootstrap), isNamed), s.named...)}
			clear(s.failures)
		}
	}
	return s.addr
}

// isUsable reports whether a seed has not failed lately.
func (s *seeds) isUsable(address string) bool {
	f, failed := s.failures[address]
	return !failed || time.Since(f.at) >= seedPause
}

// learn takes in the brokers that an answer names.
func (s *seeds) learn(brokers []metadata.ResponseBroker) {
	named := make([]string, min(len(brokers), maxSeeds))
	for i := range named {
		named[i] = net.JoinHostPort(brokers[i].Host, strconv.Itoa(int(brokers[i].Port)))
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.named = named
}

// failed remembers that a connection to a seed failed before it could be used.
func (s *seeds) failed(address string, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if slices.Contains(s.addr.all, address) {
		s.failures[address] = seedFailure{time.Now(), err}
	}
}

// worked forgets that a seed failed.
func (s *seeds) worked(address string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.failures, address)
}

// avoid returns why a seed failed if it should not be tried now, because it failed lately and another seed did not.
func (s *seeds) avoid(address string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.isUsable(address) || !slices.ContainsFunc(s.addr.all, s.isUsable) {
		return nil
	}
	return s.failures[address].err
}

// seedAddr is the address of all seeds, in the form in which the transport takes a list: names and addresses, each separated
// by commas. It never changes.
type seedAddr struct{ all []string }

// Network names the network once for each address.
func (a *seedAddr) Network() string {
	return strings.Join(slices.Repeat([]string{seedDialed}, len(a.all)), ",")
}

// String returns the addresses.
func (a *seedAddr) String() string { return strings.Join(a.all, ",") }
