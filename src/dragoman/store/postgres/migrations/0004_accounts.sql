-- Keys, teams and users, budgets and what is held and spent under them, prices, and who changed any of it.

-- A number that is another one after any change here: processes look at it to know that theirs is old. Whoever
-- changes anything locks this row first, so that changes happen one after the other.
create table directory (
    id      integer not null primary key check (id = 1),
    version bigint  not null
);

insert into directory values (1, 1);

create table key (
    name       text             not null primary key,
    role       text             not null check (role in ('admin', 'member', 'reader')),
    "user"     text             not null,
    team       text             not null,
    created_at double precision not null,
    expires_at double precision,
    revoked_at double precision,
    terms      bytea            not null
);

create table secret (
    digest     text             not null primary key,
    key        text             not null references key (name),
    created_at double precision not null,
    expires_at double precision,
    hint       text             not null
);

create index secret_key on secret (key);

create table party (
    kind       text             not null check (kind in ('team', 'user')),
    name       text             not null,
    created_at double precision not null,
    terms      bytea            not null,
    primary key (kind, name)
);

create table budget (
    name       text             not null primary key,
    scope      text             not null check (scope in ('all', 'key', 'team', 'user', 'model')),
    subject    text             not null,
    cap_micros bigint           not null,
    period     text             not null check (period in ('day', 'week', 'month', 'total')),
    zone       text             not null,
    hard       boolean          not null,
    alerts     text             not null, -- a JSON array of percents
    origin     text             not null check (origin in ('config', 'admin')),
    created_at double precision not null
);

-- How each window of a budget stands: what open requests hold, and what those that ended have cost.
create table budget_window (
    budget  text   not null,
    subject text   not null,
    at      bigint not null, -- Unix second it begins at
    spent   bigint not null,
    held    bigint not null,
    primary key (budget, subject, at)
) with (fillfactor = 50);

create table alert (
    budget       text             not null,
    subject      text             not null,
    at           bigint           not null,
    percent      bigint           not null,
    spent_micros bigint           not null,
    cap_micros   bigint           not null,
    told_at      double precision not null,
    primary key (budget, subject, at, percent)
);

create table price (
    number     bigint           not null primary key generated always as identity,
    provider   text             not null,
    model      text             not null,
    since      double precision not null,
    price      bytea            not null,
    created_at double precision not null
);

create table audit (
    number  bigint           not null primary key generated always as identity,
    at      double precision not null,
    actor   text             not null,
    action  text             not null,
    subject text             not null,
    detail  bytea            not null
);

create function directory_changed() returns trigger language plpgsql as $$
begin
    update directory set version = version + 1;
    return null;
end $$;

create trigger key_changed after insert or update on key
    for each row execute function directory_changed();
create trigger secret_changed after insert or update on secret
    for each row execute function directory_changed();
create trigger party_changed after insert or update or delete on party
    for each row execute function directory_changed();
create trigger budget_changed after insert or update or delete on budget
    for each row execute function directory_changed();
create trigger price_changed after insert on price
    for each row execute function directory_changed();

-- However a row leaves 'reserved', and whoever sees to it: what it held is given back, what it cost is spent. One
-- that is priced anew later changes what was spent. A cost nobody knows counts as nothing; what cannot be priced
-- is not asked under a budget. Windows are always locked in the order of their names.
create function exchange_released() returns trigger language plpgsql as $$
begin
    if not exists (select from became where state <> 'reserved' and shares <> '[]') then
        return null;
    end if;
    perform from budget_window as stands
    where (budget, subject, at) in (
        select share ->> 0, share ->> 1, (share ->> 2)::bigint
        from became cross join jsonb_array_elements(became.shares) as share
        where became.state <> 'reserved'
    )
    order by budget, subject, at for no key update;
    update budget_window as stands
    set held = stands.held + moved.held, spent = stands.spent + moved.spent
    from (
        select
            share ->> 0 as budget, share ->> 1 as subject, (share ->> 2)::bigint as at,
            sum(case was.state when 'reserved' then -was.held_micros else 0 end)::bigint as held,
            sum(
                coalesce(became.cost_micros, 0)
                - case was.state when 'reserved' then 0 else coalesce(was.cost_micros, 0) end
            )::bigint as spent
        from was join became using (id) cross join jsonb_array_elements(became.shares) as share
        where became.state <> 'reserved'
        group by 1, 2, 3
    ) as moved
    where stands.budget = moved.budget and stands.subject = moved.subject and stands.at = moved.at
      and (moved.held <> 0 or moved.spent <> 0);
    return null;
end $$;

create trigger exchange_released after update on exchange
    referencing old table as was new table as became for each statement execute function exchange_released();
