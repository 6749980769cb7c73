-- The ledger and the settings. A state leaves 'reserved' once and never changes again.
-- Times are Unix seconds, durations milliseconds, money micro-dollars (null: nobody knows).

create table exchange (
    id               text             not null primary key,
    request_id       text             not null,
    owner            text             not null,
    key              text             not null,
    dialect          text             not null,
    task             text             not null,
    model            text             not null,
    stream           boolean          not null,
    opened_at        double precision not null,
    state            text             not null
        check (state in ('reserved', 'settled', 'cancelled', 'failed', 'interrupted')),
    settled_at       double precision,
    provider         text,
    answered_model   text,
    attempts         bigint           not null,
    status           bigint,
    failure          text,
    message          text,
    stop             text,
    losses           text             not null, -- a JSON array of words
    first_event_ms   double precision,
    latency_ms       double precision,
    cached           boolean          not null,
    fallback         boolean          not null,
    chunks           bigint           not null,
    counted          text             not null,
    team             text             not null,
    "user"           text             not null,
    input            bigint           not null,
    cache_read       bigint           not null,
    cache_write      bigint           not null,
    cache_write_long bigint           not null,
    audio_input      bigint           not null,
    output           bigint           not null,
    reasoning        bigint           not null,
    audio_output     bigint           not null,
    estimated        boolean          not null,
    cost_micros      bigint,
    -- What it holds while it is open, and the windows that counts in: [budget, subject, at], and a 1 behind them
    -- where the window found the request open (it is adopted).
    held_micros      bigint           not null default 0,
    shares           jsonb            not null default '[]',
    place            bigint           not null generated always as identity -- which of one instant came later
) with (fillfactor = 70);

create index exchange_opened_at on exchange (opened_at, place);
create index exchange_key on exchange (key, opened_at);
create index exchange_request_id on exchange (request_id) where request_id <> id;
create index exchange_reserved on exchange (owner) where state = 'reserved';
create index exchange_team on exchange (team, opened_at) where team <> '';
create index exchange_user on exchange ("user", opened_at) where "user" <> '';

create table attempt (
    exchange_id      text             not null references exchange (id),
    number           bigint           not null,
    provider         text             not null,
    model            text             not null,
    opened_at        double precision not null,
    state            text             not null
        check (state in ('reserved', 'settled', 'cancelled', 'failed', 'interrupted')),
    settled_at       double precision,
    status           bigint,
    failure          text,
    message          text,
    upstream_id      text,
    first_event_ms   double precision,
    price            text             not null,
    tier             text             not null,
    input            bigint           not null,
    cache_read       bigint           not null,
    cache_write      bigint           not null,
    cache_write_long bigint           not null,
    audio_input      bigint           not null,
    output           bigint           not null,
    reasoning        bigint           not null,
    audio_output     bigint           not null,
    estimated        boolean          not null,
    cost_micros      bigint,
    primary key (exchange_id, number)
) with (fillfactor = 70);

create table setting (
    name  text not null primary key,
    value text not null
);

-- When each process that may own rows was last heard of, by this database's clock.
create table owner (
    id      text        not null primary key,
    beat_at timestamptz not null
);
