-- What was used, summed up so that no report looks at every row.
--
-- Everybody who books adds to the same few sums: were each of them one row, all would wait for each other, and
-- two that came by them in another order for ever. So each transaction adds to rows of its own, which lie in a
-- slot that nobody else uses before it ends; whoever reads adds the slots up. There are as many slots as there
-- were ever transactions at once.

create function usage_slot() returns integer language plpgsql as $$
declare
    slot integer := nullif(current_setting('dragoman.slot', true), '')::integer;
begin
    if slot is null then
        slot := 0;
        while not pg_try_advisory_xact_lock(1146243917, slot) loop
            slot := slot + 1;
        end loop;
        perform set_config('dragoman.slot', slot::text, true);
    end if;
    return slot;
end $$;

-- Sums over an hour, a day and 32 days (`span`, seconds), each beginning (`at`, Unix seconds) at a whole multiple
-- of its length since 1970; for each key, and for everyone together. Names are cut at 160 characters: an index
-- takes no more.
create table usage (
    span           integer not null,
    everyone       boolean not null,
    at             bigint  not null,
    key            text    not null, -- '' for everyone
    model          text    not null, -- '' where nobody was asked
    answered_model text    not null, -- '' where nobody answered
    provider       text    not null, -- '' where nobody was asked
    slot           integer not null,
    requests       bigint  not null,
    failed         bigint  not null,
    cancelled      bigint  not null,
    cached         bigint  not null,
    fallback       bigint  not null,
    input          bigint  not null,
    output         bigint  not null,
    cost_micros    bigint  not null, -- of the requests whose cost is known
    unknown_cost   bigint  not null, -- requests whose cost is not
    latency_us     bigint  not null,
    latencies      bigint  not null,
    first_event_us bigint  not null,
    first_events   bigint  not null,
    primary key (span, everyone, at, key, model, answered_model, provider, slot)
) with (fillfactor = 50);

-- A provider's nonsense must not drive a sum out of range, so nothing counts as more than 10^15.
create function bounded(value numeric) returns bigint language sql immutable
    return least(greatest(value, -1000000000000000), 1000000000000000)::bigint;

create function micros(ms double precision) returns bigint language sql immutable
    return coalesce(round(least(greatest(ms * 1000, 0), 1e15))::bigint, 0);

-- As what a row counts. One that is still open does not, nor does one that had tokens counted.
create function usage_of(e exchange) returns table (
    at bigint, key text, model text, answered_model text, provider text,
    requests bigint, failed bigint, cancelled bigint, cached bigint, fallback bigint,
    input bigint, output bigint, cost_micros bigint, unknown_cost bigint,
    latency_us bigint, latencies bigint, first_event_us bigint, first_events bigint
) language sql immutable as $$
    select
        trunc((e).opened_at)::bigint,
        left((e).key, 160),
        case when (e).provider is null then '' else left((e).model, 160) end, -- else any words may stand there
        left(coalesce((e).answered_model, ''), 160),
        left(coalesce((e).provider, ''), 160),
        1::bigint,
        ((e).state in ('failed', 'interrupted'))::integer::bigint,
        ((e).state = 'cancelled')::integer::bigint,
        (e).cached::integer::bigint,
        (e).fallback::integer::bigint,
        bounded((e).input::numeric + (e).cache_read + (e).cache_write + (e).cache_write_long + (e).audio_input),
        bounded((e).output::numeric + (e).reasoning + (e).audio_output),
        bounded(coalesce((e).cost_micros, 0)),
        ((e).cost_micros is null)::integer::bigint,
        -- How fast a model is, its whole answers tell, not recordings of them.
        case when (e).state = 'settled' and not (e).cached then micros((e).latency_ms) else 0 end,
        ((e).state = 'settled' and not (e).cached and (e).latency_ms is not null)::integer::bigint,
        case when (e).state = 'settled' and not (e).cached then micros((e).first_event_ms) else 0 end,
        ((e).state = 'settled' and not (e).cached and (e).first_event_ms is not null)::integer::bigint
    where (e).state <> 'reserved' and (e).task <> 'count'
$$;

create view usage_row as
    select e.opened_at, counted.* from exchange e cross join lateral usage_of(e) as counted;

-- Put rows on the sums (sign 1) or take them off (sign -1), each sum touched once.
create function usage_put(rows exchange[], signs integer[]) returns void language sql as $$
    insert into usage as kept
    select
        span.seconds, each.one, counted.at / span.seconds * span.seconds,
        case when each.one then '' else counted.key end, counted.model, counted.answered_model, counted.provider,
        usage_slot(),
        sum(sign * requests), sum(sign * failed), sum(sign * cancelled), sum(sign * counted.cached),
        sum(sign * counted.fallback), bounded(sum(sign * counted.input)), bounded(sum(sign * counted.output)),
        bounded(sum(sign * counted.cost_micros)), sum(sign * unknown_cost), sum(sign * latency_us),
        sum(sign * latencies), sum(sign * first_event_us), sum(sign * first_events)
    from unnest(signs) with ordinality as listed (sign, number)
    cross join lateral usage_of(rows[listed.number]) as counted
    cross join (values (3600), (86400), (2764800)) as span (seconds)
    cross join (values (false), (true)) as each (one)
    group by 1, 2, 3, 4, 5, 6, 7
    on conflict (span, everyone, at, key, model, answered_model, provider, slot) do update set
        requests = kept.requests + excluded.requests,
        failed = kept.failed + excluded.failed,
        cancelled = kept.cancelled + excluded.cancelled,
        cached = kept.cached + excluded.cached,
        fallback = kept.fallback + excluded.fallback,
        input = bounded(kept.input::numeric + excluded.input),
        output = bounded(kept.output::numeric + excluded.output),
        cost_micros = bounded(kept.cost_micros::numeric + excluded.cost_micros),
        unknown_cost = kept.unknown_cost + excluded.unknown_cost,
        latency_us = kept.latency_us + excluded.latency_us,
        latencies = kept.latencies + excluded.latencies,
        first_event_us = kept.first_event_us + excluded.first_event_us,
        first_events = kept.first_events + excluded.first_events
$$;

create function exchange_booked() returns trigger language plpgsql as $$
declare
    rows exchange[] := (
        select array_agg(row(booked.*)::exchange order by booked.id) from booked where booked.state <> 'reserved'
    );
begin
    if rows is not null then
        perform usage_put(rows, array_fill(1, array[cardinality(rows)]));
    end if;
    return null;
end $$;

-- What a row was is taken off, and what it has become is put on. A deleted row stays counted: it was used.
create function exchange_changed() returns trigger language plpgsql as $$
declare
    before exchange[] := (
        select array_agg(row(was.*)::exchange order by was.id) from was where was.state <> 'reserved'
    );
    after exchange[] := (
        select array_agg(row(became.*)::exchange order by became.id) from became where became.state <> 'reserved'
    );
begin
    if before is not null then
        perform usage_put(before, array_fill(-1, array[cardinality(before)]));
    end if;
    if after is not null then
        perform usage_put(after, array_fill(1, array[cardinality(after)]));
    end if;
    return null;
end $$;

create trigger exchange_booked after insert on exchange
    referencing new table as booked for each statement execute function exchange_booked();

create trigger exchange_changed after update on exchange
    referencing old table as was new table as became for each statement execute function exchange_changed();
