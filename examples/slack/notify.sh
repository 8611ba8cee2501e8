#!/bin/sh
# Posts a message to Slack when a session has ended. It needs curl and Python 3.
#
#   export SLACK_WEBHOOK_URL=https://hooks.slack.com/services/…
#   farmwire trigger --brokers localhost:9092 --from now -- examples/slack/notify.sh
#
# farmwire trigger delivers each end at least once, so in rare cases a message comes twice. That does no harm among people;
# FARMWIRE_ID is the same both times, for where it would. With --include-vanished it also gets the sessions whose end nobody
# saw: then FARMWIRE_CHANGE is vanished, and FARMWIRE_ENDED_AT is empty.
set -eu
: "${SLACK_WEBHOOK_URL:?give the URL of an incoming webhook}"

# The values come from elsewhere, so nothing of them is put into JSON by hand. Slack wants &, < and > escaped.
message=$(python3 -c '
import json, os

def value(name):
    return os.environ[name].replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")

where = value("FARMWIRE_HOST_NAME") or value("FARMWIRE_WORKER_ID")
what = "ended at " + value("FARMWIRE_ENDED_AT") if os.environ["FARMWIRE_ENDED_AT"] else "is over, and nobody saw its end"
print(json.dumps({"text": "Session %s on %s %s (job %s)" % (value("FARMWIRE_SESSION_ID"), where, what, value("FARMWIRE_JOB_ID"))}))
')

# The URL is a secret: curl reads it from stdin, because every user of this host can see arguments. A message that Slack refuses
# makes this script fail: farmwire trigger tries it again, and at last puts the event into its dead-letter topic. By exit code 75
# this script says that Slack cannot be reached: then farmwire trigger tries again for as long as it takes.
printf 'url = "%s"\n' "$SLACK_WEBHOOK_URL" |
	curl --config - --fail --silent --show-error --output /dev/null --max-time 30 --retry 5 --retry-connrefused \
		--header 'Content-Type: application/json' --data-raw "$message" ||
	case $? in
	5 | 6 | 7 | 28 | 35 | 52 | 56) exit 75 ;; # no connection, or no answer
	*) exit 1 ;;
	esac
