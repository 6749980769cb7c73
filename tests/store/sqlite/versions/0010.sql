-- A failure among the rows that are looked for most; its entry waits.

insert into exchange (id, request_id, owner, key, dialect, task, model, stream, opened_at, state, settled_at,
    provider, answered_model, attempts, status, failure, losses, first_event_ms, latency_ms,
    input, cache_read, cache_write, cache_write_long, audio_input, output, reasoning, audio_output,
    estimated, cost_micros, cached, fallback, chunks, counted, team, user, route, saved_micros, course)
values
    ('v10-failed', 'r101', 'gone', 'anna', 'gemini', 'generate', 'm', 0, 1700500060, 'failed', 1700500070,
        'openai', 'm', 1, 503, 'overloaded', '[]', null, 90, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
        'provider', 'red', 'anna', '', 0, '[]');
