-- Entries: one of a row that ended, and what is left of it when it was priced anew; none of them posted.

insert into exchange (id, request_id, owner, key, dialect, task, model, stream, opened_at, state, settled_at,
    provider, answered_model, attempts, status, losses, first_event_ms, latency_ms,
    input, cache_read, cache_write, cache_write_long, audio_input, output, reasoning, audio_output,
    estimated, cost_micros, cached, fallback, chunks, counted, team, user, route, saved_micros, course)
values
    ('v9-ended', 'r91', 'gone', 'anna', 'cohere', 'generate', 'm', 1, 1700400060, 'settled', 1700400070,
        'openai', 'm-2', 1, 200, '["dropped:$.tools[3].strict"]', 10, 700, 5, 0, 0, 0, 0, 6, 0, 0, 0, 11, 0, 0, 6,
        'provider', 'red', 'anna', 'fast', 0, '[]');
insert into attempt (exchange_id, number, provider, model, opened_at, state, settled_at, first_event_ms,
    input, cache_read, cache_write, cache_write_long, audio_input, output, reasoning, audio_output, estimated,
    cost_micros, price, tier)
values
    ('v9-ended', 1, 'openai', 'm-2', 1700400060.5, 'settled', 1700400070, 10, 5, 0, 0, 0, 0, 6, 0, 0, 0,
        11, 'operator 1', '');
update attempt set cost_micros = 22 where exchange_id = 'v9-ended';
update exchange set cost_micros = 22 where id = 'v9-ended';
