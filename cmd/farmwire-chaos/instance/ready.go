package instance

import (
	"context"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// Ready asks the instance's /readyz whether it does everything that it should. The text says what is missing, or why there was
// no answer.
func (i *Instance) Ready(ctx context.Context) (ready bool, text string) {
	code, text := i.page(ctx, "/readyz")
	return code == http.StatusOK, text
}

// Readyz returns what the instance's /readyz answers, or "" if there is no answer.
func (i *Instance) Readyz(ctx context.Context) string {
	if code, text := i.page(ctx, "/readyz"); code != 0 {
		return text
	}
	return ""
}

// Metric returns the value of a metric, or 0 if the instance does not show it. A name has its labels, as in name{label="value"}.
func (i *Instance) Metric(ctx context.Context, name string) float64 { return i.Metrics(ctx, name)[0] }

// Metrics returns the values of metrics at one time, as Metric does.
func (i *Instance) Metrics(ctx context.Context, names ...string) []float64 {
	values := make([]float64, len(names))
	_, text := i.page(ctx, "/metrics")
	for line := range strings.Lines(text) {
		for n, name := range names {
			if value, found := strings.CutPrefix(line, name+" "); found {
				values[n], _ = strconv.ParseFloat(strings.TrimSpace(value), 64) // 0 if it is no number
			}
		}
	}
	return values
}

// page returns the code and the text of one of the instance's pages. If there is no answer, the code is 0 and the text says
// why.
func (i *Instance) page(ctx context.Context, path string) (code int, text string) {
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+i.address+path, nil)
	if err != nil {
		return 0, err.Error()
	}
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		return 0, err.Error()
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(io.LimitReader(answer.Body, 1<<20))
	if err != nil {
		return 0, err.Error()
	}
	return answer.StatusCode, string(body)
}
