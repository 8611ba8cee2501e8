#!/bin/sh
# Downloads the new output of a queue as soon as a session has ended, by the command line of AWS Deadline Cloud, instead of
# every few minutes by cron.
#
#   pip install deadline
#   export STORAGE_PROFILE_ID=sp-…          # of this machine; it maps the paths
#   farmwire trigger --brokers localhost:9092 --from now --group download --queue queue-… --include-vanished \
#     --concurrency 1 --command-timeout 6h -- examples/sync-output/sync-output.sh
#
# The first run for a queue looks back two days, because without that it would begin after the session that has just ended.
# Later runs go on where the last one stopped, so a repeat of an event finds nothing new and does no harm. For the same reason
# it may take sessions that vanished: it downloads what is there. The checkpoints are files in ~/.deadline, and one run at a
# time may use them: hence --concurrency 1, and one trigger on one machine.
#
# With deadline 0.60.10: deadline queue sync-output --help
set -eu

exec deadline queue sync-output --region "$FARMWIRE_REGION" --farm-id "$FARMWIRE_FARM_ID" --queue-id "$FARMWIRE_QUEUE_ID" \
	--storage-profile-id "$STORAGE_PROFILE_ID" --bootstrap-lookback-minutes 2880
