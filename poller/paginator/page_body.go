package paginator

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"unicode/utf8"

	"github.com/aws/aws-sdk-go-v2/service/deadline"
	"github.com/aws/smithy-go"
	"github.com/aws/smithy-go/middleware"
	smithyhttp "github.com/aws/smithy-go/transport/http"
)

// maxPageBytes is far above any real page: one of a hundred sessions has about 40 kB.
const maxPageBytes = 64 << 20

// withBodyCheck is an option of ListSessionsForWorker. It makes the client check the body before the SDK reads
// it, and return ErrBrokenPage for what the SDK would accept or change silently: text after the JSON value,
// text that is not Unicode, a null entry, and times in forms that Go's parser accepts and RFC 3339 does not
// allow.
//
// In the SDK's types an empty status looks like an absent one, and times end after nanoseconds. So the fields
// are added to the metadata of the answer as they were sent.
func withBodyCheck(o *deadline.Options) {
	o.APIOptions = append(o.APIOptions, func(stack *middleware.Stack) error {
		return stack.Deserialize.Add(bodyCheck{}, middleware.After)
	})
}

// sentKey is the key of the []sentSession in the answer's metadata.
type sentKey struct{}

// bodyCheck is a middleware of the SDK that reads the body of an answer, checks it and puts it back.
type bodyCheck struct{}

func (bodyCheck) ID() string { return "FarmwirePageBody" }

func (bodyCheck) HandleDeserialize(ctx context.Context, in middleware.DeserializeInput, next middleware.DeserializeHandler) (
	out middleware.DeserializeOutput, metadata middleware.Metadata, err error,
) {
	out, metadata, err = next.HandleDeserialize(ctx, in)
	response, ok := out.RawResponse.(*smithyhttp.Response)
	if err != nil || !ok || response.StatusCode < 200 || response.StatusCode >= 300 {
		return out, metadata, err
	}
	body, err := io.ReadAll(io.LimitReader(response.Body, maxPageBytes+1))
	if err != nil {
		return out, metadata, &smithy.DeserializationError{Err: fmt.Errorf("read the page: %w", err)}
	}
	if err := response.Body.Close(); err != nil {
		return out, metadata, &smithy.DeserializationError{Err: fmt.Errorf("read the page: %w", err)}
	}
	response.Body = io.NopCloser(bytes.NewReader(body))
	sent, err := readPage(body)
	if err != nil {
		return out, metadata, &smithy.DeserializationError{Err: brokenPage(err)}
	}
	metadata.Set(sentKey{}, sent)
	return out, metadata, nil
}

// readPage checks a body and returns the sessions of its list as they were sent. It returns nil if the body is
// empty or null, or has no list.
func readPage(body []byte) ([]sentSession, error) {
	switch {
	case len(body) == 0:
		return nil, nil
	case len(body) > maxPageBytes:
		return nil, fmt.Errorf("its body has more than %d bytes", maxPageBytes)
	case !utf8.Valid(body) || hasLoneSurrogate(body):
		return nil, errors.New("its body holds text that is not Unicode")
	}
	var page map[string]json.RawMessage
	if err := json.Unmarshal(body, &page); err != nil {
		return nil, fmt.Errorf("its body is not a JSON object: %w", err)
	}
	if token, ok := page[tokenMember]; ok {
		if err := json.Unmarshal(token, new(*string)); err != nil {
			return nil, errors.New("its nextToken is not a string")
		}
	}
	list, ok := page["sessions"]
	if !ok {
		return nil, nil
	}
	var entries []map[string]json.RawMessage
	if err := json.Unmarshal(list, &entries); err != nil {
		return nil, fmt.Errorf("its sessions are not a list of objects: %w", err)
	}
	sent := make([]sentSession, len(entries))
	for i, entry := range entries {
		if err := sent[i].read(entry); err != nil {
			return nil, fmt.Errorf("entry %d of the list: %w", i, err)
		}
	}
	return sent, nil
}

// sentSession has the fields of a session as they were sent, in the order in which they are written. A field
// that was absent or null is nil. Times were converted to UTC.
type sentSession struct {
	SessionID             *string `json:"sessionId,omitempty"`
	QueueID               *string `json:"queueId,omitempty"`
	JobID                 *string `json:"jobId,omitempty"`
	StartedAt             *string `json:"startedAt,omitempty"`
	LifecycleStatus       *string `json:"lifecycleStatus,omitempty"`
	EndedAt               *string `json:"endedAt,omitempty"`
	TargetLifecycleStatus *string `json:"targetLifecycleStatus,omitempty"`
}

// read reads the known fields of an entry. A null entry has none.
func (s *sentSession) read(entry map[string]json.RawMessage) error {
	for name, field := range map[string]**string{
		"sessionId": &s.SessionID, "queueId": &s.QueueID, "jobId": &s.JobID,
		"startedAt": &s.StartedAt, "lifecycleStatus": &s.LifecycleStatus,
		"endedAt": &s.EndedAt, "targetLifecycleStatus": &s.TargetLifecycleStatus,
	} {
		value, ok := entry[name]
		if !ok {
			continue
		}
		if err := json.Unmarshal(value, field); err != nil {
			return fmt.Errorf("its %s is not a string", name)
		}
	}
	if *s == (sentSession{}) {
		return errors.New("it has no known field")
	}
	for _, field := range []*string{s.StartedAt, s.EndedAt} {
		if field == nil {
			continue
		}
		utc, err := timeInUTC(*field)
		if err != nil {
			return err
		}
		*field = utc
	}
	return nil
}
