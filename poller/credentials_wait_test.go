package poller

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"farmwire/poller/farmtest"
	"farmwire/poller/schedule"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/deadline"
	"github.com/aws/smithy-go"
	"github.com/aws/smithy-go/middleware"
)

// vendor gives credentials out, unless it has a fault.
type vendor struct {
	mu    sync.Mutex
	fault error
	asked int
	lasts time.Duration // how long credentials last
}

func (v *vendor) set(fault error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.fault, v.asked = fault, 0
}

func (v *vendor) count() int {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.asked
}

// Retrieve is called by the SDK.
func (v *vendor) Retrieve(context.Context) (aws.Credentials, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.asked++
	if v.fault != nil {
		return aws.Credentials{}, v.fault
	}
	return aws.Credentials{AccessKeyID: "AKID", SecretAccessKey: "SECRET", CanExpire: true, Expires: time.Now().Add(v.lasts)}, nil
}

// While credentials cannot be fetched, at the start and later, they are asked for about every 5 s, or
// twice if two calls begin at the same moment, the State says
// why nothing is observed, and everything goes on as soon as they can be fetched.
func TestCredentialsThatCannotBeFetched(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fault := &smithy.GenericAPIError{Code: "ServiceUnavailable", Message: canary, Fault: smithy.FaultServer}
		world := newWorld(farmtest.Config{})
		for range 20 {
			world.fleet.AddWorker()
		}
		first := world.worker.StartSession(nil)
		v := &vendor{fault: fault, lasts: 2 * time.Minute}
		client := deadline.New(deadline.Options{
			Region: "eu-west-1", BaseEndpoint: aws.String("http://deadline.test"),
			Credentials: newChain(aws.NewCredentialsCache(v), settings{}, new(metadataService)),
			HTTPClient:  direct{handler: world}, APIOptions: []func(*middleware.Stack) error{withoutHostPrefix},
		})
		w := watch(t, client, testConfig)
		time.Sleep(time.Minute)
		if s := w.poller.State(); s.Answered || s.LastFailure != schedule.Unfetched || s.CredentialsRefused || s.Discovery[0].Reason != schedule.Unfetched {
			t.Errorf("after a minute: %+v", s)
		}
		if n := v.count(); n < 5 || n > 24 {
			t.Errorf("the credentials were asked for %d times in a minute", n)
		}
		v.set(nil)
		time.Sleep(45 * time.Second) // as long as the longest back-off of discovery
		if got := w.kinds(first.ID()); got != "discovered" {
			t.Errorf("events: %q", got)
		}
		v.set(fault)
		time.Sleep(4 * time.Minute) // the credentials expire after at most two
		second := world.worker.StartSession(nil)
		time.Sleep(time.Minute)
		if s := w.poller.State(); !s.CredentialsUnavailable || s.CredentialsRefused {
			t.Errorf("after the credentials expired: %+v", s)
		}
		if n := v.count(); n < 30 || n > 120 {
			t.Errorf("the credentials were asked for %d times in 5 minutes", n)
		}
		v.set(nil)
		time.Sleep(75 * time.Second) // as long as the longest back-off of a worker
		if s := w.poller.State(); s.CredentialsUnavailable || w.kinds(second.ID()) != "started" {
			t.Errorf("in the end: %q, %+v", w.kinds(second.ID()), s)
		}
	})
}

// What STS answered when credentials were asked for is not taken for an answer of Deadline Cloud.
func TestReasonOfCredentials(t *testing.T) {
	denied := &smithy.GenericAPIError{Code: "AccessDenied", Fault: smithy.FaultClient}
	if got := classify(unusable("x", denied), 0); got != schedule.Credentials {
		t.Errorf("refused by STS: %s", got)
	}
	if got := classify(unfetched("x", errors.New("y")), 0); got != schedule.Unfetched {
		t.Errorf("not fetched: %s", got)
	}
}
