package poller

import (
	"context"
	"fmt"
	"time"

	"farmwire/diff"
	"farmwire/poller/paginator"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/deadline"
	"github.com/aws/aws-sdk-go-v2/service/deadline/types"
)

// listedFleet is a fleet as ListFleets showed it.
type listedFleet struct {
	id        string
	createdAt time.Time
	date      time.Time // of the answer, by the service's clock
}

// workersPage is one page of ListWorkers.
type workersPage struct {
	date    time.Time // of the answer, by the service's clock
	workers []listedWorker
}

// listedWorker is a worker as ListWorkers showed it.
type listedWorker struct {
	id     string
	status diff.WorkerStatus
}

// farms lists the identifiers of all farms. Listed is the date of the first page, by the service's clock.
func (r *requester) farms(ctx context.Context) (farms []string, listed time.Time, err error) {
	seen := make(paginator.TokenSet)
	pages := deadline.NewListFarmsPaginator(r, &deadline.ListFarmsInput{MaxResults: aws.Int32(pageSize)})
	for n := 1; pages.HasMorePages(); n++ {
		page, err := pages.NextPage(ctx)
		if err == nil {
			err = checkPage(page.Farms == nil, page.NextToken, seen, n)
		}
		if err != nil {
			return nil, time.Time{}, fmt.Errorf("list farms: %w", err)
		}
		if n == 1 {
			listed = r.last.bestDate()
		}
		for _, f := range page.Farms {
			if err := checkID(f.FarmId); err != nil {
				return nil, time.Time{}, fmt.Errorf("list farms: %w", err)
			}
			farms = append(farms, *f.FarmId)
		}
	}
	return farms, listed, nil
}

// fleets lists the fleets of a farm. Listed is the date of the first page, by the service's clock.
func (r *requester) fleets(ctx context.Context, farm string) (fleets []listedFleet, listed time.Time, err error) {
	seen := make(paginator.TokenSet)
	pages := deadline.NewListFleetsPaginator(r, &deadline.ListFleetsInput{FarmId: &farm, MaxResults: aws.Int32(pageSize)})
	for n := 1; pages.HasMorePages(); n++ {
		page, err := pages.NextPage(ctx)
		if err == nil {
			err = checkPage(page.Fleets == nil, page.NextToken, seen, n)
		}
		if err != nil {
			return nil, time.Time{}, fmt.Errorf("list fleets of %s: %w", farm, err)
		}
		if n == 1 {
			listed = r.last.bestDate()
		}
		for _, f := range page.Fleets {
			if err := checkID(f.FleetId); err != nil {
				return nil, time.Time{}, fmt.Errorf("list fleets of %s: %w", farm, err)
			}
			fleets = append(fleets, listedFleet{id: *f.FleetId, createdAt: utc(f.CreatedAt), date: r.last.bestDate()})
		}
	}
	return fleets, listed, nil
}

// workers lists the workers of a fleet, and calls show with each page when it arrives.
func (r *requester) workers(ctx context.Context, farm, fleet string, show func(workersPage) error) error {
	seen := make(paginator.TokenSet)
	pages := deadline.NewListWorkersPaginator(r, &deadline.ListWorkersInput{FarmId: &farm, FleetId: &fleet, MaxResults: aws.Int32(pageSize)})
	for n := 1; pages.HasMorePages(); n++ {
		page, err := pages.NextPage(ctx)
		if err == nil {
			err = checkPage(page.Workers == nil, page.NextToken, seen, n)
		}
		if err != nil {
			return fmt.Errorf("list workers of %s: %w", fleet, err)
		}
		shown := workersPage{date: r.last.bestDate()}
		for _, w := range page.Workers {
			if err := checkID(w.WorkerId); err != nil {
				return fmt.Errorf("list workers of %s: %w", fleet, err)
			}
			shown.workers = append(shown.workers, listedWorker{id: *w.WorkerId, status: statusOf(&w)})
		}
		if err := show(shown); err != nil {
			return err
		}
	}
	return nil
}

// statusOf returns what ListWorkers shows of a worker. A status or a host name that is too long is left empty. The list
// is not malformed for that, because neither identifies a worker and one odd worker must not hide its fleet.
func statusOf(w *types.WorkerSummary) diff.WorkerStatus {
	status := diff.WorkerStatus{Status: string(w.Status)}
	if w.HostProperties != nil {
		status.HostName = aws.ToString(w.HostProperties.HostName)
	}
	if len(status.Status) > maxField {
		status.Status = ""
	}
	if len(status.HostName) > maxField {
		status.HostName = ""
	}
	return status
}

// checkPage returns an error if the list is not complete or does not end: if a page has no list, if next was
// seen before, or if there are too many pages. The first page is number 1.
func checkPage(noList bool, next *string, seen paginator.TokenSet, page int) error {
	switch {
	case noList:
		return errNoList
	case page > maxPages:
		return errTooManyPages
	}
	return seen.Add(next)
}
