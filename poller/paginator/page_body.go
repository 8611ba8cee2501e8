package paginator

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"
	"unicode/utf8"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/deadline"
	"github.com/aws/aws-sdk-go-v2/service/deadline/types"
	"github.com/aws/smithy-go"
	"github.com/aws/smithy-go/middleware"
	smithyhttp "github.com/aws/smithy-go/transport/http"
)

// maxPageBytes is far above any real page: one of a hundred sessions has about 40 kB.
const maxPageBytes = 64 << 20

// withStrictPage is an option of ListSessionsForWorker. It makes the client read the page by readPage instead of the
// SDK's decoding, and return ErrBrokenPage for what the SDK would accept or change silently: text after the JSON
// value, text that is not Unicode, a null entry, and times in forms that Go's parser accepts and RFC 3339 does not
// allow.
//
// The body is read below the SDK's decoding, which is left an empty one, and its output is filled above.
func withStrictPage(o *deadline.Options) {
	o.APIOptions = append(o.APIOptions, func(stack *middleware.Stack) error {
		read := middleware.DeserializeMiddlewareFunc("FarmwirePageBody", readBody)
		if err := stack.Deserialize.Add(read, middleware.After); err != nil {
			return err
		}
		return stack.Deserialize.Add(middleware.DeserializeMiddlewareFunc("FarmwirePage", fillOutput), middleware.Before)
	})
}

// pageKey is the key of the page in the answer's metadata.
type pageKey struct{}

// readBody is a middleware that reads the page from the body of an answer, and puts an empty body in its place.
func readBody(ctx context.Context, in middleware.DeserializeInput, next middleware.DeserializeHandler) (
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
	response.Body = http.NoBody
	page, err := readPage(body)
	if err != nil {
		return out, metadata, &smithy.DeserializationError{Err: brokenPage(err)}
	}
	metadata.Set(pageKey{}, page)
	return out, metadata, nil
}

// fillOutput is a middleware that puts the page that was read into the SDK's output.
func fillOutput(ctx context.Context, in middleware.DeserializeInput, next middleware.DeserializeHandler) (
	out middleware.DeserializeOutput, metadata middleware.Metadata, err error,
) {
	out, metadata, err = next.HandleDeserialize(ctx, in)
	output, ok := out.Result.(*deadline.ListSessionsForWorkerOutput)
	page, read := metadata.Get(pageKey{}).(strictPage)
	if err != nil || !ok || !read {
		return out, metadata, err
	}
	output.Sessions, output.NextToken = page.sessions, page.nextToken
	return out, metadata, nil
}

// strictPage is a page that is valid. In the SDK's types an empty status looks like an absent one, and times end
// after nanoseconds, so the page also has the fields as they were sent.
type strictPage struct {
	nextToken *string                      // nil if absent or null
	sessions  []types.WorkerSessionSummary // nil if the list is absent or null
	sent      []sentSession                // as many as sessions
}

// readPage reads a body. An empty or null one is a page without a list. If a member is there twice, the last counts.
//
// It decodes into maps as the SDK does, because encoding/json takes sessionID for sessionId in a struct and mixes
// entries of a list that is there twice. An error's words are encoding/json's for the types in which it is
// unmarshalled again.
func readPage(body []byte) (strictPage, error) {
	switch {
	case len(body) == 0:
		return strictPage{}, nil
	case len(body) > maxPageBytes:
		return strictPage{}, fmt.Errorf("its body has more than %d bytes", maxPageBytes)
	case !utf8.Valid(body) || hasLoneSurrogate(body):
		return strictPage{}, errors.New("its body holds text that is not Unicode")
	}
	decoder := json.NewDecoder(bytes.NewReader(body))
	decoder.UseNumber() // an unknown member may have a number that is too large for a float64
	var members map[string]any
	err := decoder.Decode(&members)
	if err != nil || len(bytes.Trim(body[decoder.InputOffset():], " \t\r\n")) > 0 {
		err = json.Unmarshal(body, new(map[string]json.RawMessage))
		return strictPage{}, fmt.Errorf("its body is not a JSON object: %w", err)
	}
	var page strictPage
	if !readString(members[tokenMember], &page.nextToken) {
		return strictPage{}, errors.New("its nextToken is not a string")
	}
	list := members["sessions"]
	if list == nil {
		return page, nil
	}
	entries, ok := objects(list)
	if !ok {
		return strictPage{}, fmt.Errorf("its sessions are not a list of objects: %w", listError(body))
	}
	page.sessions, page.sent = make([]types.WorkerSessionSummary, len(entries)), make([]sentSession, len(entries))
	for i, entry := range entries {
		if err := page.sent[i].read(entry, &page.sessions[i]); err != nil {
			return strictPage{}, fmt.Errorf("entry %d of the list: %w", i, err)
		}
	}
	return page, nil
}

// objects returns the entries of a list of objects. A null entry is nil.
func objects(list any) ([]map[string]any, bool) {
	values, ok := list.([]any)
	entries := make([]map[string]any, len(values))
	for i, value := range values {
		object, isObject := value.(map[string]any)
		ok = ok && (isObject || value == nil)
		entries[i] = object
	}
	return entries, ok
}

// listError returns the error of a body whose sessions are not a list of objects.
func listError(body []byte) error {
	var members map[string]json.RawMessage
	if err := json.Unmarshal(body, &members); err != nil {
		return err
	}
	return json.Unmarshal(members["sessions"], new([]map[string]json.RawMessage))
}

// readString reads a string, or nil from null or from an absent value. It reports false for another value.
func readString(value any, text **string) bool {
	s, ok := value.(string)
	if ok {
		*text = &s
	}
	return ok || value == nil
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

// read reads the known fields of an entry, and fills the summary from them. A null entry has none.
func (s *sentSession) read(entry map[string]any, summary *types.WorkerSessionSummary) error {
	for _, field := range [...]struct {
		name string
		text **string
	}{
		{"sessionId", &s.SessionID}, {"queueId", &s.QueueID}, {"jobId", &s.JobID},
		{"startedAt", &s.StartedAt}, {"lifecycleStatus", &s.LifecycleStatus},
		{"endedAt", &s.EndedAt}, {"targetLifecycleStatus", &s.TargetLifecycleStatus},
	} {
		if !readString(entry[field.name], field.text) {
			return fmt.Errorf("its %s is not a string", field.name)
		}
	}
	if *s == (sentSession{}) {
		return errors.New("it has no known field")
	}
	summary.SessionId, summary.QueueId, summary.JobId = s.SessionID, s.QueueID, s.JobID
	summary.LifecycleStatus = types.SessionLifecycleStatus(aws.ToString(s.LifecycleStatus))
	summary.TargetLifecycleStatus = types.SessionLifecycleTargetStatus(aws.ToString(s.TargetLifecycleStatus))
	if err := readTime(s.StartedAt, &summary.StartedAt); err != nil {
		return err
	}
	return readTime(s.EndedAt, &summary.EndedAt)
}

// readTime reads a time from its text, which it converts to UTC, or nil from nil.
func readTime(text *string, at **time.Time) error {
	if text == nil {
		return nil
	}
	t, utc, err := timeInUTC(*text)
	if err != nil {
		return err
	}
	*text, *at = utc, &t
	return nil
}
