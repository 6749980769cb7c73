-- What was used, summed up so that no report looks at every row; and what answers were worth.

create index exchange_request_id on exchange (request_id) where request_id <> id;

-- The rows that count, and as what. One that is still open does not, nor does one that had tokens counted.
-- A provider's nonsense must not drive a sum out of range, so nothing counts as more than 10^15.
create view usage_row as select
    id,
    opened_at,
    key,
    iif(provider is null, '', model) as model, -- where nobody was asked, any words may stand there
    ifnull(answered_model, '') as answered_model,
    ifnull(provider, '') as provider,
    1 as requests,
    state in ('failed', 'interrupted') as failed,
    state = 'cancelled' as cancelled,
    cached,
    fallback,
    min(input + cache_read + cache_write + cache_write_long + audio_input, 1000000000000000) as input,
    min(output + reasoning + audio_output, 1000000000000000) as output,
    min(ifnull(cost_micros, 0), 1000000000000000) as cost_micros,
    cost_micros is null as unknown_cost,
    -- How fast a model is, its whole answers tell, not recordings of them.
    iif(state = 'settled' and not cached, ifnull(cast(round(latency_ms * 1000) as integer), 0), 0) as latency_us,
    state = 'settled' and not cached and latency_ms is not null as latencies,
    iif(state = 'settled' and not cached, ifnull(cast(round(first_event_ms * 1000) as integer), 0), 0)
        as first_event_us,
    state = 'settled' and not cached and first_event_ms is not null as first_events
from exchange where state <> 'reserved' and task <> 'count';

-- Sums over an hour, a day and 32 days (`span`, seconds), each beginning (`at`, Unix seconds) at a whole multiple
-- of its length since 1970; for each key, and for everyone together.
create table usage (
    span           integer not null,
    everyone       integer not null,
    at             integer not null,
    key            text    not null, -- '' for everyone
    model          text    not null, -- '' where nobody was asked
    answered_model text    not null, -- '' where nobody answered
    provider       text    not null, -- '' where nobody was asked
    requests       integer not null,
    failed         integer not null,
    cancelled      integer not null,
    cached         integer not null,
    fallback       integer not null,
    input          integer not null,
    output         integer not null,
    cost_micros    integer not null, -- of the requests whose cost is known
    unknown_cost   integer not null, -- requests whose cost is not
    latency_us     integer not null,
    latencies      integer not null,
    first_event_us integer not null,
    first_events   integer not null,
    primary key (span, everyone, at, key, model, answered_model, provider)
) strict, without rowid;

-- A place to say that a row shall be put on the sums (sign 1) or taken off them (sign -1).
create view usage_change as select '' as id, 1 as sign;

create trigger usage_changed instead of insert on usage_change begin
    insert into usage
    select
        span, everyone, cast(opened_at as integer) / span * span, iif(everyone, '', key),
        model, answered_model, provider,
        new.sign * requests, new.sign * failed, new.sign * cancelled, new.sign * cached, new.sign * fallback,
        new.sign * input, new.sign * output, new.sign * cost_micros, new.sign * unknown_cost,
        new.sign * latency_us, new.sign * latencies, new.sign * first_event_us, new.sign * first_events
    from usage_row, (
        select 3600 as span, 0 as everyone union all select 3600, 1
        union all select 86400, 0 union all select 86400, 1
        union all select 2764800, 0 union all select 2764800, 1
    )
    where id = new.id
    on conflict do update set
        requests = requests + excluded.requests,
        failed = failed + excluded.failed,
        cancelled = cancelled + excluded.cancelled,
        cached = cached + excluded.cached,
        fallback = fallback + excluded.fallback,
        input = min(input + excluded.input, 1000000000000000),
        output = min(output + excluded.output, 1000000000000000),
        cost_micros = min(cost_micros + excluded.cost_micros, 1000000000000000),
        unknown_cost = unknown_cost + excluded.unknown_cost,
        latency_us = latency_us + excluded.latency_us,
        latencies = latencies + excluded.latencies,
        first_event_us = first_event_us + excluded.first_event_us,
        first_events = first_events + excluded.first_events;
end;

-- What a row was is taken off while it is still that, and what it has become is put on. A deleted row stays
-- counted: it was used.
create trigger exchange_booked after insert on exchange when new.state <> 'reserved' begin
    insert into usage_change values (new.id, 1);
end;

create trigger exchange_left before update on exchange when old.state <> 'reserved' begin
    insert into usage_change values (old.id, -1);
end;

create trigger exchange_changed after update on exchange when new.state <> 'reserved' begin
    insert into usage_change values (new.id, 1);
end;

insert into usage_change select id, 1 from exchange where state <> 'reserved';

-- What answers were worth to whoever rated them: 1 to 5.
create table rating (
    exchange_id text    not null references exchange (id) on delete cascade,
    key         text    not null,
    model       text    not null,
    rating      integer not null check (rating between 1 and 5),
    feedback    text    not null,
    rated_at    real    not null,
    primary key (exchange_id, key)
) strict, without rowid;

create table rating_total (
    key     text    not null,
    model   text    not null,
    ratings integer not null,
    stars   integer not null,
    primary key (key, model)
) strict, without rowid;

create trigger rating_added after insert on rating begin
    insert into rating_total values (new.key, new.model, 1, new.rating)
    on conflict do update set ratings = ratings + 1, stars = stars + excluded.stars;
end;

create trigger rating_replaced after update on rating begin
    update rating_total set ratings = ratings - 1, stars = stars - old.rating
    where key = old.key and model = old.model;
    insert into rating_total values (new.key, new.model, 1, new.rating)
    on conflict do update set ratings = ratings + 1, stars = stars + excluded.stars;
end;

create trigger rating_removed after delete on rating begin
    update rating_total set ratings = ratings - 1, stars = stars - old.rating
    where key = old.key and model = old.model;
end;
