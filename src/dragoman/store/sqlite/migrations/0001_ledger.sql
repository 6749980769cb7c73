-- The ledger and the settings. A state leaves 'reserved' once and never changes again.
-- Times are Unix seconds, durations milliseconds, money micro-dollars (null: nobody knows).

pragma application_id = 0x4452474d;

create table exchange (
    id               text    not null primary key,
    request_id       text    not null,
    owner            text    not null,
    key              text    not null,
    dialect          text    not null,
    task             text    not null,
    model            text    not null,
    stream           integer not null,
    opened_at        real    not null,
    state            text    not null check (state in ('reserved', 'settled', 'cancelled', 'failed', 'interrupted')),
    settled_at       real,
    provider         text,
    answered_model   text,
    attempts         integer not null,
    status           integer,
    failure          text,
    message          text,
    stop             text,
    losses           text    not null,
    first_event_ms   real,
    latency_ms       real,
    input            integer not null,
    cache_read       integer not null,
    cache_write      integer not null,
    cache_write_long integer not null,
    audio_input      integer not null,
    output           integer not null,
    reasoning        integer not null,
    audio_output     integer not null,
    estimated        integer not null,
    cost_micros      integer
) strict;

create index exchange_opened_at on exchange (opened_at);
create index exchange_key on exchange (key, opened_at);
create index exchange_reserved on exchange (owner) where state = 'reserved';

create table attempt (
    exchange_id      text    not null references exchange (id),
    number           integer not null,
    provider         text    not null,
    model            text    not null,
    opened_at        real    not null,
    state            text    not null check (state in ('reserved', 'settled', 'cancelled', 'failed', 'interrupted')),
    settled_at       real,
    status           integer,
    failure          text,
    message          text,
    upstream_id      text,
    first_event_ms   real,
    input            integer not null,
    cache_read       integer not null,
    cache_write      integer not null,
    cache_write_long integer not null,
    audio_input      integer not null,
    output           integer not null,
    reasoning        integer not null,
    audio_output     integer not null,
    estimated        integer not null,
    cost_micros      integer,
    primary key (exchange_id, number)
) strict, without rowid;

create table setting (
    name  text not null primary key,
    value text not null
) strict, without rowid;
