package poller

import (
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/deadline/types"
)

// The type says what was not found, if it is a known one. Otherwise the identifier does, or else the message.
func TestNotFoundKind(t *testing.T) {
	ids := map[string]string{"fleet-1": "fleet", "worker-1": "worker"}
	for _, c := range []struct{ kind, id, message, want string }{
		{"worker", "worker-1", "", "worker"},
		{"Worker", "", "", "worker"},
		{"AWS::Deadline::Worker", "worker-1", "", "worker"},
		{"fleet", "worker-1", "no worker-1", "fleet"},
		{"resource", "worker-1", "", "worker"},
		{"resource", "", "no worker-1", "worker"},
		{"deadline:thing", "", "no worker-1 in fleet-1", ""},
		{"", "fleet-1", "", "fleet"},
		{"", "other-1", "", ""},
		{"", "", "", ""},
	} {
		err := &types.ResourceNotFoundException{ResourceType: aws.String(c.kind), ResourceId: aws.String(c.id), Message: aws.String(c.message)}
		if got := notFoundKind(err, ids); got != c.want {
			t.Errorf("type %q, id %q, message %q: %q was not found, want %q", c.kind, c.id, c.message, got, c.want)
		}
	}
}
