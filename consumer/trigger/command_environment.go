package trigger

import (
	"strconv"
	"strings"
	"time"
)

// variablePrefix begins the names of the variables that tell a command of the event, and of Farmwire's own settings.
const variablePrefix = "FARMWIRE_"

// eventVariables returns the environment variables that tell a command of the event, each as NAME=value. Values that are
// absent are empty. NUL characters are left out, since a variable cannot hold them.
func eventVariables(d *Delivery) []string {
	e, s := &d.Event, &d.Event.Session
	hostName := ""
	if e.Status != nil {
		hostName = e.Status.HostName
	}
	variables := [...]struct{ name, value string }{
		{"ID", e.ID},
		{"CHANGE", string(e.Kind)},
		// Without leading zeros, because a shell takes 000010 for an octal number.
		{"SEQUENCE", strconv.FormatUint(e.Sequence, 10)},
		{"TIME", variableTime(e.Time)},
		{"REGION", e.Region},
		{"FARM_ID", s.FarmID},
		{"FLEET_ID", s.FleetID},
		{"WORKER_ID", s.WorkerID},
		{"QUEUE_ID", s.QueueID},
		{"JOB_ID", s.JobID},
		{"SESSION_ID", s.SessionID},
		{"LIFECYCLE_STATUS", s.LifecycleStatus},
		{"STARTED_AT", variableTime(s.StartedAt)},
		{"ENDED_AT", variableTime(s.EndedAt)},
		{"HOST_NAME", hostName},
		{"INFERRED", strconv.FormatBool(e.Inferred)},
		{"ATTEMPT", strconv.Itoa(d.Attempt)},
	}
	list := make([]string, len(variables))
	for i, v := range variables {
		list[i] = variablePrefix + v.name + "=" + strings.ReplaceAll(v.value, "\x00", "")
	}
	return list
}

// variableTime writes a time as the value of an event does, and the zero time as an empty text.
func variableTime(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format("2006-01-02T15:04:05.000Z")
}

// withoutOwnVariables returns an environment without Farmwire's own variables. Windows does not tell upper from lower case
// in their names.
func withoutOwnVariables(environment []string) []string {
	kept := make([]string, 0, len(environment))
	for _, variable := range environment {
		if len(variable) < len(variablePrefix) || !strings.EqualFold(variable[:len(variablePrefix)], variablePrefix) {
			kept = append(kept, variable)
		}
	}
	return kept
}
