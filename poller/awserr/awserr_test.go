package awserr_test

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"farmwire/poller/awserr"
)

func TestDescribe(t *testing.T) {
	secret := errors.New("the token is CANARY")
	safe := awserr.New("the token is not valid", secret)
	for _, c := range []struct {
		err  error
		want string
	}{
		{secret, "the request failed before there was an answer"},
		{safe, "the token is not valid"},
		{fmt.Errorf("CANARY: %w", safe), "the token is not valid"},
		{context.DeadlineExceeded, "no answer in time"},
		{context.Canceled, context.Canceled.Error()},
	} {
		got := awserr.Describe(c.err)
		if got.Error() != c.want || !errors.Is(got, c.err) {
			t.Errorf("%v is described as %q, want %q", c.err, got, c.want)
		}
	}
}
