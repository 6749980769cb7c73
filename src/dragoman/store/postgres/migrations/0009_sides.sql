-- Sums of two sides (SIDES of store/reports.py), of days and 32 days, from those of each combination: whoever asks
-- for one model's year by key reads few.

-- A gateway of the version before, which knows nothing of them, posts no more: it would leave them out.
alter table usage rename column "group" to group_id;

create temp table usage_side on commit drop as
select
    span, at, side.kind, side.name,
    case when name = 'what_how' then '' else key end as key,
    case when name = 'what_how' then '' else team end as team,
    case when name = 'what_how' then '' else "user" end as "user",
    case when name = 'who_how' then '' else model end as model,
    case when name = 'who_how' then '' else provider end as provider,
    case when name = 'who_how' then '' else route end as route,
    case when name = 'who_what' then '' else state end as state,
    case when name = 'who_what' then '' else failure end as failure,
    case when name = 'who_what' then '' else dialect end as dialect,
    bounded(sum(requests)) as requests,
    bounded(sum(failed)) as failed,
    bounded(sum(cancelled)) as cancelled,
    bounded(sum(cached)) as cached,
    bounded(sum(fallback)) as fallback,
    bounded(sum(streamed)) as streamed,
    bounded(sum(lossy)) as lossy,
    bounded(sum(attempts)) as attempts,
    bounded(sum(input)) as input,
    bounded(sum(cache_read)) as cache_read,
    bounded(sum(output)) as output,
    bounded(sum(reasoning)) as reasoning,
    bounded(sum(cost_micros)) as cost_micros,
    bounded(sum(unknown_cost)) as unknown_cost,
    bounded(sum(estimated)) as estimated,
    bounded(sum(saved_micros)) as saved_micros,
    bounded(sum(latency_us)) as latency_us,
    bounded(sum(latencies)) as latencies,
    bounded(sum(first_event_us)) as first_event_us,
    bounded(sum(first_events)) as first_events,
    string_agg(latency, ''::bytea) as latency,
    string_agg(first_event, ''::bytea) as first_event
from usage
join usage_group on usage_group.id = usage.group_id
cross join (values (13, 'who_what'), (14, 'what_how'), (15, 'who_how')) as side (kind, name)
where usage_group.kind = 0 and span > 3600
group by 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13;

-- The digest is of the group as JSON, as it is when it is posted (store/postgres/sums.py).
alter table usage_side add column digest bytea;

update usage_side set digest = sha256(convert_to(
    '["' || name || '",['
    || to_json(key) || ',' || to_json(team) || ',' || to_json("user") || ',' || to_json(model) || ','
    || to_json(provider) || ',' || to_json(route) || ',' || to_json(state) || ',' || to_json(failure) || ','
    || to_json(dialect) || ']]', 'UTF8'));

insert into usage_group (digest, kind, key, team, "user", model, provider, route, state, failure, dialect)
select distinct digest, kind, key, team, "user", model, provider, route, state, failure, dialect from usage_side;

insert into usage (
    group_id, span, at,
    requests, failed, cancelled, cached, fallback, streamed, lossy, attempts, input, cache_read, output,
    reasoning, cost_micros, unknown_cost, estimated, saved_micros, latency_us, latencies, first_event_us,
    first_events,
    latency, first_event
)
select
    id, span, at,
    requests, failed, cancelled, cached, fallback, streamed, lossy, attempts, input, cache_read, output,
    reasoning, cost_micros, unknown_cost, estimated, saved_micros, latency_us, latencies, first_event_us,
    first_events,
    latency, first_event
from usage_side join usage_group using (digest)
order by 1, 2, 3;

-- Who asks for an hour of one model, or key, finds its combinations without a look at all there are.
create index usage_group_key on usage_group (kind, key);
create index usage_group_model on usage_group (kind, model);
drop index usage_group_kind;
