// Prints the first events of a topic as the CloudEvents SDK for JavaScript reads them: node read.js BROKERS TOPIC COUNT
'use strict'

const { Kafka: CloudEvents } = require('cloudevents')
const { Kafka, logLevel } = require('kafkajs')

async function main(brokers, topic, count) {
  const kafka = new Kafka({ brokers: brokers.split(','), logLevel: logLevel.ERROR })
  const consumer = kafka.consumer({ groupId: 'sdk-javascript', readUncommitted: false })
  await consumer.connect()
  await consumer.subscribe({ topics: [topic], fromBeginning: true })
  await consumer.run({
    eachMessage: async ({ message }) => {
      if (count-- <= 0) return
      const headers = Object.fromEntries(Object.entries(message.headers).map(([name, value]) => [name, value.toString()]))
      const { data, ...attributes } = CloudEvents.toEvent({ ...message, headers, key: message.key.toString() }).toJSON()
      console.log(JSON.stringify({ attributes, data }))
      if (count === 0) setImmediate(() => consumer.disconnect())
    },
  })
}

main(process.argv[2], process.argv[3], Number(process.argv[4]))
