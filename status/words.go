package status

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"
)

const (
	commitLimit = time.Minute      // a shard that is ready has committed within this time; an idle one commits twice in it
	slowCommit  = 10 * time.Second // a transaction that takes longer is told
)

// SettledFor is how long a shard that failed must be followed for its earlier failures not to count any more.
const SettledFor = time.Minute

// causes returns all causes, in the order of their kinds.
func (r Report) causes() []Cause {
	switch r.Stage {
	case OpeningTopics:
		return []Cause{r.stage("the topics are being opened")}
	case Initializing:
		return append([]Cause{r.stage("the state topic is initialized as soon as Deadline Cloud has shown a farm")}, r.polling()...)
	}
	return slices.Concat(r.group(), r.shards(), r.leaderless(), r.polling(), r.Polling.Watermarks.note())
}

func (r Report) stage(text string) Cause {
	c := Cause{Key: Key{Kind: KindStage}, Progress: r.Waiting == nil, Text: text}
	if r.Waiting != nil {
		c.Text += ": " + errorText(r.Waiting)
	}
	return c
}

// group tells whether the instance is a member of the consumer group. A member without a shard stands by, and is ready.
func (r Report) group() []Cause {
	c := Cause{Key: Key{Kind: KindGroup}}
	switch {
	case r.Group.Err != nil && len(r.Shards) > 0:
		c.Severity, c.Text = Warning, "the consumer group cannot be reached: "+errorText(r.Group.Err)
	case r.Group.Err != nil:
		c.Text = "the consumer group cannot be reached: " + errorText(r.Group.Err)
	case len(r.Shards) > 0:
		return nil
	case !r.Group.Joined:
		c.Progress, c.Text = true, "the consumer group is being joined"
	default:
		c.Severity, c.Text = Note, "the consumer group has assigned no shard to this instance, which stands by"
	}
	return []Cause{c}
}

// shards tells what is wrong with the shards that are assigned to this instance.
func (r Report) shards() []Cause {
	var all []Cause
	for _, s := range slices.SortedFunc(slices.Values(r.Shards), func(a, b Shard) int { return cmp.Compare(a.Number, b.Number) }) {
		if c, ok := s.cause(r.At, r.DryRun); ok {
			c.Of = strconv.Itoa(s.Number)
			all = append(all, c)
		}
	}
	return bounded(all, "shards")
}

// cause returns what is wrong with a shard. It reports false if nothing is.
func (s Shard) cause(now time.Time, dryRun bool) (Cause, bool) {
	shard := Cause{Key: Key{Kind: KindShard}}
	switch {
	case s.State == Acquiring && s.Err == nil:
		shard.Progress, shard.Text = true, fmt.Sprintf("shard %d is being acquired", s.Number)
	case s.State == Acquiring:
		shard.Text = fmt.Sprintf("shard %d is being acquired again after it failed: %s", s.Number, errorText(s.Err))
	case s.State == Waiting:
		shard.Text = fmt.Sprintf("shard %d waits to be acquired again: %s", s.Number, errorText(s.Err))
	case s.Failures > 1 && now.Sub(s.Since) < SettledFor:
		shard.Text = fmt.Sprintf("shard %d has failed %d times in a row, and is ready after a minute without a failure: %s", s.Number, s.Failures, errorText(s.Err))
	default:
		return s.commitCause(now, dryRun)
	}
	return shard, true
}

// commitCause returns what is wrong with the commits of a shard that is followed.
func (s Shard) commitCause(now time.Time, dryRun bool) (Cause, bool) {
	c := Cause{Key: Key{Kind: KindCommit}}
	switch since, waits := now.Sub(latest(s.Committed, s.Since)), now.Sub(s.Publishing); {
	case dryRun && !s.Publishing.IsZero() && waits > slowCommit:
		c.Severity, c.Text = Warning, fmt.Sprintf("an event has waited for %s to be printed: whoever reads them stands still", age(waits))
	case dryRun:
		return c, false
	case since > commitLimit:
		c.Text = fmt.Sprintf("shard %d has committed no transaction for %s", s.Number, age(since))
	case s.Committed.IsZero():
		c.Progress, c.Text = true, fmt.Sprintf("shard %d has not committed its first transaction yet", s.Number)
	case s.Unpublished > 0 && now.Sub(s.Since) < SettledFor:
		c.Text = fmt.Sprintf("shard %d has failed, and not published the changes of %s since then: %s", s.Number, number(s.Unpublished, "worker"), errorText(s.Err))
	case s.Unasked > 0:
		c.Kind, c.Progress = KindUnasked, true
		c.Text = fmt.Sprintf("shard %d has %s that Deadline Cloud was not asked for since the restore", s.Number, number(s.Unasked, "open session"))
	case !s.Publishing.IsZero() && waits > slowCommit:
		c.Severity = Warning
		c.Text = fmt.Sprintf("shard %d has waited for %s for the brokers to commit a transaction", s.Number, age(waits))
	default:
		return c, false
	}
	return c, true
}

// leaderless tells which partitions have no leader and hold changes up. All shards may write to the same partition.
func (r Report) leaderless() []Cause {
	workers := make(map[string]int)
	for _, s := range r.Shards {
		for partition, n := range s.Leaderless {
			workers[partition] += n
		}
	}
	var all []Cause
	for _, partition := range slices.Sorted(maps.Keys(workers)) {
		all = append(all, Cause{Key: Key{Kind: KindLeaderless, Of: partition}, Severity: Warning,
			Text: fmt.Sprintf("%s has no leader, and the changes of %s wait for it: start the brokers that keep its replicas", partition, number(workers[partition], "worker"))})
	}
	return bounded(all, "partitions")
}

// bounded leaves the first causes named, and adds one that counts the others. All are of one kind or of related kinds.
func bounded(all []Cause, what string) []Cause {
	named := 0
	var more Cause
	for i, c := range all {
		if c.Unnamed {
			continue
		}
		if named++; named <= maxNamed {
			continue
		}
		if all[i].Unnamed = true; named == maxNamed+1 {
			more = Cause{Key: Key{Kind: c.Kind, Of: "more"}, Severity: c.Severity, Progress: c.Progress}
		}
		more.Severity, more.Progress = min(more.Severity, c.Severity), more.Progress && c.Progress
	}
	if named <= maxNamed {
		return all
	}
	more.Text = fmt.Sprintf("%d more %s have such a problem", named-maxNamed, what)
	return append(all, more)
}

// longestError is how much of the text of an error is told, in bytes.
const longestError = 400

// errorText returns the text of an error in one line that is not too long.
func errorText(err error) string {
	if err == nil {
		return "the cause is not known"
	}
	text := strings.Join(strings.Fields(err.Error()), " ")
	if len(text) > longestError {
		text = strings.ToValidUTF8(text[:longestError], "") + " …"
	}
	return text
}

// age returns a duration as people read it.
func age(d time.Duration) string {
	if d < 10*time.Minute {
		return d.Truncate(time.Second).String()
	}
	return strings.TrimSuffix(d.Truncate(time.Minute).String(), "0s")
}

func latest(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

func number(n int, of string) string {
	if n == 1 {
		return "1 " + of
	}
	return fmt.Sprintf("%d %ss", n, of)
}
