package farmtest_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"strconv"
	"testing"
	"time"

	"farmwire/poller/farmtest"
)

// TestAllFaultsIsComplete reads the kinds of faults from the source.
func TestAllFaultsIsComplete(t *testing.T) {
	on := map[farmtest.Kind]bool{}
	for _, f := range farmtest.AllFaults(1).Faults {
		on[f.Kind] = true
	}
	file, err := parser.ParseFile(token.NewFileSet(), "fault.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	kinds := 0
	ast.Inspect(file, func(n ast.Node) bool {
		spec, ok := n.(*ast.ValueSpec)
		if !ok {
			return true
		}
		if id, ok := spec.Type.(*ast.Ident); !ok || id.Name != "Kind" || len(spec.Values) != 1 {
			return true
		}
		kinds++
		text, err := strconv.Unquote(spec.Values[0].(*ast.BasicLit).Value)
		if err != nil {
			t.Fatal(err)
		}
		if !on[farmtest.Kind(text)] {
			t.Errorf("%s is not on", text)
		}
		return true
	})
	if kinds < 30 {
		t.Errorf("only %d kinds found", kinds)
	}
}

func TestFaultInAWindow(t *testing.T) {
	clock := farmtest.NewClock(time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC))
	srv := start(t, farmtest.Config{Clock: clock, Faults: []farmtest.Fault{
		{Kind: farmtest.Denied, Every: time.Minute, For: 10 * time.Second},
	}})
	worker, _ := workerWith(srv, 1)
	client := newClient(t, srv)
	denied := ""
	for range 24 {
		mark := "."
		if _, err := client.ListSessionsForWorker(t.Context(), listInput(worker)); err != nil {
			mark = "x"
		}
		denied += mark
		clock.Set(clock.Now().Add(5 * time.Second))
	}
	if want := "..........xx..........xx"; denied != want {
		t.Errorf("denied at %s, want %s", denied, want)
	}
}
