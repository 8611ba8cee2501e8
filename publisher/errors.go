package publisher

import (
	"errors"
	"fmt"

	"farmwire/cluster"
)

var (
	// ErrFenced says that another producer has taken the transactional id over, or that the broker has aborted the
	// transaction because it took too long. It does not prove that the shard has another owner. If the group still assigns
	// the shard, acquire it again.
	ErrFenced = errors.New("fenced by another producer")

	// ErrUnknownOutcome says that no broker answered whether the transaction was committed. The shard must be
	// acquired again, which settles the transaction and shows what became of it.
	ErrUnknownOutcome = errors.New("outcome of the transaction is unknown")

	// ErrLost is the cause with which the context of serve ends when the group has taken the shard away without asking,
	// because no heartbeat has reached it for the session timeout. Another instance may have the shard already.
	ErrLost = errors.New("the group has taken the shard away")

	// ErrRefused says that what the topics hold does not fit this configuration or this version. Trying again does not
	// help. A [cluster.Error] with the kind of the problem goes with it: its text says why, and what to do.
	ErrRefused = errors.New("refused")
)

// refuse makes an ErrRefused.
func refuse(kind cluster.Kind, format string, args ...any) error {
	return fmt.Errorf("%w: %w", ErrRefused, &cluster.Error{Kind: kind, Text: fmt.Sprintf(format, args...)})
}
