-- Sums are posted behind the ledger: whoever ends an exchange appends an entry, and nobody waits for a sum that
-- others add to (store/reports.py). The old sums, which triggers added to, go.

drop trigger exchange_booked;
drop trigger exchange_left;
drop trigger exchange_changed;
drop view usage_change;

-- What the old sums know of rows that are there no more, each hour's on its own. Their names were of any length;
-- the new ones are cut, as below.
create temp table usage_gone as
select
    at,
    substr(key, 1, 160) as key,
    substr(iif(answered_model = '', model, answered_model), 1, 160) as model,
    substr(provider, 1, 160) as provider,
    sum(requests) as requests, sum(failed) as failed, sum(cancelled) as cancelled, sum(cached) as cached,
    sum(fallback) as fallback, max(sum(input), 0) as input, max(sum(output), 0) as output,
    max(sum(cost_micros), 0) as cost_micros, sum(unknown_cost) as unknown_cost,
    max(sum(latency_us), 0) as latency_us, sum(latencies) as latencies,
    max(sum(first_event_us), 0) as first_event_us, sum(first_events) as first_events
from (
    select at, key, model, answered_model, provider,
        requests, failed, cancelled, cached, fallback, input, output, cost_micros, unknown_cost, latency_us,
        latencies, first_event_us, first_events
    from usage where span = 3600 and everyone = 0
    union all
    select cast(opened_at as integer) / 3600 * 3600, key, model, answered_model, provider,
        -requests, -failed, -cancelled, -cached, -fallback, -input, -output, -cost_micros, -unknown_cost,
        -latency_us, -latencies, -first_event_us, -first_events
    from usage_row
)
group by 1, 2, 3, 4 having sum(requests) > 0;

drop view usage_row;
drop table usage;

-- The rows that count, and as what. One that is still open does not, nor does one that had tokens counted.
-- A provider's nonsense must not drive a sum out of range, so nothing counts as more than 10^15; nor must a
-- name of any length fill an index.
create view usage_row as select
    id,
    opened_at,
    substr(key, 1, 160) as key,
    substr(team, 1, 160) as team,
    substr(user, 1, 160) as user,
    -- Where nobody was asked, any words may stand there.
    iif(provider is null, '', substr(ifnull(nullif(answered_model, ''), model), 1, 160)) as model,
    substr(ifnull(provider, ''), 1, 160) as provider,
    substr(route, 1, 160) as route,
    state,
    substr(ifnull(failure, ''), 1, 160) as failure,
    substr(dialect, 1, 160) as dialect,
    1 as requests,
    state in ('failed', 'interrupted') as failed,
    state = 'cancelled' as cancelled,
    cached,
    fallback,
    stream as streamed,
    losses <> '[]' as lossy,
    min(attempts, 1000000000000000) as attempts,
    min(input + cache_read + cache_write + cache_write_long + audio_input, 1000000000000000) as input,
    min(cache_read, 1000000000000000) as cache_read,
    min(output + reasoning + audio_output, 1000000000000000) as output,
    min(reasoning, 1000000000000000) as reasoning,
    min(ifnull(cost_micros, 0), 1000000000000000) as cost_micros,
    cost_micros is null as unknown_cost,
    estimated,
    min(ifnull(saved_micros, 0), 1000000000000000) as saved_micros,
    -- How fast a model is, its whole answers tell, not recordings of them.
    iif(
        state = 'settled' and not cached,
        min(ifnull(cast(round(latency_ms * 1000) as integer), 0), 1000000000000000),
        0
    ) as latency_us,
    state = 'settled' and not cached and latency_ms is not null as latencies,
    iif(
        state = 'settled' and not cached,
        min(ifnull(cast(round(first_event_ms * 1000) as integer), 0), 1000000000000000),
        0
    ) as first_event_us,
    state = 'settled' and not cached and first_event_ms is not null as first_events,
    losses
from exchange where state <> 'reserved' and task <> 'count';

-- What changes of the ledger add to the sums, or take off them, until they are posted.
create table usage_entry (
    number integer not null primary key autoincrement,
    at     integer not null, -- the Unix second the exchange began at
    key      text not null,
    team     text not null,
    user     text not null,
    model    text not null,
    provider text not null,
    route    text not null,
    state    text not null,
    failure  text not null,
    dialect  text not null,
    requests       integer not null,
    failed         integer not null,
    cancelled      integer not null,
    cached         integer not null,
    fallback       integer not null,
    streamed       integer not null,
    lossy          integer not null,
    attempts       integer not null,
    input          integer not null,
    cache_read     integer not null,
    output         integer not null,
    reasoning      integer not null,
    cost_micros    integer not null,
    unknown_cost   integer not null,
    estimated      integer not null,
    saved_micros   integer not null,
    latency_us     integer not null,
    latencies      integer not null,
    first_event_us integer not null,
    first_events   integer not null,
    losses text    not null -- a JSON array
) strict;

-- Calls of providers that have ended, until they are posted.
create table usage_call (
    number         integer not null primary key autoincrement,
    at             integer not null,
    provider       text    not null,
    model          text    not null,
    state          text    not null,
    failure        text    not null,
    first_event_us integer -- null: there was none
) strict;

-- A place to say that a row shall be put on the sums (sign 1) or taken off them (sign -1).
create view usage_change as select '' as id, 1 as sign;

create trigger usage_changed instead of insert on usage_change begin
    insert into usage_entry (
        at,
        key, team, user, model, provider, route, state, failure, dialect,
        requests, failed, cancelled, cached, fallback, streamed, lossy, attempts, input, cache_read, output,
        reasoning, cost_micros, unknown_cost, estimated, saved_micros, latency_us, latencies, first_event_us,
        first_events,
        losses
    )
    select
        cast(opened_at as integer),
        key, team, user, model, provider, route, state, failure, dialect,
        new.sign * requests, new.sign * failed, new.sign * cancelled, new.sign * cached, new.sign * fallback,
        new.sign * streamed, new.sign * lossy, new.sign * attempts, new.sign * input, new.sign * cache_read,
        new.sign * output, new.sign * reasoning, new.sign * cost_micros, new.sign * unknown_cost,
        new.sign * estimated, new.sign * saved_micros, new.sign * latency_us, new.sign * latencies,
        new.sign * first_event_us, new.sign * first_events,
        losses
    from usage_row where id = new.id;
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

-- A call counts once, when it has ended.
create view usage_called as select
    attempt.exchange_id, number,
    cast(attempt.opened_at as integer) as at,
    substr(attempt.provider, 1, 160) as provider,
    substr(attempt.model, 1, 160) as model,
    attempt.state,
    substr(ifnull(attempt.failure, ''), 1, 160) as failure,
    min(cast(round(attempt.first_event_ms * 1000) as integer), 1000000000000000) as first_event_us
from attempt cross join exchange on exchange.id = attempt.exchange_id
where attempt.state <> 'reserved' and exchange.task <> 'count';

create trigger attempt_booked after insert on attempt when new.state <> 'reserved' begin
    insert into usage_call (at, provider, model, state, failure, first_event_us)
    select at, provider, model, state, failure, first_event_us from usage_called
    where exchange_id = new.exchange_id and number = new.number;
end;

create trigger attempt_ended after update of state on attempt
when old.state = 'reserved' and new.state <> 'reserved' begin
    insert into usage_call (at, provider, model, state, failure, first_event_us)
    select at, provider, model, state, failure, first_event_us from usage_called
    where exchange_id = new.exchange_id and number = new.number;
end;

-- What sums are of: kinds are numbered in store/reports.py; '' where a kind does not tell a dimension apart.
create table usage_group (
    id   integer not null primary key,
    kind integer not null,
    key      text not null,
    team     text not null,
    user     text not null,
    model    text not null,
    provider text not null,
    route    text not null,
    state    text not null,
    failure  text not null,
    dialect  text not null,
    unique (kind, key, team, user, model, provider, route, state, failure, dialect)
) strict;

-- Sums over an hour, a day and 32 days (`span`, seconds), each beginning (`at`, Unix seconds) at a whole multiple
-- of its length since 1970. The sums of one time are beside each other, so that posting writes few pages.
create table usage (
    span     integer not null,
    kind     integer not null,
    at       integer not null,
    group_id integer not null,
    requests       integer not null,
    failed         integer not null,
    cancelled      integer not null,
    cached         integer not null,
    fallback       integer not null,
    streamed       integer not null,
    lossy          integer not null,
    attempts       integer not null,
    input          integer not null,
    cache_read     integer not null,
    output         integer not null,
    reasoning      integer not null,
    cost_micros    integer not null,
    unknown_cost   integer not null,
    estimated      integer not null,
    saved_micros   integer not null,
    latency_us     integer not null,
    latencies      integer not null,
    first_event_us integer not null,
    first_events   integer not null,
    latency     blob not null, -- how durations are spread: store/spread.py
    first_event blob not null,
    primary key (span, kind, at, group_id)
) strict, without rowid;

-- All there is becomes entries. Who is gone is known by key, model and provider only.
insert into usage_entry (
    at,
    key, team, user, model, provider, route, state, failure, dialect,
    requests, failed, cancelled, cached, fallback, streamed, lossy, attempts, input, cache_read, output,
    reasoning, cost_micros, unknown_cost, estimated, saved_micros, latency_us, latencies, first_event_us,
    first_events,
    losses
)
select
    cast(opened_at as integer),
    key, team, user, model, provider, route, state, failure, dialect,
    requests, failed, cancelled, cached, fallback, streamed, lossy, attempts, input, cache_read, output,
    reasoning, cost_micros, unknown_cost, estimated, saved_micros, latency_us, latencies, first_event_us,
    first_events,
    losses
from usage_row order by opened_at;

insert into usage_entry (
    at,
    key, team, user, model, provider, route, state, failure, dialect,
    requests, failed, cancelled, cached, fallback, streamed, lossy, attempts, input, cache_read, output,
    reasoning, cost_micros, unknown_cost, estimated, saved_micros, latency_us, latencies, first_event_us,
    first_events,
    losses
)
select
    at,
    key, '', '', model, provider, '', '', '', '',
    requests, failed, cancelled, cached, fallback, 0, 0, 0, input, 0, output, 0, cost_micros, unknown_cost, 0,
    0, latency_us, latencies, first_event_us, first_events,
    '[]'
from usage_gone order by at;

drop table usage_gone;

insert into usage_call (at, provider, model, state, failure, first_event_us)
select at, provider, model, state, failure, first_event_us from usage_called order by at;
