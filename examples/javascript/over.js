// Writes a ledger of the sessions that are over, each exactly once: one JSON line for each.
//
//     npm ci --prefix examples
//     node examples/javascript/over.js --brokers localhost:9092
//
// It runs until Ctrl-C, and goes on where it stopped. Run one instance: the ledger is one file. Kafka may hand out an event
// again, after a restart for example. So each line holds the sequence of its event: an event whose sequence is not above the
// one in the ledger is a repeat.
'use strict'

const fs = require('node:fs')
const { parseArgs } = require('node:util')
const { Kafka: CloudEvents } = require('cloudevents')
const { Kafka, logLevel } = require('kafkajs')

const { values: args } = parseArgs({
  options: {
    brokers: { type: 'string', default: 'localhost:9092' },
    'topic-prefix': { type: 'string', default: 'deadline.sessions' },
    group: { type: 'string', default: 'over' },
    ledger: { type: 'string', default: 'over.jsonl' },
  },
})

// openLedger returns the file, and the last sequence of each session in it.
function openLedger(path) {
  const file = fs.openSync(path, 'a+')
  const bytes = fs.readFileSync(path)
  const whole = bytes.lastIndexOf('\n') + 1
  fs.ftruncateSync(file, whole) // a line that was cut off by a crash is written again
  const last = new Map()
  for (const line of bytes.subarray(0, whole).toString().split('\n').filter(Boolean)) {
    const { session, sequence } = JSON.parse(line)
    last.set(session, sequence)
  }
  return { file, last }
}

// eventOf decodes a record. kafkajs hands out bytes, and the CloudEvents SDK wants text.
function eventOf(message) {
  const headers = Object.fromEntries(Object.entries(message.headers).map(([name, value]) => [name, value.toString()]))
  return CloudEvents.toEvent({ ...message, headers, key: message.key.toString() })
}

// lineOf returns what the ledger says of the end of a session.
function lineOf(event) {
  const { change, sequence, session, observed } = event.data
  return {
    id: event.id, session: session.sessionId, sequence, queue: session.queueId, worker: session.workerId,
    // A session that vanished is over, and nobody knows since when, or how it ended. Release what it held, and bill nothing.
    change, endedAt: session.endedAt, overBefore: observed.before,
  }
}

async function main() {
  const { file, last } = openLedger(args.ledger)
  const kafka = new Kafka({ clientId: 'over', brokers: args.brokers.split(','), logLevel: logLevel.ERROR })
  const consumer = kafka.consumer({
    groupId: args.group,
    readUncommitted: false, // with true there would be events that Farmwire has withdrawn
  })
  // What kafkajs cannot get over ends this program, and whoever started it should know. kafkajs has logged it.
  consumer.on(consumer.events.CRASH, ({ payload }) => {
    if (!payload.restart) process.exit(1)
  })
  await consumer.connect()
  // .ended has no vanished sessions, so this reads .events, which has both.
  await consumer.subscribe({ topics: [args['topic-prefix'] + '.events'], fromBeginning: true })
  await consumer.run({
    // kafkajs commits the offset of a record after this has returned.
    eachMessage: async ({ message }) => {
      const event = eventOf(message)
      const over = ['farmwire.session.ended.v1', 'farmwire.session.vanished.v1'].includes(event.type)
      if (!over || event.data.snapshot) return // a snapshot was over before the watch began
      const line = lineOf(event)
      if (line.sequence <= (last.get(line.session) ?? 0)) {
        console.log(`${event.id} is a repeat`)
        return
      }
      fs.writeSync(file, JSON.stringify(line) + '\n')
      fs.fsyncSync(file)
      last.set(line.session, line.sequence)
      console.log(`${event.id} ${line.change}`)
    },
  })
  for (const signal of ['SIGINT', 'SIGTERM']) {
    process.once(signal, async () => {
      await consumer.disconnect()
      fs.closeSync(file)
    })
  }
}

main().catch((error) => {
  console.error(error.message)
  process.exit(1)
})
