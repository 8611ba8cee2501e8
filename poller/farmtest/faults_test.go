package farmtest_test

import (
	"context"
	"errors"
	"io"
	"maps"
	"net"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"farmwire/poller/farmtest"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/deadline"
	"github.com/aws/aws-sdk-go-v2/service/deadline/types"
	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"
)

// apiError returns the status and the code of an error as the SDK presents it, and further details of its type.
func apiError(err error) (status int, code string, detail string) {
	var response *smithyhttp.ResponseError
	if errors.As(err, &response) {
		status = response.HTTPStatusCode()
	}
	var api smithy.APIError
	if errors.As(err, &api) {
		code = api.ErrorCode()
	}
	var throttled *types.ThrottlingException
	var missing *types.ResourceNotFoundException
	var invalid *types.ValidationException
	switch {
	case errors.As(err, &throttled) && throttled.RetryAfterSeconds != nil:
		detail = (time.Duration(*throttled.RetryAfterSeconds) * time.Second).String()
	case errors.As(err, &missing):
		detail = *missing.ResourceType + " " + *missing.ResourceId
	case errors.As(err, &invalid):
		detail = string(invalid.Reason) + " " + *invalid.FieldList[0].Name
	}
	return status, code, detail
}

func TestErrorResponses(t *testing.T) {
	type want struct {
		status       int
		code, detail string
	}
	second := time.Second
	cases := map[string]struct {
		fault farmtest.Fault
		want  want
	}{
		"429":                  {farmtest.Fault{Kind: farmtest.Throttled}, want{429, "ThrottlingException", ""}},
		"429 with Retry-After": {farmtest.Fault{Kind: farmtest.Throttled, Delay: 1500 * time.Millisecond}, want{429, "ThrottlingException", "2s"}},
		"429 without a code":   {farmtest.Fault{Kind: farmtest.ThrottledBare}, want{429, "UnknownError", ""}},
		"500":                  {farmtest.Fault{Kind: farmtest.ServerError, Delay: second}, want{500, "InternalServerErrorException", ""}},
		"expired":              {farmtest.Fault{Kind: farmtest.Expired}, want{403, "ExpiredTokenException", ""}},
		"denied":               {farmtest.Fault{Kind: farmtest.Denied}, want{403, "AccessDeniedException", ""}},
		"503 without a body":   {farmtest.Fault{Kind: farmtest.Unavailable}, want{503, "UnknownError", ""}},
		"429 with a date":      {farmtest.Fault{Kind: farmtest.ThrottledDate}, want{429, "", ""}},
	}
	srv := start(t, farmtest.Config{})
	client := newClient(t, srv)
	worker := srv.Cloud().AddFarm("f").AddFleet("render").AddWorker()
	session := worker.StartSession(nil)
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			srv.SetFaults(c.fault)
			for op, err := range everyOperation(t.Context(), client, session) {
				var got want
				got.status, got.code, got.detail = apiError(err)
				if got != c.want {
					t.Errorf("%s: got %+v (%v), want %+v", op, got, err, c.want)
				}
			}
		})
	}
}

// everyOperation calls every operation once, for the session and the resources that it belongs to.
func everyOperation(ctx context.Context, client *deadline.Client, s *farmtest.Session) map[farmtest.Operation]error {
	fleet := s.Worker().Fleet()
	farmID, fleetID := aws.String(fleet.Farm().ID()), aws.String(fleet.ID())
	errs := map[farmtest.Operation]error{}
	_, errs[farmtest.ListFarms] = client.ListFarms(ctx, &deadline.ListFarmsInput{})
	_, errs[farmtest.ListFleets] = client.ListFleets(ctx, &deadline.ListFleetsInput{FarmId: farmID})
	_, errs[farmtest.ListWorkers] = client.ListWorkers(ctx, &deadline.ListWorkersInput{FarmId: farmID, FleetId: fleetID})
	_, errs[farmtest.BatchGetWorker] = client.BatchGetWorker(ctx, workersInput(s.Worker()))
	_, errs[farmtest.ListSessions] = client.ListSessions(ctx, jobInput(s.Job()))
	_, errs[farmtest.ListSessionsForWorker] = client.ListSessionsForWorker(ctx, listInput(s.Worker()))
	_, errs[farmtest.GetSession] = client.GetSession(ctx, getInput(s))
	_, errs[farmtest.BatchGetSession] = client.BatchGetSession(ctx, batchInput(s))
	return errs
}

func TestScopeOfAFault(t *testing.T) {
	srv := start(t, farmtest.Config{})
	client := newClient(t, srv)
	farm := srv.Cloud().AddFarm("f")
	one := farm.AddFleet("one").AddWorker().StartSession(nil)
	other := farm.AddFleet("two").AddWorker().StartSession(nil)

	srv.SetFaults(farmtest.Fault{Kind: farmtest.Denied, Operation: farmtest.BatchGetSession})
	for op, err := range everyOperation(t.Context(), client, one) {
		if (err != nil) != (op == farmtest.BatchGetSession) {
			t.Errorf("denied BatchGetSession: %s: %v", op, err)
		}
	}
	srv.SetFaults(farmtest.Fault{Kind: farmtest.Denied, Fleet: "one"})
	for op, err := range everyOperation(t.Context(), client, one) {
		ofFleet := op == farmtest.ListWorkers || op == farmtest.ListSessionsForWorker || op == farmtest.GetSession
		if (err != nil) != ofFleet {
			t.Errorf("denied fleet: %s: %v", op, err)
		}
	}
	for op, err := range everyOperation(t.Context(), client, other) {
		if err != nil {
			t.Errorf("another fleet: %s: %v", op, err)
		}
	}
	srv.SetFaults(farmtest.Fault{Kind: farmtest.ServerError, Worker: one.Worker().ID(), Count: 2, Operation: farmtest.ListSessionsForWorker})
	failures := 0
	for range 5 {
		if _, err := client.ListSessionsForWorker(t.Context(), listInput(one.Worker())); err != nil {
			failures++
		}
	}
	if failures != 2 {
		t.Errorf("a rule with the count 2 injected %d faults", failures)
	}
	if got := srv.Stats().Faults[farmtest.ServerError]; got != 2 {
		t.Errorf("Stats counts %d faults, want 2", got)
	}
}

// A rule that is limited is not spent on a call that another rule has taken.
func TestOneFaultReplacesAnAnswer(t *testing.T) {
	srv := start(t, farmtest.Config{})
	client := newClient(t, srv)
	worker := srv.Cloud().AddFarm("f").AddFleet("render").AddWorker()
	rules := []farmtest.Fault{
		{Kind: farmtest.ServerError, Count: 1}, {Kind: farmtest.Slow, Delay: time.Millisecond}, {Kind: farmtest.Denied, After: 2, Count: 1},
		{Kind: farmtest.Truncated, Count: 1}, {Kind: farmtest.NotJSON, Count: 1},
	}
	srv.SetFaults(rules...)
	failed := make([]bool, 6)
	for n := range failed {
		_, err := client.ListSessionsForWorker(t.Context(), listInput(worker))
		failed[n] = err != nil
	}
	if !slices.Equal(failed, []bool{true, true, true, true, false, false}) {
		t.Errorf("calls that failed: %v", failed)
	}
	want := map[string]int{"InternalServerErrorException": 1, "AccessDeniedException": 1, farmtest.OutcomeCut: 2, farmtest.OutcomeOK: 2}
	if got := srv.Calls()[farmtest.ListSessionsForWorker]; !maps.Equal(got, want) {
		t.Errorf("outcomes %v, want %v", got, want)
	}
}

func TestConnectionFaults(t *testing.T) {
	srv := start(t, farmtest.Config{})
	client := newClient(t, srv)
	session := srv.Cloud().AddFarm("f").AddFleet("render").AddWorker().StartSession(nil)
	cases := map[farmtest.Kind]func(error) bool{
		farmtest.Cut:   func(err error) bool { return errors.Is(err, io.EOF) || errors.Is(err, syscall.ECONNRESET) },
		farmtest.Reset: func(err error) bool { return errors.Is(err, syscall.ECONNRESET) || errors.Is(err, io.ErrUnexpectedEOF) },
		farmtest.Truncated: func(err error) bool {
			var decode *smithy.DeserializationError
			return errors.As(err, &decode)
		},
		farmtest.NotJSON: func(err error) bool {
			var decode *smithy.DeserializationError
			return errors.As(err, &decode)
		},
	}
	for kind, ok := range cases {
		srv.SetFaults(farmtest.Fault{Kind: kind})
		for op, err := range everyOperation(t.Context(), client, session) {
			if err == nil || !ok(err) {
				t.Errorf("%s: %s: %v", kind, op, err)
			}
		}
		if n := srv.Calls()[farmtest.GetSession][farmtest.OutcomeCut]; n == 0 {
			t.Errorf("%s: not counted: %v", kind, srv.Calls())
		}
	}
}

func TestSlowAndHangingAnswers(t *testing.T) {
	srv := start(t, farmtest.Config{Seed: 4})
	client := newClient(t, srv)
	session := srv.Cloud().AddFarm("f").AddFleet("render").AddWorker().StartSession(nil)

	srv.SetFaults(farmtest.Fault{Kind: farmtest.Slow, Delay: 40 * time.Millisecond})
	begin := time.Now()
	for op, err := range everyOperation(t.Context(), client, session) {
		if err != nil {
			t.Errorf("slow: %s: %v", op, err)
		}
	}
	if took := time.Since(begin); took < 20*time.Millisecond {
		t.Errorf("eight slow answers took %v", took)
	}
	srv.SetFaults(farmtest.Fault{Kind: farmtest.Hang})
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := client.GetSession(ctx, getInput(session)); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("hanging answer: %v", err)
	}
	srv.SetFaults(farmtest.Fault{Kind: farmtest.Hang, Delay: 10 * time.Millisecond})
	_, err := client.GetSession(t.Context(), getInput(session))
	var timeout net.Error
	if err == nil || errors.As(err, &timeout) && timeout.Timeout() {
		t.Errorf("connection that is cut after a while: %v", err)
	}
}

func TestRefusedRequests(t *testing.T) {
	srv := start(t, farmtest.Config{PageSize: 1})
	client := newClient(t, srv)
	session := srv.Cloud().AddFarm("f").AddFleet("render").AddWorker().StartSession(nil)
	session.Worker().StartSession(nil)
	list := func(edit func(*deadline.ListSessionsForWorkerInput)) error {
		in := listInput(session.Worker())
		edit(in)
		_, err := client.ListSessionsForWorker(t.Context(), in)
		return err
	}
	farms, err := client.ListSessionsForWorker(t.Context(), listInput(session.Worker()))
	if err != nil || farms.NextToken == nil {
		t.Fatalf("first page: %v", err)
	}
	get := getInput(session)
	get.JobId = aws.String("job-1")
	_, noJob := client.GetSession(t.Context(), get)
	get = getInput(session)
	get.QueueId = aws.String("queue-1")
	_, noQueue := client.GetSession(t.Context(), get)
	_, noItems := client.BatchGetSession(t.Context(), &deadline.BatchGetSessionInput{Identifiers: []types.BatchGetSessionIdentifier{}})
	_, foreign := client.ListWorkers(t.Context(), &deadline.ListWorkersInput{
		FarmId: aws.String(session.Worker().Fleet().Farm().ID()), FleetId: aws.String(session.Worker().Fleet().ID()), NextToken: farms.NextToken})
	someWorkers := func(ids ...types.BatchGetWorkerIdentifier) error {
		_, err := client.BatchGetWorker(t.Context(), &deadline.BatchGetWorkerInput{Identifiers: ids})
		return err
	}
	one := workersInput(session.Worker()).Identifiers[0]
	nameless := one
	nameless.FleetId = aws.String("")
	listJob := func(edit func(*deadline.ListSessionsInput)) error {
		in := jobInput(session.Job())
		edit(in)
		_, err := client.ListSessions(t.Context(), in)
		return err
	}
	cases := map[string]struct {
		err  error
		want string
	}{
		"no workers":         {someWorkers([]types.BatchGetWorkerIdentifier{}...), "400 ValidationException FIELD_VALIDATION_FAILED identifiers"},
		"101 workers":        {someWorkers(slices.Repeat([]types.BatchGetWorkerIdentifier{one}, 101)...), "400 ValidationException FIELD_VALIDATION_FAILED identifiers"},
		"an empty fleet id":  {someWorkers(nameless), "400 ValidationException FIELD_VALIDATION_FAILED identifiers"},
		"a job's maxResults": {listJob(func(in *deadline.ListSessionsInput) { in.MaxResults = aws.Int32(101) }), "400 ValidationException FIELD_VALIDATION_FAILED maxResults"},
		"a worker's token":   {listJob(func(in *deadline.ListSessionsInput) { in.NextToken = farms.NextToken }), "400 ValidationException OTHER nextToken"},
		"a listed job":       {listJob(func(in *deadline.ListSessionsInput) { in.JobId = aws.String("job-1") }), "404 ResourceNotFoundException job job-1"},
		"a job's queue":      {listJob(func(in *deadline.ListSessionsInput) { in.QueueId = aws.String("queue-1") }), "404 ResourceNotFoundException queue queue-1"},
		"a job's farm":       {listJob(func(in *deadline.ListSessionsInput) { in.FarmId = aws.String("farm-1") }), "404 ResourceNotFoundException farm farm-1"},
		"maxResults 0":       {list(func(in *deadline.ListSessionsForWorkerInput) { in.MaxResults = aws.Int32(0) }), "400 ValidationException FIELD_VALIDATION_FAILED maxResults"},
		"maxResults 101":     {list(func(in *deadline.ListSessionsForWorkerInput) { in.MaxResults = aws.Int32(101) }), "400 ValidationException FIELD_VALIDATION_FAILED maxResults"},
		"token":              {list(func(in *deadline.ListSessionsForWorkerInput) { in.NextToken = aws.String("x") }), "400 ValidationException OTHER nextToken"},
		"foreign token":      {foreign, "400 ValidationException OTHER nextToken"},
		"long token":         {list(func(in *deadline.ListSessionsForWorkerInput) { in.NextToken = aws.String(strings.Repeat("x", 4097)) }), "400 ValidationException FIELD_VALIDATION_FAILED nextToken"},
		"worker":             {list(func(in *deadline.ListSessionsForWorkerInput) { in.WorkerId = aws.String("worker-1") }), "404 ResourceNotFoundException worker worker-1"},
		"fleet":              {list(func(in *deadline.ListSessionsForWorkerInput) { in.FleetId = aws.String("fleet-1") }), "404 ResourceNotFoundException fleet fleet-1"},
		"farm":               {list(func(in *deadline.ListSessionsForWorkerInput) { in.FarmId = aws.String("farm-1") }), "404 ResourceNotFoundException farm farm-1"},
		"job":                {noJob, "404 ResourceNotFoundException job job-1"},
		"queue":              {noQueue, "404 ResourceNotFoundException queue queue-1"},
		"no items":           {noItems, "400 ValidationException FIELD_VALIDATION_FAILED identifiers"},
	}
	for name, c := range cases {
		status, code, detail := apiError(c.err)
		if got := strings.Join([]string{strconv.Itoa(status), code, detail}, " "); got != c.want {
			t.Errorf("%s: got %q (%v), want %q", name, got, c.err, c.want)
		}
	}
	session.Worker().Delete()
	if _, _, detail := apiError(list(func(*deadline.ListSessionsForWorkerInput) {})); detail != "worker "+session.Worker().ID() {
		t.Errorf("deleted worker: %q", detail)
	}
}
