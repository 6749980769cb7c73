-- What exchanges have cost by what they asked, so that a window of a model's budget is made without a look at every
-- row of its time (store/postgres/asked.py). An exchange has the name it asked for and, of every provider it called,
-- the model's name alone and as provider/model; it counts once in each of these names.

lock table exchange in access exclusive mode; -- what is booked meanwhile would be an entry of nobody's

-- Sums over an hour (`at`, Unix seconds).
create table asked (
    name        text   not null, -- as long as a budget's subject may be
    at          bigint not null,
    cost_micros bigint not null,
    primary key (name, at)
) with (fillfactor = 60);

-- What changes of the ledger add to these sums, or take off them, until they are posted.
create table asked_entry (
    id          bigint not null primary key generated always as identity,
    at          bigint not null, -- the Unix second the exchange began at
    name        text   not null,
    cost_micros bigint not null
) with (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 2000);

create function asked_names(exchange text, model text) returns setof text language sql stable as $$
    select left(asked_names.model, 256)
    union select left(attempt.model, 256) from attempt where exchange_id = asked_names.exchange
    union select left(provider || '/' || attempt.model, 256) from attempt where exchange_id = asked_names.exchange
$$;

create function asked_booked() returns trigger language plpgsql as $$
begin
    insert into asked_entry (at, name, cost_micros)
    select trunc(opened_at)::bigint, name, bounded(cost_micros)
    from booked cross join lateral asked_names(booked.id, booked.model) as name
    where state <> 'reserved' and cost_micros <> 0;
    return null;
end $$;

-- Where what a row counts as changes, what it was is taken off, and what it has become is put on.
create function asked_changed() returns trigger language plpgsql as $$
begin
    insert into asked_entry (at, name, cost_micros)
    select trunc(side.at)::bigint, name, sign * bounded(side.cost)
    from (
        select
            became.id, became.model,
            was.opened_at as began, case when was.state <> 'reserved' then was.cost_micros end as before,
            became.opened_at as begins, became.cost_micros as after
        from was join became using (id)
        where became.state <> 'reserved' offset 0
    ) as changed
    cross join lateral (values (-1, began, before), (1, begins, after)) as side (sign, at, cost)
    cross join lateral asked_names(changed.id, changed.model) as name
    where side.cost <> 0 and (before, began) is distinct from (after, begins);
    return null;
end $$;

-- A call that is written after its exchange has ended brings names of its own.
create function asked_more() returns trigger language plpgsql as $$
begin
    insert into asked_entry (at, name, cost_micros)
    select trunc(opened_at)::bigint, name, bounded(cost_micros)
    from exchange
    cross join lateral (
        select left(booked.model, 256) as name from booked where exchange_id = exchange.id
        union select left(provider || '/' || booked.model, 256) from booked where exchange_id = exchange.id
        except (
            select left(exchange.model, 256)
            union select left(attempt.model, 256) from attempt
                where exchange_id = exchange.id and number not in (
                    select number from booked where exchange_id = exchange.id)
            union select left(attempt.provider || '/' || attempt.model, 256) from attempt
                where exchange_id = exchange.id and number not in (
                    select number from booked where exchange_id = exchange.id)
        )
    ) as more
    where id in (select exchange_id from booked) and state <> 'reserved' and cost_micros <> 0;
    return null;
end $$;

create trigger asked_booked after insert on exchange
    referencing new table as booked for each statement execute function asked_booked();

create trigger asked_changed after update on exchange
    referencing old table as was new table as became for each statement execute function asked_changed();

create trigger asked_more after insert on attempt
    referencing new table as booked for each statement execute function asked_more();

insert into asked
select name, trunc(opened_at)::bigint / 3600 * 3600, bounded(sum(bounded(cost_micros)))
from exchange join (
    select id as exchange_id, left(model, 256) as name from exchange
    union select exchange_id, left(model, 256) from attempt
    union select exchange_id, left(provider || '/' || model, 256) from attempt
) as named on exchange_id = id
where state <> 'reserved' and cost_micros <> 0
group by 1, 2
order by 1, 2;

-- Those that are under way are looked at every second, among all there ever were.
create index budget_window_at on budget_window (at);
