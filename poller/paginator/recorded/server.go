package recorded

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"unicode/utf8"
)

// page is a page of a layout or a case, as vectors.json describes it.
type page struct {
	TokenIn   *string `json:"token_in"`
	Sessions  json.RawMessage
	NextToken json.RawMessage
	Raw       *string
	Status    int
	Code      string
	Message   string
}

// Server answers ListSessionsForWorker with recorded pages. A request gets the page whose token_in is its nextToken. If
// several pages have the same token_in, they are served in turn, and the last one from then on.
type Server struct {
	template string
	pages    []page

	mu       sync.Mutex
	served   map[string]int // number of answers by nextToken
	requests []Request
}

// Server returns a server for a list of pages, or for the layout that pages names.
func (f File) Server(pages json.RawMessage) (*Server, error) {
	var name string
	if json.Unmarshal(pages, &name) == nil {
		i := slices.IndexFunc(f.Layouts, func(l Layout) bool { return l.Name == name })
		if i < 0 {
			return nil, fmt.Errorf("there is no layout %q", name)
		}
		pages = f.Layouts[i].Pages
	}
	s := &Server{template: string(f.Template), served: map[string]int{}}
	return s, json.Unmarshal(pages, &s.pages)
}

// Requests returns the requests so far.
func (s *Server) Requests() []Request {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.requests)
}

// ServeHTTP answers one request.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var request Request
	query := r.URL.Query()
	if query.Has("nextToken") {
		request.NextToken = new(query.Get("nextToken"))
	}
	refusal := ""
	if query.Has("maxResults") {
		n, err := strconv.Atoi(query.Get("maxResults"))
		request.MaxResults = &n
		if err != nil || n < 1 || n > 100 {
			refusal = "maxResults must be between 1 and 100"
		}
	}
	s.requests = append(s.requests, request)
	if request.NextToken != nil && utf8.RuneCountInString(*request.NextToken) > 4096 {
		refusal = "nextToken is longer than 4096"
	}
	found := s.find(request.NextToken)
	if found == nil && refusal == "" {
		refusal = "invalid nextToken"
	}
	if refusal != "" {
		found = &page{Status: http.StatusBadRequest, Code: "ValidationException", Message: refusal}
	}
	s.answer(w, found)
}

// find returns the page to serve next for a nextToken, or nil if there is none.
func (s *Server) find(token *string) *page {
	var found []*page
	for i := range s.pages {
		if in := s.pages[i].TokenIn; in == nil && token == nil || in != nil && token != nil && *in == *token {
			found = append(found, &s.pages[i])
		}
	}
	if len(found) == 0 {
		return nil
	}
	key := "null"
	if token != nil {
		key = strconv.Quote(*token)
	}
	s.served[key]++
	return found[min(s.served[key], len(found))-1]
}

func (s *Server) answer(w http.ResponseWriter, p *page) {
	w.Header().Set("Content-Type", "application/json")
	switch {
	case p.Status != 0:
		w.Header().Set("X-Amzn-ErrorType", p.Code)
		w.WriteHeader(p.Status)
		fmt.Fprintf(w, `{"message": %q}`, p.Message)
		return
	case p.Raw != nil:
		fmt.Fprint(w, *p.Raw)
		return
	}
	var members []string
	if p.Sessions != nil {
		members = append(members, `"sessions": `+s.sessions(p.Sessions))
	}
	if p.NextToken != nil {
		members = append(members, `"nextToken": `+string(p.NextToken))
	}
	fmt.Fprint(w, "{"+strings.Join(members, ", ")+"}")
}

// sessions replaces each session that is given by its name with the template.
func (s *Server) sessions(list json.RawMessage) string {
	var entries []json.RawMessage
	if json.Unmarshal(list, &entries) != nil || entries == nil {
		return string(list)
	}
	out := make([]string, len(entries))
	for i, entry := range entries {
		var name string
		out[i] = string(entry)
		if string(entry) != "null" && json.Unmarshal(entry, &name) == nil {
			out[i] = strings.ReplaceAll(s.template, "{id}", name)
		}
	}
	return "[" + strings.Join(out, ", ") + "]"
}
