-- Sums of two sides (SIDES of store/reports.py), of days and 32 days, from those of each combination: whoever asks
-- for one model's year by key reads few.

create temp table usage_side as
select
    span, sides.kind, at,
    iif(sides.kind = 14, '', key) as key,
    iif(sides.kind = 14, '', team) as team,
    iif(sides.kind = 14, '', user) as user,
    iif(sides.kind = 15, '', model) as model,
    iif(sides.kind = 15, '', provider) as provider,
    iif(sides.kind = 15, '', route) as route,
    iif(sides.kind = 13, '', state) as state,
    iif(sides.kind = 13, '', failure) as failure,
    iif(sides.kind = 13, '', dialect) as dialect,
    max(min(sum(requests), 1000000000000000), -1000000000000000) as requests,
    max(min(sum(failed), 1000000000000000), -1000000000000000) as failed,
    max(min(sum(cancelled), 1000000000000000), -1000000000000000) as cancelled,
    max(min(sum(cached), 1000000000000000), -1000000000000000) as cached,
    max(min(sum(fallback), 1000000000000000), -1000000000000000) as fallback,
    max(min(sum(streamed), 1000000000000000), -1000000000000000) as streamed,
    max(min(sum(lossy), 1000000000000000), -1000000000000000) as lossy,
    max(min(sum(attempts), 1000000000000000), -1000000000000000) as attempts,
    max(min(sum(input), 1000000000000000), -1000000000000000) as input,
    max(min(sum(cache_read), 1000000000000000), -1000000000000000) as cache_read,
    max(min(sum(output), 1000000000000000), -1000000000000000) as output,
    max(min(sum(reasoning), 1000000000000000), -1000000000000000) as reasoning,
    max(min(sum(cost_micros), 1000000000000000), -1000000000000000) as cost_micros,
    max(min(sum(unknown_cost), 1000000000000000), -1000000000000000) as unknown_cost,
    max(min(sum(estimated), 1000000000000000), -1000000000000000) as estimated,
    max(min(sum(saved_micros), 1000000000000000), -1000000000000000) as saved_micros,
    max(min(sum(latency_us), 1000000000000000), -1000000000000000) as latency_us,
    max(min(sum(latencies), 1000000000000000), -1000000000000000) as latencies,
    max(min(sum(first_event_us), 1000000000000000), -1000000000000000) as first_event_us,
    max(min(sum(first_events), 1000000000000000), -1000000000000000) as first_events,
    cast(group_concat(latency, '') as blob) as latency,
    cast(group_concat(first_event, '') as blob) as first_event
from usage join usage_group on id = group_id
cross join (select 13 as kind union all select 14 union all select 15) as sides
where usage.kind = 0 and span > 3600
group by 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12;

insert into usage_group (kind, key, team, user, model, provider, route, state, failure, dialect)
select distinct kind, key, team, user, model, provider, route, state, failure, dialect from usage_side;

insert into usage
select
    span, kind, at, id,
    requests, failed, cancelled, cached, fallback, streamed, lossy, attempts, input, cache_read, output, reasoning,
    cost_micros, unknown_cost, estimated, saved_micros, latency_us, latencies, first_event_us, first_events,
    latency, first_event
from usage_side join usage_group using (kind, key, team, user, model, provider, route, state, failure, dialect)
order by 1, 2, 3, 4;

drop table usage_side;
