"""Prints the first events of a topic as the CloudEvents SDK for Python reads them: python3 read.py BROKERS TOPIC COUNT"""

import json
import sys
from datetime import datetime, timezone

from cloudevents.core.bindings.kafka import KafkaMessage, from_binary
from cloudevents.core.formats.json import JSONFormat
from confluent_kafka import Consumer, KafkaException


def text(value):
    if isinstance(value, datetime):
        return value.astimezone(timezone.utc).strftime("%Y-%m-%dT%H:%M:%S.") + f"{value.microsecond // 1000:03d}Z"
    return value


brokers, topic, count = sys.argv[1], sys.argv[2], int(sys.argv[3])
consumer = Consumer({"bootstrap.servers": brokers, "group.id": "sdk-python", "isolation.level": "read_committed", "auto.offset.reset": "earliest"})
consumer.subscribe([topic])
while count > 0:
    message = consumer.poll(1.0)
    if message is None:
        continue
    if message.error():
        raise KafkaException(message.error())
    event = from_binary(KafkaMessage(dict(message.headers()), message.key(), message.value()), JSONFormat())
    attributes = {name: text(value) for name, value in event.get_attributes().items()}
    print(json.dumps({"attributes": attributes, "data": event.get_data()}), flush=True)
    count -= 1
consumer.close()
