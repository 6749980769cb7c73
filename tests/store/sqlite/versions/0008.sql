-- Routes, what a recorded answer spared, and the course of the line; and a browser that is signed in.

insert into session values ('digest', 'anna', 'secret', 1700300000, 1700300001, 1900000000);
insert into exchange (id, request_id, owner, key, dialect, task, model, stream, opened_at, state, settled_at,
    provider, answered_model, attempts, status, losses, first_event_ms, latency_ms,
    input, cache_read, cache_write, cache_write_long, audio_input, output, reasoning, audio_output,
    estimated, cost_micros, cached, fallback, chunks, counted, team, user, route, saved_micros, course)
values
    ('v8-cached', 'r81', 'gone', 'anna', 'prompt', 'generate', 'm', 0, 1700300050, 'settled', 1700300050.5,
        'openai', 'm-2', 0, 200, '[]', 0.25, 0.5, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 3, '', 'red', 'anna',
        'fast', 1234, '[["admitted", 0.1], ["settled", 0.5]]'),
    ('v8-unpriced', 'r82', 'gone', 'ben', 'gemini', 'generate', 'm', 1, 1700300060, 'interrupted', 1700300070,
        'openai', 'm-2', 1, null, '["dropped:seed"]', 10, 700, 5, 0, 0, 0, 0, 6, 0, 0, 1, null, 0, 0, 6, 'bpe',
        '', '', '', null, '[]');
insert into attempt (exchange_id, number, provider, model, opened_at, state, settled_at, first_event_ms,
    input, cache_read, cache_write, cache_write_long, audio_input, output, reasoning, audio_output, estimated,
    cost_micros, price, tier)
values
    ('v8-unpriced', 1, 'openai', 'm-2', 1700300060.5, 'interrupted', 1700300070, 10, 5, 0, 0, 0, 0, 6, 0, 0, 1,
        null, '', 'flex');
