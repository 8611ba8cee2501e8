package main

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"farmwire/cmd/farmwire-chaos/proxy"
	"farmwire/poller/farmtest"
)

// The methods of this file take something away and return how it is given back.

// kafkaProxies are those through which the instances reach Kafka.
func (o *outages) kafkaProxies() []*proxy.Proxy { return slices.Concat(o.seeds, o.brokers) }

// killBroker kills a broker, so that its addresses are refused, too.
func (o *outages) killBroker(n int) error {
	o.brokers[n].Refuse()
	if n < len(o.seeds) {
		o.seeds[n].Refuse()
	}
	return o.kafka.Kill(n)
}

// startBroker starts a broker again. It waits for the others, as most of them must run.
func (o *outages) startBroker(ctx context.Context, n int) error {
	err := errors.Join(o.kafka.Restart(ctx, n), o.brokers[n].Admit())
	if n < len(o.seeds) {
		err = errors.Join(err, o.seeds[n].Admit())
	}
	return err
}

// takeOneBroker kills another broker in each round.
func (o *outages) takeOneBroker() (func(context.Context) error, error) {
	n := o.round % o.kafka.Size()
	return func(ctx context.Context) error { return o.startBroker(ctx, n) }, o.killBroker(n)
}

func (o *outages) killBrokers() (func(context.Context) error, error) {
	var err error
	for n := range o.brokers {
		err = errors.Join(err, o.killBroker(n))
	}
	return func(ctx context.Context) error {
		errs := make([]error, len(o.brokers))
		var all sync.WaitGroup
		for n := range o.brokers {
			all.Go(func() { errs[n] = o.startBroker(ctx, n) })
		}
		all.Wait()
		return errors.Join(errs...)
	}, err
}

// stopOneBroker stops another broker in each round. It keeps its connections, and answers nothing.
func (o *outages) stopOneBroker() (func(context.Context) error, error) {
	n := o.round % o.kafka.Size()
	return func(context.Context) error { return o.kafka.Resume(n) }, o.kafka.Pause(n)
}

func (o *outages) stopBrokers() (func(context.Context) error, error) {
	var err error
	for n := range o.brokers {
		err = errors.Join(err, o.kafka.Pause(n))
	}
	return func(context.Context) error {
		var err error
		for n := range o.brokers {
			err = errors.Join(err, o.kafka.Resume(n))
		}
		return err
	}, err
}

// takeBootstrap takes all bootstrap addresses away, and the broker behind the first of them.
func (o *outages) takeBootstrap() (func(context.Context) error, error) {
	for _, p := range o.seeds {
		p.Refuse()
		p.Cut()
	}
	return func(ctx context.Context) error {
		err := o.startBroker(ctx, 0)
		for _, p := range o.seeds {
			err = errors.Join(err, p.Admit())
		}
		return err
	}, o.killBroker(0)
}

func (o *outages) freezeKafka() (func(context.Context) error, error) {
	return o.freeze(o.kafkaProxies()...), nil
}

func (o *outages) freezeAPI() (func(context.Context) error, error) { return o.freeze(o.api), nil }

func (o *outages) freeze(proxies ...*proxy.Proxy) (giveBack func(context.Context) error) {
	over := make(chan struct{})
	var frozen sync.WaitGroup
	for _, p := range proxies {
		frozen.Go(func() { p.Freeze(time.Hour, false, over) })
	}
	return func(context.Context) error {
		close(over)
		frozen.Wait()
		return nil
	}
}

func (o *outages) silenceKafka() (func(context.Context) error, error) {
	return silence(o.kafkaProxies()...)
}

func (o *outages) silenceAPI() (func(context.Context) error, error) { return silence(o.api) }

// silence returns an error if there is no connection that could fall silent.
func silence(proxies ...*proxy.Proxy) (giveBack func(context.Context) error, err error) {
	var overs []func()
	silent := false
	for _, p := range proxies {
		some, over := p.Silence()
		silent, overs = silent || some, append(overs, over)
	}
	if !silent {
		err = errors.New("no connection is open")
	}
	return inTurn(overs), err
}

func (o *outages) refuseAPI() (func(context.Context) error, error) { return refuse(o.api), nil }

func (o *outages) refuseCredentials() (func(context.Context) error, error) {
	return refuse(o.keysProxy), nil
}

func refuse(p *proxy.Proxy) (giveBack func(context.Context) error) {
	p.Refuse()
	p.Cut()
	return func(context.Context) error { return p.Admit() }
}

func (o *outages) takeAnswers(kind farmtest.Kind, of farmtest.Operation) (func(context.Context) error, error) {
	o.farm.SetFaults(farmtest.Fault{Kind: kind, Operation: of})
	return func(context.Context) error { o.farm.SetFaults(); return nil }, nil
}

func (o *outages) failCredentials() (func(context.Context) error, error) {
	o.keys.fail(true)
	return func(context.Context) error { o.keys.fail(false); return nil }, nil
}

// keysExpire is when no instance has keys any more.
func (o *outages) keysExpire() time.Time { return o.keys.expires() }

func (o *outages) blockLogs() (func(context.Context) error, error) {
	var overs []func()
	for _, i := range o.instances {
		overs = append(overs, i.BlockLog())
	}
	return inTurn(overs), nil
}

// inTurn calls all functions.
func inTurn(overs []func()) (giveBack func(context.Context) error) {
	return func(context.Context) error {
		for _, over := range overs {
			over()
		}
		return nil
	}
}
