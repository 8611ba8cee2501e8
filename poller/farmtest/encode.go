package farmtest

import (
	"encoding/json"
	"strconv"
	"time"
)

// wireTime is the layout of times in answers.
const wireTime = "2006-01-02T15:04:05.000Z"

// appendMember appends a JSON member with a string value. Like its siblings, it puts a comma before the member
// unless the member is the first.
func appendMember(b []byte, name, value string) []byte {
	b = appendName(b, name)
	for i := 0; i < len(value); i++ {
		if c := value[i]; c < ' ' || c > '~' || c == '"' || c == '\\' {
			text, err := json.Marshal(value)
			if err != nil { // cannot happen: any string can be marshaled
				text = []byte(`""`)
			}
			return append(b, text...)
		}
	}
	b = append(b, '"')
	b = append(b, value...)
	return append(b, '"')
}

func appendName(b []byte, name string) []byte {
	if n := len(b); n > 0 && b[n-1] != '{' && b[n-1] != '[' {
		b = append(b, ',')
	}
	b = append(b, '"')
	b = append(b, name...)
	return append(b, `":`...)
}

func appendTime(b []byte, name string, t time.Time) []byte {
	b = append(appendName(b, name), '"')
	b = t.AppendFormat(b, wireTime)
	return append(b, '"')
}

func appendNumber(b []byte, name string, n int) []byte {
	return strconv.AppendInt(appendName(b, name), int64(n), 10)
}

func appendFarm(b []byte, f *Farm) []byte {
	b = appendMember(append(b, '{'), "farmId", f.id)
	b = appendMember(b, "displayName", f.name)
	b = appendTime(b, "createdAt", f.createdAt)
	return append(appendMember(b, "createdBy", "farmtest"), '}')
}

func appendFleet(b []byte, f *Fleet) []byte {
	b = appendMember(append(b, '{'), "fleetId", f.id)
	b = appendMember(b, "farmId", f.farm.id)
	b = appendMember(b, "displayName", f.name)
	b = appendMember(b, "status", f.status)
	b = appendNumber(b, "workerCount", len(f.workers.items))
	b = appendNumber(b, "minWorkerCount", f.min)
	b = appendNumber(b, "maxWorkerCount", f.max)
	mode := "NO_SCALING"
	if f.autoscales {
		mode = "EVENT_BASED_AUTO_SCALING"
		b = appendMember(b, "autoScalingStatus", "STEADY")
		b = appendNumber(b, "targetWorkerCount", len(f.workers.items))
	}
	b = append(b, `,"configuration":{"customerManaged":{`...)
	b = appendMember(b, "mode", mode)
	b = append(b, `,"workerCapabilities":{"vCpuCount":{"min":8},"memoryMiB":{"min":16384},`+
		`"osFamily":"LINUX","cpuArchitectureType":"x86_64"}}}`...)
	b = appendTime(b, "createdAt", f.createdAt)
	return append(appendMember(b, "createdBy", "farmtest"), '}')
}

// appendWorker appends the worker as ListWorkers and BatchGetWorker show it.
func appendWorker(b []byte, w *Worker, st *workerStatus) []byte {
	b = appendMember(append(b, '{'), "workerId", w.id)
	b = appendMember(b, "farmId", w.fleet.farm.id)
	b = appendMember(b, "fleetId", w.fleet.id)
	b = appendMember(b, "status", st.status)
	b = appendHost(b, w)
	b = appendTime(b, "createdAt", w.createdAt)
	b = appendMember(b, "createdBy", "farmtest")
	b = appendTime(b, "updatedAt", st.at)
	return append(b, '}')
}

func appendHost(b []byte, w *Worker) []byte {
	b = append(b, `,"hostProperties":{`...)
	b = appendMember(b, "hostName", w.host)
	return append(appendMember(b, "ec2InstanceType", "c7i.4xlarge"), '}')
}

// appendSummary appends the session as ListSessionsForWorker shows it.
func appendSummary(b []byte, s *Session, st *state) []byte {
	b = appendMember(append(b, '{'), "sessionId", s.id)
	b = appendMember(b, "queueId", s.job.queueID)
	b = appendMember(b, "jobId", s.job.id)
	return append(appendState(b, s, st), '}')
}

// appendJobSummary appends the session as ListSessions shows it.
func appendJobSummary(b []byte, s *Session, st *state) []byte {
	b = appendMember(append(b, '{'), "sessionId", s.id)
	b = appendMember(b, "fleetId", s.worker.fleet.id)
	b = appendMember(b, "workerId", s.worker.id)
	return append(appendState(b, s, st), '}')
}

func appendState(b []byte, s *Session, st *state) []byte {
	b = appendTime(b, "startedAt", s.startedAt)
	b = appendMember(b, "lifecycleStatus", st.status)
	if !st.endedAt.IsZero() {
		b = appendTime(b, "endedAt", st.endedAt)
	}
	if st.target != "" {
		b = appendMember(b, "targetLifecycleStatus", st.target)
	}
	return b
}

// appendSession appends the session as GetSession and BatchGetSession show it. Only the latter shows the
// identifiers of its farm, queue and job.
func appendSession(b []byte, s *Session, st *state, identifiers bool) []byte {
	b = append(b, '{')
	if identifiers {
		b = appendMember(b, "farmId", s.worker.fleet.farm.id)
		b = appendMember(b, "queueId", s.job.queueID)
		b = appendMember(b, "jobId", s.job.id)
	}
	b = appendMember(b, "sessionId", s.id)
	b = appendMember(b, "fleetId", s.worker.fleet.id)
	b = appendMember(b, "workerId", s.worker.id)
	b = appendState(b, s, st)
	b = append(b, `,"log":{"logDriver":"awslogs","options":{`...)
	b = appendMember(b, "logGroupName", "/aws/deadline/"+s.worker.fleet.farm.id+"/"+s.job.queueID)
	b = append(appendMember(b, "logStreamName", s.id), "}}"...)
	return append(appendHost(b, s.worker), '}')
}
