package farmwire

import (
	"context"

	"farmwire/status"
)

// logStatus logs what the report says. During a stop, which the end of ctx begins, everything comes to an end, and nothing is logged. logStatus returns at the end of running, because the stop ends with the actor that first returns.
func (i *instance) logStatus(ctx, running context.Context) error {
	following, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(running, cancel)()
	status.Log(following, i.report, i.log)
	<-running.Done()
	return running.Err()
}
