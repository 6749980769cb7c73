-- Keys, teams and users, budgets and what is held and spent under them, prices, and who changed any of it.

-- A number that is another one after any change here: processes look at it to know that theirs is old.
create table directory (
    id      integer not null primary key check (id = 1),
    version integer not null
) strict;

insert into directory values (1, 1);

create table key (
    name       text not null primary key,
    role       text not null check (role in ('admin', 'member', 'reader')),
    user       text not null,
    team       text not null,
    created_at real not null,
    expires_at real,
    revoked_at real,
    terms      blob not null
) strict, without rowid;

create table secret (
    digest     text not null primary key,
    key        text not null references key (name),
    created_at real not null,
    expires_at real,
    hint       text not null
) strict, without rowid;

create index secret_key on secret (key);

create table party (
    kind       text not null check (kind in ('team', 'user')),
    name       text not null,
    created_at real not null,
    terms      blob not null,
    primary key (kind, name)
) strict, without rowid;

create table budget (
    name       text    not null primary key,
    scope      text    not null check (scope in ('all', 'key', 'team', 'user', 'model')),
    subject    text    not null,
    cap_micros integer not null,
    period     text    not null check (period in ('day', 'week', 'month', 'total')),
    zone       text    not null,
    hard       integer not null,
    alerts     text    not null, -- a JSON array of percents
    origin     text    not null check (origin in ('config', 'admin')),
    created_at real    not null
) strict, without rowid;

-- How each window of a budget stands: what open requests hold, and what those that ended have cost.
create table budget_window (
    budget  text    not null,
    subject text    not null,
    at      integer not null, -- Unix second it begins at
    spent   integer not null,
    held    integer not null,
    primary key (budget, subject, at)
) strict, without rowid;

create table alert (
    budget       text    not null,
    subject      text    not null,
    at           integer not null,
    percent      integer not null,
    spent_micros integer not null,
    cap_micros   integer not null,
    told_at      real    not null,
    primary key (budget, subject, at, percent)
) strict, without rowid;

create table price (
    number     integer not null primary key autoincrement,
    provider   text    not null,
    model      text    not null,
    since      real    not null,
    price      blob    not null,
    created_at real    not null
) strict;

create table audit (
    number  integer not null primary key autoincrement,
    at      real    not null,
    actor   text    not null,
    action  text    not null,
    subject text    not null,
    detail  blob    not null
) strict;

create trigger key_added    after insert on key    begin update directory set version = version + 1; end;
create trigger key_changed  after update on key    begin update directory set version = version + 1; end;
create trigger secret_added   after insert on secret begin update directory set version = version + 1; end;
create trigger secret_changed after update on secret begin update directory set version = version + 1; end;
create trigger party_added   after insert on party begin update directory set version = version + 1; end;
create trigger party_changed after update on party begin update directory set version = version + 1; end;
create trigger party_removed after delete on party begin update directory set version = version + 1; end;
create trigger budget_added   after insert on budget begin update directory set version = version + 1; end;
create trigger budget_changed after update on budget begin update directory set version = version + 1; end;
create trigger budget_removed after delete on budget begin update directory set version = version + 1; end;
create trigger price_added   after insert on price begin update directory set version = version + 1; end;

-- Whose an exchange is besides its key's, what it holds while it is open, and the windows that counts in, as a
-- JSON array of [budget, subject, at].
alter table exchange add column team text not null default '';
alter table exchange add column user text not null default '';
alter table exchange add column held_micros integer not null default 0;
alter table exchange add column shares text not null default '[]';

-- So that what a team or a user has spent is found when its budget is first claimed from.
create index exchange_team on exchange (team, opened_at) where team <> '';
create index exchange_user on exchange (user, opened_at) where user <> '';

-- By which price an attempt was booked: 'provider' where it said itself what it costs. And what it was served as,
-- which has prices of its own: 'flex', 'priority', 'batch'.
alter table attempt add column price text not null default '';
alter table attempt add column tier text not null default '';

-- However a row leaves 'reserved', and whoever sees to it: what it held is given back, what it cost is spent.
-- A cost nobody knows counts as nothing; what cannot be priced is not asked under a budget.
create trigger exchange_released after update of state on exchange
when old.state = 'reserved' and new.state <> 'reserved' and new.shares <> '[]' begin
    update budget_window
    set held = held - old.held_micros, spent = spent + ifnull(new.cost_micros, 0)
    where (budget, subject, at) in (
        select json_extract(value, '$[0]'), json_extract(value, '$[1]'), json_extract(value, '$[2]')
        from json_each(new.shares)
    );
end;

create trigger exchange_repriced after update of cost_micros on exchange
when old.state <> 'reserved' and new.shares <> '[]' and new.cost_micros is not old.cost_micros begin
    update budget_window
    set spent = spent + ifnull(new.cost_micros, 0) - ifnull(old.cost_micros, 0)
    where (budget, subject, at) in (
        select json_extract(value, '$[0]'), json_extract(value, '$[1]'), json_extract(value, '$[2]')
        from json_each(new.shares)
    );
end;
