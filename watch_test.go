package farmwire

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"farmwire/event"
	"farmwire/poller"
)

func TestRenewed(t *testing.T) {
	at := func(seconds float64) time.Time {
		return time.Date(2026, 11, 24, 10, 0, 0, 0, time.UTC).Add(time.Duration(seconds * float64(time.Second)))
	}
	farms := func(listed float64) map[string]event.FarmWatch {
		return map[string]event.FarmWatch{"farm": {Listed: at(listed)}}
	}
	fleets := func(since float64) map[string]event.FleetWatch {
		return map[string]event.FleetWatch{"fleet": {Since: at(since), Farm: "farm"}}
	}
	found := func(listed, created, look float64) poller.Found {
		return poller.Found{
			Farms:  map[string]poller.FoundFarm{"farm": {Listed: at(listed)}},
			Fleets: map[string]poller.FoundFleet{"fleet": {FarmID: "farm", CreatedAt: at(created), FirstLook: at(look)}},
		}
	}
	for name, c := range map[string]struct {
		stored event.WatchRecord
		found  poller.Found
		want   event.WatchRecord // the zero value: nothing to store
	}{
		"first start: from the first look":                          {event.WatchRecord{}, found(100, 10, 100), event.WatchRecord{Farms: farms(100), Fleets: fleets(100)}},
		"the first look is rounded down":                            {event.WatchRecord{}, found(100, 10, 100.9), event.WatchRecord{Farms: farms(100), Fleets: fleets(100)}},
		"created after the last complete listing: from its birth":   {event.WatchRecord{Farms: farms(90)}, found(120, 95.7, 120), event.WatchRecord{Farms: farms(120), Fleets: fleets(95)}},
		"created just when it was listed: from its birth":           {event.WatchRecord{Farms: farms(90)}, found(120, 90, 120), event.WatchRecord{Farms: farms(120), Fleets: fleets(90)}},
		"older, but not watched before: from the first look":        {event.WatchRecord{Farms: farms(90)}, found(120, 80, 120), event.WatchRecord{Farms: farms(120), Fleets: fleets(120)}},
		"known: the watch stays where it began":                     {event.WatchRecord{Farms: farms(90), Fleets: fleets(40)}, found(149, 30, 149), event.WatchRecord{}},
		"known: the listing is renewed after a minute":              {event.WatchRecord{Farms: farms(90), Fleets: fleets(40)}, found(150, 30, 149), event.WatchRecord{Farms: farms(150), Fleets: fleets(40)}},
		"fleets named by the operator: the farm was never listed":   {event.WatchRecord{}, poller.Found{Farms: map[string]poller.FoundFarm{"farm": {}}, Fleets: found(0, 0, 7).Fleets}, event.WatchRecord{Fleets: fleets(7), Farms: map[string]event.FarmWatch{}}},
		"nothing was found yet: nothing is stored, nothing is lost": {event.WatchRecord{Farms: farms(90), Fleets: fleets(40)}, poller.Found{}, event.WatchRecord{}},
	} {
		t.Run(name, func(t *testing.T) {
			got, changed := renewed(c.stored, c.found, newSnapshots(nil))
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
