-- Exchanges that say how their answer came.

insert into exchange (id, request_id, owner, key, dialect, task, model, stream, opened_at, state, settled_at,
    provider, answered_model, attempts, status, losses, latency_ms, first_event_ms,
    input, cache_read, cache_write, cache_write_long, audio_input, output, reasoning, audio_output,
    estimated, cost_micros, cached, fallback, chunks, counted)
values
    ('v4-cached', 'r6', 'gone', 'anna', 'prompt', 'generate', 'm', 0, 1700000050, 'settled', 1700000050.5,
        'openai', 'm-2', 0, 200, '[]', 0.5, 0.25, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 3, ''),
    ('v4-fallback', 'r7', 'gone', 'carl', 'prompt', 'generate', 'm', 1, 1703000000, 'settled', 1703000001,
        'groq', 'llama', 1, 200, '[]', 1000, 250, 5, 0, 0, 0, 0, 6, 0, 0, 0, 777, 0, 1, 6, 'bpe');
