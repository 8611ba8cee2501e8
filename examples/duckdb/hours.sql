SELECT data.session.queueId AS queue, count(*) AS sessions,
       sum(epoch(data.session.endedAt::TIMESTAMP) - epoch(data.session.startedAt::TIMESTAMP)) / 3600 AS hours
FROM (SELECT DISTINCT ON (id) * FROM read_json('ends.jsonl'))
WHERE data.change = 'ended' AND NOT data.snapshot
GROUP BY ALL ORDER BY hours DESC;
