package instance

import (
	"context"
	"io"
	"net/http"
	"time"
)

// Ready asks the instance's /readyz whether it does everything that it should. The text says what is missing.
func (i *Instance) Ready(ctx context.Context) (ready bool, text string) {
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+i.address+"/readyz", nil)
	if err != nil {
		return false, err.Error()
	}
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		return false, err.Error()
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(io.LimitReader(answer.Body, 1<<16))
	if err != nil {
		return false, err.Error()
	}
	return answer.StatusCode == http.StatusOK, string(body)
}
