package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"os"
	"slices"
	"time"
)

// chaosCmd runs `farmwire run` as processes of their own against Apache Kafka and the simulated farm, does
// them harm by a seed, and checks what a reader that we did not write finds in Kafka then.
type chaosCmd struct {
	Seed        uint64        `default:"1" help:"What the farm's life and the order of the harm are made from."`
	Duration    time.Duration `default:"30m" help:"No harm is done after that, whatever is left to do."`
	Kills       int           `default:"20" help:"SIGKILLs of instances at random moments."`
	Stops       int           `default:"4" help:"SIGSTOPs of an instance until others own its shards; needs two instances."`
	BrokerKills int           `name:"broker-kills" default:"2" help:"SIGKILLs of brokers, which are started again."`
	Cuts        int           `default:"6" help:"Times that the connections to a broker or to the API are cut."`
	Freezes     int           `default:"3" help:"Times that they hang half-open: nothing comes through, or no answers, until they are reset."`
	Restarts    int           `default:"2" help:"Graceful restarts of all instances."`
	Late        int           `help:"Produce requests that are held back until their transaction was aborted and the next one has begun; each takes a minute."`
	LateEnds    int           `name:"late-ends" help:"EndTxn requests that come a second time, in the middle of a later transaction of the same id."`
	Unheard     int           `help:"Times that an instance's heartbeats hang until others take its shards over, slowly, while it goes on; needs two instances."`
	Calm        time.Duration `help:"How long farm and instances go on when no harm is left to do."`

	Brokers       int           `enum:"1,3" default:"1" help:"Brokers of the cluster."`
	Instances     int           `default:"2" help:"Instances of farmwire, 1 to 3."`
	Static        bool          `help:"Instances are static members of the group (--instance-id), so that a killed one is back at once."`
	Workers       int           `default:"60" help:"Workers of the farm, about."`
	Speed         float64       `default:"100" help:"How many times faster than a real farm it lives."`
	Faults        string        `enum:"none,all,stale" default:"all" help:"Faults of the API. all: every one but stale reads; stale: these too, and then only starts, ends and targets are checked."`
	Fault         []string      `placeholder:"KIND[=P[/DELAY]][@OPERATION]" help:"Further faults of the API, as for the farm command, of all operations or of one."`
	PageSize      int           `name:"page-size" default:"10" help:"Most entries of a page of the API, 1 to 100."`
	Churn         float64       `default:"0.02" help:"Share of the workers that are deleted in a minute, whatever they do."`
	Grace         time.Duration `default:"100s" help:"No worker is deleted sooner after its last session began; what could be shown for nearly so long must have been seen. Say 4m with many kills: instances that live for seconds hardly poll."`
	JudgeListings bool          `name:"judge-listings" help:"A start may be missing unless a complete listing showed it to an instance that lived on for three seconds, or two did. For instances that live for seconds, which no --grace suits."`
	Initial       string        `enum:"open,all,none" default:"open" help:"farmwire's --initial."`

	APIRate        float64       `name:"api-rate" default:"120" help:"farmwire's --api-rate."`
	SessionTimeout time.Duration `default:"2s" help:"farmwire's --session-timeout; the brokers allow 500ms."`
	Settle         time.Duration `default:"15s" help:"How long farm and instances go on undisturbed before everything must have been published."`
	Farmwire       string        `placeholder:"PATH" help:"The farmwire to run. Default: it is built from this module."`
	Wrong          []string      `placeholder:"NAME" help:"Try wrong publishers instead (testdata/wrong), each by its own run; all: every one."`
	Right          bool          `help:"With --wrong: also try the right publisher in their runs, with those of their edits that only change the pace. Nothing must be found."`
	Table          string        `placeholder:"FILE" help:"With --wrong: keep what came of each in a table (Markdown) of this commit, and try only what is not in it."`
	Keep           bool          `help:"Keep logs, dumps and truth even if nothing is wrong."`
}

// errAnomalies is told by the report itself.
var errAnomalies = errors.New("what was published is wrong")

// Validate is called by kong.
func (c *chaosCmd) Validate() error {
	switch {
	case c.Instances < 1 || c.Instances > 3:
		return errors.New("--instances must be 1 to 3")
	case c.Stops > 0 && c.Instances < 2:
		return errors.New("--stops needs --instances 2 or 3: somebody must take over")
	case c.Unheard > 0 && c.Instances < 2:
		return errors.New("--unheard needs --instances 2 or 3: somebody must take over")
	case c.Table != "" && len(c.Wrong) == 0, c.Right && len(c.Wrong) == 0:
		return errors.New("--table and --right need --wrong")
	case c.Workers < 1 || c.Speed <= 0:
		return errors.New("--workers must be at least 1, and --speed above 0")
	}
	_, err := chaosFaults(c.Fault)
	return err
}

// Run plays, reads back and checks. It returns errAnomalies if anything is wrong.
func (c *chaosCmd) Run(ctx context.Context, std streams) error {
	if len(c.Wrong) > 0 {
		return c.runWrong(ctx, std.out)
	}
	dir, err := os.MkdirTemp("", "farmwire-chaos-")
	if err != nil {
		return err
	}
	v, err := c.run(ctx, std.out, dir)
	switch {
	case err == nil && v.good() && !c.Keep:
		return os.RemoveAll(dir)
	case ctx.Err() != nil && !c.Keep:
		return errors.Join(ctx.Err(), os.RemoveAll(dir))
	}
	fmt.Fprintln(std.out, "logs, dumps and truth are in", dir)
	if err == nil && !v.good() {
		return errAnomalies
	}
	return err
}

func (c *chaosCmd) run(ctx context.Context, out io.Writer, dir string) (_ verdict, err error) {
	fmt.Fprintf(out, "chaos with seed %d: %d SIGKILL, %d SIGSTOP take-overs, %d broker kills, %d cuts, %d restarts, %d late produces, %d late EndTxns, %d unheard take-overs; %d instances, %d brokers, %d workers, faults %s\n",
		c.Seed, c.Kills, c.Stops, c.BrokerKills, c.Cuts, c.Restarts, c.Late, c.LateEnds, c.Unheard, c.Instances, c.Brokers, c.Workers, c.Faults)
	a, err := openArena(ctx, c, dir)
	if err != nil {
		return verdict{}, err
	}
	defer func() { err = errors.Join(err, a.Close()) }()
	rng := rand.New(rand.NewPCG(c.Seed, 7))
	p := &play{arena: a, rng: rng, out: out, session: c.SessionTimeout, counts: map[act]int{}, moving: make(chan struct{}, 1)}
	begun := time.Now()
	if err := a.awaitFollowed(ctx); err != nil {
		return verdict{}, err
	}
	if err := a.awaitReady(ctx); err != nil {
		return verdict{}, err
	}
	if err := p.run(ctx, planActs(c, rng), begun.Add(c.Duration)); err != nil {
		return verdict{}, err
	}
	a.acts.Wait()
	pause(ctx, c.Calm)
	fmt.Fprintf(out, "done in %s: %s\n", time.Since(begun).Round(time.Second), p.tell())
	v, err := a.finish(ctx, c, out)
	if err != nil {
		return v, err
	}
	fmt.Fprintf(out, "replay: farmwire-demo chaos %s\n", c.flags())
	return v, v.print(out)
}

// flags are those that make the same run again, as far as a run with processes can be.
func (c *chaosCmd) flags() string {
	text := fmt.Sprintf("--seed %d --kills %d --stops %d --broker-kills %d --cuts %d --freezes %d --restarts %d --late %d --late-ends %d --unheard %d --brokers %d --instances %d --workers %d --speed %g --faults %s --initial %s",
		c.Seed, c.Kills, c.Stops, c.BrokerKills, c.Cuts, c.Freezes, c.Restarts, c.Late, c.LateEnds, c.Unheard, c.Brokers, c.Instances, c.Workers, c.Speed, c.Faults, c.Initial)
	if c.Static {
		text += " --static"
	}
	if c.JudgeListings {
		text += " --judge-listings"
	}
	for _, f := range c.Fault {
		text += " --fault " + f
	}
	return text + fmt.Sprintf(" --calm %s --page-size %d --churn %g --grace %s --session-timeout %s", c.Calm, c.PageSize, c.Churn, c.Grace, c.SessionTimeout)
}

func sortActs(acts []act) { slices.Sort(acts) }

// tell lists counts in a fixed order.
func tell(counts map[act]int) string {
	text := ""
	for _, what := range slices.Sorted(maps.Keys(counts)) {
		if text != "" {
			text += ", "
		}
		text += fmt.Sprintf("%s %d", what, counts[what])
	}
	return text
}
