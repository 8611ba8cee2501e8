package receiver

import (
	"encoding/base64"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"time"

	"farmwire/cmd/farmwire-chaos/receipts"
)

const (
	attributesText = "datacontenttype=application/json\nid=s.000003\nsubject=s \"1\"%\n"
	dataText       = `{"a":[1,2]}`
)

// An event is written alike in both modes.
func TestModes(t *testing.T) {
	binary := http.Header{"Content-Type": {"application/json"}, "Ce-Id": {"s.000003"}, "Ce-Subject": {"s%20%221%22%25"}, "Webhook-Id": {"x"}}
	structured := http.Header{"Content-Type": {"application/cloudevents+json; charset=utf-8"}}
	object := `{"subject": "s \"1\"%", "id": "s.000003", "datacontenttype": "application/json", "data": {"a": [1, 2]}}` + "\n"
	for _, test := range []struct {
		header http.Header
		body   string
	}{{binary, `{"a": [1,2]}`}, {structured, object}} {
		id, content, err := read(test.header, []byte(test.body))
		if err != nil || id != "s.000003" || content != attributesText+dataText {
			t.Errorf("%q %q %v", id, content, err)
		}
	}
}

func TestUnreadable(t *testing.T) {
	structured := http.Header{"Content-Type": {"application/cloudevents+json"}}
	for _, test := range []struct {
		header http.Header
		body   string
	}{
		{structured, "{"}, {structured, `{"id": "s"}`}, {structured, `{"id": 3, "data": {}}`},
		{http.Header{"Ce-Id": {"s"}}, "no JSON"}, {http.Header{"Ce-Id": {"%zz"}}, "{}"}, {http.Header{"Ce-Id": {"s", "t"}}, "{}"},
	} {
		if _, content, err := read(test.header, []byte(test.body)); err == nil {
			t.Errorf("%v %q is read as %q", test.header, test.body, content)
		}
	}
}

// The example of the specification verifies, and nothing else does.
func TestVerify(t *testing.T) {
	const id, body, good = "msg_p5jXN8AQM9LWM0D4loKWxJek", `{"test": 2432232314}`, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
	key, err := base64.StdEncoding.DecodeString("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		id, signed, at, signature, body string
		ok                              bool
	}{
		{id, id, "1614265330", good, body, true},
		{id, id, "1614265330", "v1,other " + good, body, true},
		{"msg.p5jXN8AQM9LWM0D4loKWxJek", id, "1614265330", good, body, true},
		{"another", id, "1614265330", good, body, false},
		{id, id, "1614265331", good, body, false},
		{id, id, "1614265330", good, body + " ", false},
		{id, id, "1614265330", "v1,other", body, false},
		{id, id, "1614265330", "", body, false},
		{"m.p", "m.p", "1614265330", good, body, false},
	} {
		header := http.Header{"Webhook-Id": {test.signed}, "Webhook-Timestamp": {test.at}, "Webhook-Signature": {test.signature}}
		if problem := verify(header, key, []byte(test.body), test.id); (problem == "") != test.ok {
			t.Errorf("%+v: %q", test, problem)
		}
	}
}

// post delivers an event once and returns the status, or 0.
func post(t *testing.T, url, id string) int {
	t.Helper()
	body := `{"id": "` + id + `", "data": {}}` + "\n"
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Content-Type", "application/cloudevents+json")
	request.Header.Set("Farmwire-Id", id)
	answer, err := http.DefaultTransport.RoundTrip(request)
	if err != nil {
		return 0
	}
	answer.Body.Close()
	return answer.StatusCode
}

// Every event is either always refused and never taken, or refused less often than makes a trigger give it up, and then taken.
// All the answers occur, and each is noted as it is.
func TestFates(t *testing.T) {
	const attempts, events = 3, 400
	r := New(Config{Seed: 1, Attempts: attempts, Hang: 5 * time.Millisecond})
	server := httptest.NewServer(r)
	defer server.Close()
	statuses, refused := map[int]int{}, 0
	for n := range events {
		id := "session." + strconv.Itoa(n)
		yes := false
		for range attempts + mostTroubles + 1 {
			status := post(t, server.URL+"/command/p", id)
			statuses[status]++
			yes = yes || status/100 == 2
		}
		if r.Refuses("command", id) == yes {
			t.Errorf("%s: refused %t, taken %t", id, !yes, yes)
		}
		if !yes {
			refused++
		}
	}
	answers, noes := map[receipts.Answer]int{}, map[string]int{}
	for _, request := range r.Requests("command") {
		if answers[request.Answer]++; request.Answer == receipts.No {
			noes[request.ID]++
		}
		if refuses := r.Refuses("command", request.ID); request.Problem != "" || refuses && request.Answer == receipts.Taken {
			t.Errorf("%+v, refused %t", request, refuses)
		}
	}
	for id, n := range noes {
		if !r.Refuses("command", id) && n >= attempts {
			t.Errorf("%s was refused %d times", id, n)
		}
	}
	if refused < events/50 || refused > events/10 || len(answers) != 4 {
		t.Errorf("%d are refused; answers: %v", refused, answers)
	}
	for _, status := range []int{0, 200, 202, 204, 302, 400, 404, 422, 429, 500, 502, 503, 504} {
		if statuses[status] == 0 {
			t.Errorf("never %d: %v", status, statuses)
		}
	}
	if all, open := r.Served("p"); all != events*(attempts+mostTroubles+1) || open != 0 || len(r.Requests("webhook")) != 0 {
		t.Errorf("%d requests, of which %d are open", all, open)
	}
}

// When nothing fails any more, only what is refused is refused.
func TestCalm(t *testing.T) {
	r := New(Config{Seed: 2, Attempts: 2})
	r.Calm()
	server := httptest.NewServer(r)
	defer server.Close()
	for n := range 100 {
		id := "session." + strconv.Itoa(n)
		first, second := post(t, server.URL+"/command/p", id), post(t, server.URL+"/command/p", id)
		if refuses := r.Refuses("command", id); first == 0 || first == 503 || (second/100 == 2) == refuses {
			t.Errorf("%s: %d and %d, refused %t", id, first, second, refuses)
		}
	}
}

// What is wrong with a request is noted.
func TestProblems(t *testing.T) {
	r := New(Config{Key: []byte("key")})
	r.Calm()
	header := http.Header{"Content-Type": {"application/cloudevents+json"}, "Farmwire-Id": {"other"}}
	body := []byte(`{"id": "s", "data": {}}` + "\n")
	r.take("webhook", "p", 1, header, body)
	r.take("command", "p", 2, header, body)
	r.take("command", "p", 3, http.Header{"Content-Type": header["Content-Type"], "Farmwire-Id": {"s"}}, body[:len(body)-1])
	r.take("command", "p", 4, header, []byte("{"))
	for group, want := range map[string]int{"webhook": 1, "command": 3} {
		if got := r.Requests(group); len(got) != want {
			t.Errorf("%+v", got)
		} else {
			for _, request := range got {
				if request.Problem == "" {
					t.Errorf("%+v", request)
				}
			}
		}
	}
}
