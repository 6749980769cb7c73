-- Rows as the first version wrote them.

insert into exchange (id, request_id, owner, key, dialect, task, model, stream, opened_at, state, settled_at,
    provider, answered_model, attempts, status, failure, message, stop, losses, first_event_ms, latency_ms,
    input, cache_read, cache_write, cache_write_long, audio_input, output, reasoning, audio_output,
    estimated, cost_micros)
values
    ('v1-ended', 'r1', 'gone', 'anna', 'openai_chat', 'generate', 'm', 1, 1700000000.25, 'settled',
        1700000003.5, 'openai', 'm-2', 2, 200, null, null, 'stop', '["dropped:seed"]', 100.5, 3250.125,
        10, 20, 1, 2, 3, 40, 5, 6, 0, 12345),
    ('v1-open', 'r2', 'gone', 'ben', 'anthropic', 'generate', 'c', 0, 1700003600.5, 'reserved',
        null, 'anthropic', null, 1, null, null, null, null, '[]', null, null,
        0, 0, 0, 0, 0, 0, 0, 0, 0, null),
    ('v1-failed', 'r3', 'gone', 'anna', 'gemini', 'generate', 'any words', 0, 1700090000, 'failed',
        1700090000.5, null, null, 0, 404, 'not_found', 'no such model', null, '[]', null, 0.5,
        0, 0, 0, 0, 0, 0, 0, 0, 0, 0),
    ('v1-unpriced', 'r4', 'gone', '', 'ollama', 'generate', 'own', 1, 1702764800, 'cancelled',
        1702764801, 'ollama', 'own', 1, 499, null, null, null, '[]', 7, 9,
        7, 0, 0, 0, 0, 3, 0, 0, 1, null),
    ('v1-count', 'r5', 'gone', 'anna', 'anthropic', 'count', 'c', 0, 1700000001, 'settled',
        1700000002, 'anthropic', 'c', 1, 200, null, null, null, '[]', null, 1,
        99, 0, 0, 0, 0, 0, 0, 0, 0, 0);
insert into attempt (exchange_id, number, provider, model, opened_at, state, settled_at, status, failure, message,
    upstream_id, first_event_ms, input, cache_read, cache_write, cache_write_long, audio_input, output, reasoning,
    audio_output, estimated, cost_micros)
values
    ('v1-ended', 1, 'groq', 'm', 1700000000.5, 'failed', 1700000001, 503, 'upstream', 'busy', null, null,
        0, 0, 0, 0, 0, 0, 0, 0, 0, 0),
    ('v1-ended', 2, 'openai', 'm-2', 1700000001, 'settled', 1700000003.5, 200, null, null, 'up-1', 100.5,
        10, 20, 1, 2, 3, 40, 5, 6, 0, 12345),
    ('v1-open', 1, 'anthropic', 'c', 1700003600.75, 'reserved', null, null, null, null, null, null,
        0, 0, 0, 0, 0, 0, 0, 0, 0, null);
insert into setting values ('admin', 'a digest');
