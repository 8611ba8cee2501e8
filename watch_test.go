package farmwire

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"farmwire/poller"
	"farmwire/publisher"
)

func TestRenewed(t *testing.T) {
	at := func(seconds float64) time.Time {
		return time.Date(2026, 11, 24, 10, 0, 0, 0, time.UTC).Add(time.Duration(seconds * float64(time.Second)))
	}
	farms := func(listed float64) map[string]publisher.FarmWatch {
		return map[string]publisher.FarmWatch{"farm": {Listed: at(listed)}}
	}
	fleets := func(since float64) map[string]publisher.FleetWatch {
		return map[string]publisher.FleetWatch{"fleet": {Since: at(since)}}
	}
	found := func(listed, created, look float64) poller.Found {
		return poller.Found{
			Farms:  map[string]poller.FoundFarm{"farm": {Listed: at(listed)}},
			Fleets: map[string]poller.FoundFleet{"fleet": {FarmID: "farm", CreatedAt: at(created), FirstLook: at(look)}},
		}
	}
	for name, c := range map[string]struct {
		stored publisher.Watch
		found  poller.Found
		want   publisher.Watch // the zero value: nothing to store
	}{
		"first start: from the first look":                          {publisher.Watch{}, found(100, 10, 100), publisher.Watch{Farms: farms(100), Fleets: fleets(100)}},
		"the first look is rounded down":                            {publisher.Watch{}, found(100, 10, 100.9), publisher.Watch{Farms: farms(100), Fleets: fleets(100)}},
		"created after the last complete listing: from its birth":   {publisher.Watch{Farms: farms(90)}, found(120, 95.7, 120), publisher.Watch{Farms: farms(120), Fleets: fleets(95)}},
		"created just when it was listed: from its birth":           {publisher.Watch{Farms: farms(90)}, found(120, 90, 120), publisher.Watch{Farms: farms(120), Fleets: fleets(90)}},
		"older, but not watched before: from the first look":        {publisher.Watch{Farms: farms(90)}, found(120, 80, 120), publisher.Watch{Farms: farms(120), Fleets: fleets(120)}},
		"known: the watch stays where it began":                     {publisher.Watch{Farms: farms(90), Fleets: fleets(40)}, found(149, 30, 149), publisher.Watch{}},
		"known: the listing is renewed after a minute":              {publisher.Watch{Farms: farms(90), Fleets: fleets(40)}, found(150, 30, 149), publisher.Watch{Farms: farms(150), Fleets: fleets(40)}},
		"fleets named by the operator: the farm was never listed":   {publisher.Watch{}, poller.Found{Farms: map[string]poller.FoundFarm{"farm": {}}, Fleets: found(0, 0, 7).Fleets}, publisher.Watch{Fleets: fleets(7), Farms: map[string]publisher.FarmWatch{}}},
		"nothing was found yet: nothing is stored, nothing is lost": {publisher.Watch{Farms: farms(90), Fleets: fleets(40)}, poller.Found{}, publisher.Watch{}},
	} {
		t.Run(name, func(t *testing.T) {
			got, changed := renewed(c.stored, c.found)
			if want := c.want.Fleets != nil; changed != want {
				t.Fatalf("to be stored: %v, want %v", changed, want)
			}
			if !changed {
				c.want = c.stored
			}
			if d := cmp.Diff(c.want, got); d != "" {
				t.Error(d)
			}
		})
	}
}
