package farmtest

import "time"

// Fleet is a fleet of a farm.
type Fleet struct {
	farm       *Farm
	id, name   string
	status     string
	createdAt  time.Time
	autoscales bool
	min, max   int
	workers    ordered[*Worker]
	workerByID map[string]*Worker
	hosts      int // number of host names given out
}

// AddFleet creates a fleet with the display name. It has the status ACTIVE and no workers.
func (f *Farm) AddFleet(name string) *Fleet {
	c := f.cloud
	c.mu.Lock()
	defer c.mu.Unlock()
	fleet := &Fleet{
		farm: f, id: c.newID("fleet"), name: name, status: "ACTIVE", createdAt: c.service(c.clock()),
		max: 7500, workerByID: map[string]*Worker{},
	}
	f.fleets.insert(c.nextKey(), fleet)
	f.fleetByID[fleet.id] = fleet
	return fleet
}

// ID returns the fleet's identifier.
func (f *Fleet) ID() string { return f.id }

// Name returns the fleet's display name.
func (f *Fleet) Name() string { return f.name }

// Farm returns the fleet's farm.
func (f *Fleet) Farm() *Farm { return f.farm }

// SetScaling sets the smallest and the largest number of workers that listings show for the fleet, and makes
// them show that the fleet scales. It adds and removes no worker.
func (f *Fleet) SetScaling(least, most int) {
	f.farm.cloud.mu.Lock()
	defer f.farm.cloud.mu.Unlock()
	f.autoscales, f.min, f.max = true, least, most
}

// SetStatus changes the fleet's status.
func (f *Fleet) SetStatus(status string) {
	f.farm.cloud.mu.Lock()
	defer f.farm.cloud.mu.Unlock()
	f.status = status
}
