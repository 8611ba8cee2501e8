// Package event is the wire form of the records that Farmwire writes to Kafka: how they are encoded and how they are
// decoded. It imports no Kafka client, so a consumer can use it with any.
//
// There are four topics. With the prefix deadline.sessions:
//
//   - deadline.sessions.events has every change of every session. Each record is a CloudEvents 1.0 event in binary mode:
//     its attributes are headers, and its value is JSON. Encode writes it and Decode reads it.
//   - deadline.sessions.ended has a copy of each event that tells of an end, with the same key, headers and value.
//   - deadline.sessions.coverage says up to when everything was looked at, and what could not be looked at.
//     EncodeCoverage writes its records and DecodeCoverage reads them.
//   - deadline.sessions.state is compacted and has the last known state of each session, and Farmwire's own records.
//     DecodeState reads them.
//
// A consumer must read with the isolation level read_committed. Otherwise it also sees records of transactions that were
// aborted, and one ce_id twice with different contents.
//
// The wire form is fixed within a version. A newer version of Farmwire may add headers, members of JSON objects,
// statuses, event types and kinds of state records. Decode, DecodeCoverage and DecodeState ignore headers, members and
// statuses that they do not know, and return ErrUnknown for types and kinds that they do not know, so that a consumer can
// skip them.
package event
