-- An exchange that asked a second model after the first had failed.

insert into exchange (id, request_id, owner, key, dialect, task, model, stream, opened_at, state, settled_at,
    provider, answered_model, attempts, status, failure, losses, first_event_ms, latency_ms,
    input, cache_read, cache_write, cache_write_long, audio_input, output, reasoning, audio_output,
    estimated, cost_micros, cached, fallback, chunks, counted, team, user, route, saved_micros, course)
values
    ('v11-fallback', 'r111', 'gone', 'anna', 'anthropic', 'generate', 'fast', 0, 1700600060, 'settled', 1700600070,
        'groq', 'n-1', 2, 200, null, '[]', 12, 90, 9, 0, 0, 0, 0, 4, 0, 0, 0, 33, 0, 1, 0,
        'provider', 'red', 'anna', 'fast', 0, '[]');

insert into attempt (exchange_id, number, provider, model, opened_at, state, settled_at, failure, price, tier,
    input, cache_read, cache_write, cache_write_long, audio_input, output, reasoning, audio_output, estimated,
    cost_micros)
values
    ('v11-fallback', 1, 'openai', 'm', 1700600060, 'failed', 1700600062, 'overloaded', '', '',
        0, 0, 0, 0, 0, 0, 0, 0, 0, 0),
    ('v11-fallback', 2, 'groq', 'n', 1700600062, 'settled', 1700600070, null, '', '',
        9, 0, 0, 0, 0, 4, 0, 0, 0, 33);
