//go:build unix

package deploy

import (
	"encoding/json"
	"net/http"
	"slices"
	"testing"
)

// fleets asks the simulated farm for its fleets, and for the workers of all of them.
func (w *world) fleets(t *testing.T) (fleets, workers []string) {
	t.Helper()
	var answer struct {
		Farms   []struct{ FarmID string }
		Fleets  []struct{ FleetID string }
		Workers []struct{ WorkerID string }
	}
	ask := func(path string) {
		response, err := http.Get("http://" + w.farm + "/2023-10-12/farms" + path)
		if err != nil {
			t.Fatal(err)
		}
		defer response.Body.Close()
		if err := json.NewDecoder(response.Body).Decode(&answer); err != nil || response.StatusCode != http.StatusOK {
			t.Fatalf("%s: %s, %v", path, response.Status, err)
		}
	}
	ask("")
	farm := answer.Farms[0].FarmID
	ask("/" + farm + "/fleets")
	for _, fleet := range answer.Fleets {
		fleets = append(fleets, farm+"/"+fleet.FleetID)
		ask("/" + farm + "/fleets/" + fleet.FleetID + "/workers")
		for _, worker := range answer.Workers {
			workers = append(workers, worker.WorkerID)
		}
	}
	slices.Sort(fleets)
	return fleets, workers
}

// compareStarts wants that a later start of the farm has the same fleets, and none of the workers.
func (w *world) compareStarts(t *testing.T, fleets, workers []string) {
	t.Helper()
	again, others := w.fleets(t)
	if len(fleets) == 0 || !slices.Equal(fleets, again) {
		t.Errorf("the farm had the fleets %q, and has %q", fleets, again)
	}
	if len(workers) == 0 || len(others) == 0 || slices.ContainsFunc(others, func(id string) bool { return slices.Contains(workers, id) }) {
		t.Errorf("the farm had the workers %q, and has %q", workers, others)
	}
}
