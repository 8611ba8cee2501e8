#!/usr/bin/env python3
"""Adds up the worker time of each queue in an SQLite database, each session exactly once.

    pip install -r examples/requirements.txt
    python3 examples/python/worker_time.py --brokers localhost:9092
    sqlite3 worker-time.sqlite 'SELECT queue, sum(seconds) FROM ends GROUP BY queue'

It runs until Ctrl-C, and goes on where it stopped. Kafka may hand out an event again, after a restart for example. So the
sequence of the event is written together with the time, in one transaction of the database: an event whose sequence is not
above the one that is there is a repeat.

The topic .ended has no vanished sessions: nobody knows when those ended, so their time is not billed. What it has was never
inferred: startedAt and endedAt are exact even if Farmwire did not see the session start.
"""

import argparse
import signal
import sqlite3
import threading
from datetime import datetime

from cloudevents.core.bindings.kafka import KafkaMessage, from_binary
from cloudevents.core.formats.json import JSONFormat
from confluent_kafka import Consumer, KafkaException


def arguments():
    parser = argparse.ArgumentParser(description="Add up the worker time of each queue.")
    parser.add_argument("--brokers", default="localhost:9092")
    parser.add_argument("--topic-prefix", default="deadline.sessions")
    parser.add_argument("--group", default="worker-time")
    parser.add_argument("--database", default="worker-time.sqlite")
    return parser.parse_args()


def open_database(path):
    database = sqlite3.connect(path)
    database.execute(
        "CREATE TABLE IF NOT EXISTS ends (session TEXT PRIMARY KEY, sequence INTEGER NOT NULL,"
        " queue TEXT NOT NULL, job TEXT NOT NULL, started TEXT NOT NULL, ended TEXT NOT NULL, seconds REAL NOT NULL)"
    )
    return database


def seconds_of(session):
    started, ended = (datetime.strptime(session[name], "%Y-%m-%dT%H:%M:%S.%fZ") for name in ("startedAt", "endedAt"))
    return (ended - started).total_seconds()


def remember(database, sequence, session):
    """Writes the end of a session, and returns whether it was new."""
    with database:  # one transaction
        written = database.execute(
            "INSERT INTO ends VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT (session) DO UPDATE SET"
            " sequence = excluded.sequence, ended = excluded.ended, seconds = excluded.seconds"
            " WHERE ends.sequence < excluded.sequence",
            (session["sessionId"], sequence, session["queueId"], session["jobId"],
             session["startedAt"], session["endedAt"], seconds_of(session)),
        )
        return written.rowcount > 0


def main():
    args = arguments()
    stopped = threading.Event()
    for number in signal.SIGINT, signal.SIGTERM:
        signal.signal(number, lambda *_: stopped.set())
    database = open_database(args.database)
    consumer = Consumer({
        "bootstrap.servers": args.brokers,
        "group.id": args.group,
        "isolation.level": "read_committed",  # else there are events that Farmwire has withdrawn
        "auto.offset.reset": "earliest",      # of a group that has no offsets yet
        "enable.auto.offset.store": False,    # only what is in the database is committed
    })
    consumer.subscribe([args.topic_prefix + ".ended"])
    try:
        while not stopped.is_set():
            message = consumer.poll(0.5)
            if message is None:
                continue
            if message.error():
                raise KafkaException(message.error())
            event = from_binary(KafkaMessage(dict(message.headers()), message.key(), message.value()), JSONFormat())
            if event.get_type() == "farmwire.session.ended.v1":  # ignore what a newer Farmwire may add
                data = event.get_data()
                new = remember(database, data["sequence"], data["session"])
                print(event.get_id(), f"{seconds_of(data['session']):.3f} s" if new else "is a repeat", flush=True)
            consumer.store_offsets(message)
    finally:
        consumer.close()
        database.close()


if __name__ == "__main__":
    main()
