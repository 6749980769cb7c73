-- What was used, summed up behind the ledger's back: who books appends an entry, and entries are posted to the
-- sums by whoever comes by, some at a time. In the place of sums in slots (0002), to which every booking added.
-- Slots stay for ratings (0003).

lock table exchange in access exclusive mode; -- what is booked meanwhile would be an entry of nobody's

-- What a change of the ledger adds to the sums, or takes off them. Whoever posts deletes exactly what he has read:
-- a smaller number may be committed after a larger one.
create table usage_entry (
    id             bigint  not null primary key generated always as identity,
    at             bigint  not null, -- Unix second its exchange began at
    key            text    not null,
    team           text    not null,
    "user"         text    not null,
    model          text    not null,
    provider       text    not null,
    route          text    not null,
    state          text    not null,
    failure        text    not null,
    dialect        text    not null,
    requests       bigint  not null,
    failed         bigint  not null,
    cancelled      bigint  not null,
    cached         bigint  not null,
    fallback       bigint  not null,
    streamed       bigint  not null,
    lossy          bigint  not null,
    attempts       bigint  not null,
    input          bigint  not null,
    cache_read     bigint  not null,
    output         bigint  not null,
    reasoning      bigint  not null,
    cost_micros    bigint  not null,
    unknown_cost   bigint  not null,
    estimated      bigint  not null,
    saved_micros   bigint  not null,
    latency_us     bigint  not null,
    latencies      bigint  not null,
    first_event_us bigint  not null,
    first_events   bigint  not null,
    losses         text    not null  -- a JSON array of words
) with (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 2000);

-- What the old sums counted of rows that have been deleted since: no more is known of these.
with kept as (
    select
        at, key, model, answered_model, provider,
        sum(requests) as requests, sum(failed) as failed, sum(cancelled) as cancelled, sum(cached) as cached,
        sum(fallback) as fallback, sum(input) as input, sum(output) as output, sum(cost_micros) as cost_micros,
        sum(unknown_cost) as unknown_cost, sum(latency_us) as latency_us, sum(latencies) as latencies,
        sum(first_event_us) as first_event_us, sum(first_events) as first_events
    from usage where span = 3600 and not everyone
    group by 1, 2, 3, 4, 5
), there as (
    select
        at / 3600 * 3600 as at, key, model, answered_model, provider,
        sum(requests) as requests, sum(failed) as failed, sum(cancelled) as cancelled, sum(cached) as cached,
        sum(fallback) as fallback, sum(input) as input, sum(output) as output, sum(cost_micros) as cost_micros,
        sum(unknown_cost) as unknown_cost, sum(latency_us) as latency_us, sum(latencies) as latencies,
        sum(first_event_us) as first_event_us, sum(first_events) as first_events
    from usage_row
    group by 1, 2, 3, 4, 5
)
insert into usage_entry (
    at, key, team, "user", model, provider, route, state, failure, dialect,
    requests, failed, cancelled, cached, fallback, streamed, lossy, attempts, input, cache_read, output, reasoning,
    cost_micros, unknown_cost, estimated, saved_micros, latency_us, latencies, first_event_us, first_events, losses
)
select
    kept.at, kept.key, '', '', coalesce(nullif(kept.answered_model, ''), kept.model), kept.provider, '', '', '', '',
    bounded(kept.requests - coalesce(there.requests, 0)),
    bounded(kept.failed - coalesce(there.failed, 0)),
    bounded(kept.cancelled - coalesce(there.cancelled, 0)),
    bounded(kept.cached - coalesce(there.cached, 0)),
    bounded(kept.fallback - coalesce(there.fallback, 0)),
    0, 0, 0,
    bounded(greatest(kept.input - coalesce(there.input, 0), 0)),
    0,
    bounded(greatest(kept.output - coalesce(there.output, 0), 0)),
    0,
    bounded(greatest(kept.cost_micros - coalesce(there.cost_micros, 0), 0)),
    bounded(kept.unknown_cost - coalesce(there.unknown_cost, 0)),
    0, 0,
    bounded(greatest(kept.latency_us - coalesce(there.latency_us, 0), 0)),
    bounded(kept.latencies - coalesce(there.latencies, 0)),
    bounded(greatest(kept.first_event_us - coalesce(there.first_event_us, 0), 0)),
    bounded(kept.first_events - coalesce(there.first_events, 0)),
    '[]'
from kept left join there using (at, key, model, answered_model, provider)
where kept.requests > coalesce(there.requests, 0)
order by kept.at;

drop trigger exchange_booked on exchange;
drop trigger exchange_changed on exchange;
drop function exchange_booked();
drop function exchange_changed();
drop function usage_put(exchange[], integer[]);
drop view usage_row;
drop function usage_of(exchange);
drop table usage;

-- As what a row counts. One that is still open does not, nor does one that had tokens counted. Names are cut as
-- the sums' are, and nothing counts as more than 10^15 (store/reports.py).
create function usage_of(e exchange) returns table (
    at bigint, key text, team text, "user" text, model text, provider text, route text, state text, failure text,
    dialect text, requests bigint, failed bigint, cancelled bigint, cached bigint, fallback bigint,
    streamed bigint, lossy bigint, attempts bigint, input bigint, cache_read bigint, output bigint,
    reasoning bigint, cost_micros bigint, unknown_cost bigint, estimated bigint, saved_micros bigint,
    latency_us bigint, latencies bigint, first_event_us bigint, first_events bigint, losses text
) language sql immutable as $$
    select
        trunc((e).opened_at)::bigint,
        left((e).key, 160),
        left((e).team, 160),
        left((e)."user", 160),
        -- Where nobody was asked, any words may stand for a model.
        case
            when (e).provider is null then '' else left(coalesce(nullif((e).answered_model, ''), (e).model), 160)
        end,
        left(coalesce((e).provider, ''), 160),
        left((e).route, 160),
        (e).state,
        left(coalesce((e).failure, ''), 160),
        left((e).dialect, 160),
        1::bigint,
        ((e).state in ('failed', 'interrupted'))::integer::bigint,
        ((e).state = 'cancelled')::integer::bigint,
        (e).cached::integer::bigint,
        (e).fallback::integer::bigint,
        (e).stream::integer::bigint,
        ((e).losses <> '[]')::integer::bigint,
        bounded((e).attempts),
        bounded((e).input::numeric + (e).cache_read + (e).cache_write + (e).cache_write_long + (e).audio_input),
        bounded((e).cache_read),
        bounded((e).output::numeric + (e).reasoning + (e).audio_output),
        bounded((e).reasoning),
        bounded(coalesce((e).cost_micros, 0)),
        ((e).cost_micros is null)::integer::bigint,
        (e).estimated::integer::bigint,
        bounded(coalesce((e).saved_micros, 0)),
        -- How fast a model is, its whole answers tell, not recordings of them.
        case when (e).state = 'settled' and not (e).cached then micros((e).latency_ms) else 0 end,
        ((e).state = 'settled' and not (e).cached and (e).latency_ms is not null)::integer::bigint,
        case when (e).state = 'settled' and not (e).cached then micros((e).first_event_ms) else 0 end,
        ((e).state = 'settled' and not (e).cached and (e).first_event_ms is not null)::integer::bigint,
        (e).losses
    where (e).state <> 'reserved' and (e).task <> 'count'
$$;

create view usage_row as
    select e.opened_at, counted.* from exchange e cross join lateral usage_of(e) as counted;

-- The bucket of so many microseconds (store/spread.py).
create function usage_bucket(us bigint) returns integer language sql immutable
    return case
        when us <= 1000 then 0
        else least(400, ceil(16 * ln(us / 1000.0::double precision) / ln(2::double precision) - 1e-9))::integer
    end;

create function exchange_booked() returns trigger language plpgsql as $$
begin
    insert into usage_entry (
        at, key, team, "user", model, provider, route, state, failure, dialect,
        requests, failed, cancelled, cached, fallback, streamed, lossy, attempts, input, cache_read, output,
        reasoning, cost_micros, unknown_cost, estimated, saved_micros, latency_us, latencies, first_event_us,
        first_events, losses
    )
    select counted.*
    from (
        -- As a row it is made once; unless told so (offset), once for each of its columns.
        select row(booked.*)::exchange as e from booked where booked.state <> 'reserved' offset 0
    ) as one
    cross join lateral usage_of(one.e) as counted;
    return null;
end $$;

-- Where what a row counts as changes, what it was is taken off, and what it has become is put on. A deleted row
-- stays counted: it was used.
create function exchange_changed() returns trigger language plpgsql as $$
begin
    insert into usage_entry (
        at, key, team, "user", model, provider, route, state, failure, dialect,
        requests, failed, cancelled, cached, fallback, streamed, lossy, attempts, input, cache_read, output,
        reasoning, cost_micros, unknown_cost, estimated, saved_micros, latency_us, latencies, first_event_us,
        first_events, losses
    )
    select
        counted.at, counted.key, counted.team, counted."user", counted.model,
        counted.provider, counted.route, counted.state, counted.failure, counted.dialect,
        sign * requests, sign * failed, sign * cancelled, sign * cached, sign * fallback, sign * streamed,
        sign * lossy, sign * attempts, sign * input, sign * cache_read, sign * output, sign * reasoning,
        sign * cost_micros, sign * unknown_cost, sign * estimated, sign * saved_micros, sign * latency_us,
        sign * latencies, sign * first_event_us, sign * first_events, counted.losses
    from (
        select
            was.state = 'reserved' as first,
            row(was.*)::exchange as before, row(became.*)::exchange as after
        from was join became using (id)
        where became.state <> 'reserved' offset 0
    ) as one
    cross join lateral (values (-1, one.before), (1, one.after)) as side (sign, e)
    cross join lateral usage_of(side.e) as counted
    where one.first or exists (
        select from usage_of(one.before) as former full join usage_of(one.after) as latter on true
        where former is distinct from latter
    );
    return null;
end $$;

create trigger exchange_booked after insert on exchange
    referencing new table as booked for each statement execute function exchange_booked();

create trigger exchange_changed after update on exchange
    referencing old table as was new table as became for each statement execute function exchange_changed();

insert into usage_entry (
    at, key, team, "user", model, provider, route, state, failure, dialect,
    requests, failed, cancelled, cached, fallback, streamed, lossy, attempts, input, cache_read, output, reasoning,
    cost_micros, unknown_cost, estimated, saved_micros, latency_us, latencies, first_event_us, first_events, losses
)
select counted.*
from exchange e cross join lateral usage_of(e) as counted
order by e.opened_at; -- what is of one hour is posted together

-- A call of a provider that has ended, until it is posted: it counts once.
create table usage_call (
    id             bigint not null primary key generated always as identity,
    at             bigint not null,
    provider       text   not null,
    model          text   not null,
    state          text   not null,
    failure        text   not null,
    first_event_us bigint -- null: there was none
) with (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 2000);

create function call_of(a attempt) returns table (
    at bigint, provider text, model text, state text, failure text, first_event_us bigint
) language sql stable as $$
    select
        trunc((a).opened_at)::bigint, left((a).provider, 160), left((a).model, 160), (a).state,
        left(coalesce((a).failure, ''), 160),
        case when (a).first_event_ms is not null then micros((a).first_event_ms) end
    from exchange where id = (a).exchange_id and task <> 'count'
$$;

create function attempt_booked() returns trigger language plpgsql as $$
begin
    insert into usage_call (at, provider, model, state, failure, first_event_us)
    select call.*
    from (select row(booked.*)::attempt as a from booked where booked.state <> 'reserved' offset 0) as one
    cross join lateral call_of(one.a) as call;
    return null;
end $$;

create function attempt_ended() returns trigger language plpgsql as $$
begin
    insert into usage_call (at, provider, model, state, failure, first_event_us)
    select call.*
    from (
        select row(became.*)::attempt as a from was join became using (exchange_id, number)
        where was.state = 'reserved' and became.state <> 'reserved' offset 0
    ) as one
    cross join lateral call_of(one.a) as call;
    return null;
end $$;

create trigger attempt_booked after insert on attempt
    referencing new table as booked for each statement execute function attempt_booked();

create trigger attempt_ended after update on attempt
    referencing old table as was new table as became for each statement execute function attempt_ended();

insert into usage_call (at, provider, model, state, failure, first_event_us)
select call.* from attempt a cross join lateral call_of(a) as call where a.state <> 'reserved' order by a.opened_at;

-- What there are sums of: each combination of names that was seen, and each name alone ('' for all others). An
-- index does not take nine long names, but their digest.
create table usage_group (
    id       bigint   not null primary key generated always as identity,
    digest   bytea    not null unique,
    kind     smallint not null, -- KINDS of store/reports.py
    key      text     not null,
    team     text     not null,
    "user"   text     not null,
    model    text     not null,
    provider text     not null,
    route    text     not null,
    state    text     not null,
    failure  text     not null,
    dialect  text     not null
);

create index usage_group_kind on usage_group (kind);

-- Sums over an hour, a day and 32 days (`span`, seconds), each beginning (`at`, Unix seconds) at a whole multiple
-- of its length since 1970. Those of one group are beside each other in the index: what is asked about are few
-- groups. Rows are changed again and again, in the room that is left for it beside them.
create table usage (
    "group"        bigint  not null,
    span           integer not null,
    at             bigint  not null,
    requests       bigint  not null,
    failed         bigint  not null,
    cancelled      bigint  not null,
    cached         bigint  not null,
    fallback       bigint  not null,
    streamed       bigint  not null,
    lossy          bigint  not null,
    attempts       bigint  not null,
    input          bigint  not null,
    cache_read     bigint  not null,
    output         bigint  not null,
    reasoning      bigint  not null,
    cost_micros    bigint  not null,
    unknown_cost   bigint  not null,
    estimated      bigint  not null,
    saved_micros   bigint  not null,
    latency_us     bigint  not null,
    latencies      bigint  not null,
    first_event_us bigint  not null,
    first_events   bigint  not null,
    latency        bytea   not null, -- spreads (store/spread.py)
    first_event    bytea   not null,
    primary key ("group", span, at)
) with (fillfactor = 60);
