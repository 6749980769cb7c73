-- What exchanges have cost by what they asked, so that a window of a model's budget is made without a look at every
-- row of its time (store/sqlite/asked.py). An exchange has the name it asked for and, of every provider it called,
-- the model's name alone and as provider/model; it counts once in each of these names.

-- Sums over an hour (`at`, Unix seconds).
create table asked (
    name        text    not null, -- as long as a budget's subject may be
    at          integer not null,
    cost_micros integer not null,
    primary key (name, at)
) strict, without rowid;

-- What changes of the ledger add to these sums, or take off them, until they are posted.
create table asked_entry (
    number      integer not null primary key autoincrement,
    at          integer not null, -- the Unix second the exchange began at
    name        text    not null,
    cost_micros integer not null
) strict;

create trigger asked_booked after insert on exchange
when new.state <> 'reserved' and ifnull(new.cost_micros, 0) <> 0 begin
    insert into asked_entry (at, name, cost_micros)
    select cast(new.opened_at as integer), name, min(new.cost_micros, 1000000000000000)
    from (
        select substr(new.model, 1, 256) as name
        union select substr(model, 1, 256) from attempt where exchange_id = new.id
        union select substr(provider || '/' || model, 1, 256) from attempt where exchange_id = new.id
    );
end;

-- What a row was is taken off while it is still that, and what it has become is put on.
create trigger asked_left before update of cost_micros, opened_at on exchange
when old.state <> 'reserved' and ifnull(old.cost_micros, 0) <> 0
    and (new.cost_micros is not old.cost_micros or new.opened_at <> old.opened_at) begin
    insert into asked_entry (at, name, cost_micros)
    select cast(old.opened_at as integer), name, -min(old.cost_micros, 1000000000000000)
    from (
        select substr(old.model, 1, 256) as name
        union select substr(model, 1, 256) from attempt where exchange_id = old.id
        union select substr(provider || '/' || model, 1, 256) from attempt where exchange_id = old.id
    );
end;

create trigger asked_changed after update of state, cost_micros, opened_at on exchange
when new.state <> 'reserved' and ifnull(new.cost_micros, 0) <> 0
    and (old.state = 'reserved' or new.cost_micros is not old.cost_micros or new.opened_at <> old.opened_at) begin
    insert into asked_entry (at, name, cost_micros)
    select cast(new.opened_at as integer), name, min(new.cost_micros, 1000000000000000)
    from (
        select substr(new.model, 1, 256) as name
        union select substr(model, 1, 256) from attempt where exchange_id = new.id
        union select substr(provider || '/' || model, 1, 256) from attempt where exchange_id = new.id
    );
end;

-- A call that is written after its exchange has ended brings names of its own.
create trigger asked_more after insert on attempt
when exists (
    select 1 from exchange where id = new.exchange_id and state <> 'reserved' and ifnull(cost_micros, 0) <> 0
) begin
    insert into asked_entry (at, name, cost_micros)
    select cast(opened_at as integer), name, min(cost_micros, 1000000000000000)
    from exchange cross join (
        select substr(new.model, 1, 256) as name union select substr(new.provider || '/' || new.model, 1, 256)
        except select substr(model, 1, 256) from exchange where id = new.exchange_id
        except select substr(model, 1, 256) from attempt
            where exchange_id = new.exchange_id and number <> new.number
        except select substr(provider || '/' || model, 1, 256) from attempt
            where exchange_id = new.exchange_id and number <> new.number
    )
    where id = new.exchange_id;
end;

insert into asked
select
    name,
    cast(opened_at as integer) / 3600 * 3600,
    max(min(sum(min(cost_micros, 1000000000000000)), 1000000000000000), -1000000000000000)
from exchange join (
    select id as exchange_id, substr(model, 1, 256) as name from exchange
    union select exchange_id, substr(model, 1, 256) from attempt
    union select exchange_id, substr(provider || '/' || model, 1, 256) from attempt
) on exchange_id = id
where state <> 'reserved' and ifnull(cost_micros, 0) <> 0
group by 1, 2;

-- Those that are under way are looked at every second, among all there ever were.
create index budget_window_at on budget_window (at);
