"""Lists everything of a simulated farm with boto3: its client and its paginator.

Usage: boto3_client.py URL. Prints one JSON object.
"""
import json
import sys

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

client = boto3.client(
    "deadline", endpoint_url=sys.argv[1], region_name="eu-west-1",
    aws_access_key_id="AKID", aws_secret_access_key="SECRET",
    config=Config(inject_host_prefix=False, retries={"total_max_attempts": 1}),
)


def walk(operation, key, **params):
    return client.get_paginator(operation).paginate(**params).build_full_result()[key]


result = {"sessions": [], "items": [], "errors": [], "workers": [], "goneWorkers": [], "ofJobs": []}
farm = walk("list_farms", "farms")[0]["farmId"]
for fleet in walk("list_fleets", "fleets", farmId=farm):
    ids = {"farmId": farm, "fleetId": fleet["fleetId"]}
    workers = walk("list_workers", "workers", **ids)
    batch = client.batch_get_worker(identifiers=[
        dict(ids, workerId=w) for w in [w["workerId"] for w in workers] + ["worker-" + "0" * 32]])
    assert batch["workers"] == workers, batch
    result["workers"] += [w["status"] for w in batch["workers"]]
    result["goneWorkers"] += [[e["workerId"], e["fleetId"] == fleet["fleetId"], e["code"]] for e in batch["errors"]]
    for worker in workers:
        sessions = walk("list_sessions_for_worker", "sessions", workerId=worker["workerId"],
                        PaginationConfig={"PageSize": 2}, **ids)
        result["sessions"] += [s["sessionId"] for s in sessions]
        batch = client.batch_get_session(identifiers=[
            {"farmId": farm, "queueId": s["queueId"], "jobId": s["jobId"], "sessionId": s["sessionId"]}
            for s in sessions] + [
            {"farmId": farm, "queueId": sessions[0]["queueId"], "jobId": sessions[0]["jobId"],
             "sessionId": "session-" + "0" * 32}])
        for queue, job in {(s["queueId"], s["jobId"]) for s in sessions}:
            of_job = walk("list_sessions", "sessions", farmId=farm, queueId=queue, jobId=job)
            assert all(s["fleetId"] == fleet["fleetId"] and s["workerId"] == worker["workerId"] for s in of_job), of_job
            result["ofJobs"] += [s["sessionId"] for s in of_job]
        result["items"] += [s["sessionId"] for s in batch["sessions"]]
        result["errors"] += [e["code"] for e in batch["errors"]]
        for s in sessions:
            one = client.get_session(farmId=farm, queueId=s["queueId"], jobId=s["jobId"], sessionId=s["sessionId"])
            assert one["startedAt"] == s["startedAt"] and one["log"], one
            assert one["lifecycleStatus"] == s["lifecycleStatus"], one
try:
    client.list_sessions_for_worker(workerId="worker-" + "0" * 32, **ids)
except ClientError as error:
    response = error.response
    result["missing"] = [response["ResponseMetadata"]["HTTPStatusCode"], response["Error"]["Code"],
                         response["resourceType"]]
print(json.dumps(result))
