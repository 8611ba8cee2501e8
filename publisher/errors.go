package publisher

import (
	"errors"
	"fmt"
)

var (
	// ErrFenced says that another producer has taken the transactional id over, or that the broker
	// has timed the transaction out. It does not prove that the shard has another owner: ask the
	// group, then acquire the shard again or let it go.
	ErrFenced = errors.New("fenced by another producer")

	// ErrUnknownOutcome says that nobody answered whether the transaction was committed. The shard must be
	// acquired again: that settles the transaction and shows what became of it.
	ErrUnknownOutcome = errors.New("outcome of the transaction is unknown")

	// ErrRefused says that what the topics hold does not fit this configuration or this version.
	// Trying again does not help; the text says why and what to do.
	ErrRefused = errors.New("refused")
)

// refuse makes an ErrRefused whose text says why and what to do.
func refuse(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrRefused, fmt.Sprintf(format, args...))
}
