// Package receipts checks what a trigger has delivered, against the events that were written to Kafka and what an independent
// receiver has noted of every request. It knows nothing of Farmwire's code, of Kafka and of HTTP.
package receipts
