-- Budgets and who has them: rows of teams and users, what is held, and prices.

insert into key values ('anna', 'member', 'anna', 'red', 1700000000, null, null, x'7b7d');
insert into budget values ('month', 'key', 'anna', 5000000, 'month', 'UTC', 1, '[80]', 'admin', 1700000000);
insert into budget_window values ('month', 'anna', 1698796800, 2500, 0);
insert into exchange (id, request_id, owner, key, dialect, task, model, stream, opened_at, state, settled_at,
    provider, answered_model, attempts, status, failure, message, stop, losses, first_event_ms, latency_ms,
    input, cache_read, cache_write, cache_write_long, audio_input, output, reasoning, audio_output,
    estimated, cost_micros, cached, fallback, chunks, counted, team, user, held_micros, shares)
values
    ('v7-ended', 'r71', 'gone', 'anna', 'openai_chat', 'generate', 'm', 1, 1700200000.25, 'settled',
        1700200003.5, 'openai', 'm-2', 1, 200, null, null, 'stop', '["dropped:seed", "dropped:$.tools[3].strict"]',
        55.5, 1250.125, 100, 20, 0, 0, 0, 40, 5, 0, 0, 2500, 0, 0, 9, 'provider', 'red', 'anna', 3000,
        '[["month", "anna", 1698796800]]'),
    ('v7-failed', 'r72', 'gone', 'anna', 'cohere', 'embed', 'e', 0, 1700200100, 'failed',
        1700200101, 'cohere', null, 1, 503, 'upstream', 'busy', null, '[]', null, 900,
        0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, '', 'red', 'anna', 0, '[]');
insert into attempt (exchange_id, number, provider, model, opened_at, state, settled_at, status, failure, message,
    upstream_id, first_event_ms, input, cache_read, cache_write, cache_write_long, audio_input, output, reasoning,
    audio_output, estimated, cost_micros, price, tier)
values
    ('v7-ended', 1, 'openai', 'm-2', 1700200000.5, 'settled', 1700200003.5, 200, null, null, 'up-7', 55.5,
        100, 20, 0, 0, 0, 40, 5, 0, 0, 2500, 'operator 1', ''),
    ('v7-failed', 1, 'cohere', 'e', 1700200100.5, 'failed', 1700200101, 503, 'upstream', 'busy', null, null,
        0, 0, 0, 0, 0, 0, 0, 0, 0, 0, '', '');
