-- Answers of the Responses protocol that are kept, recorded answers, and what answers were worth.

-- Each answer with the new input that led to it. What came before is the chain of `previous`; a deleted answer
-- that others continue is hidden until they are gone.
create table response (
    key        text             not null,
    id         text             not null,
    previous   text,
    status     text             not null,
    background boolean          not null,
    owner      text             not null,
    created_at double precision not null,
    expires_at double precision not null,
    hidden     boolean          not null default false,
    input      bytea            not null,
    body       bytea            not null,
    primary key (key, id)
);

create index response_previous on response (key, previous) where previous is not null;
create index response_expires_at on response (expires_at);
create index response_going on response (owner) where status in ('queued', 'in_progress');

-- Where an item of an answer is, by its id, which a provider may make as long as it likes.
create table response_item (
    key      text   not null,
    id       text   not null,
    response text   not null,
    place    bigint not null,
    foreign key (key, response) references response (key, id) on delete cascade
);

create unique index response_item_id on response_item (key, md5(id), response, place);
create index response_item_response on response_item (key, response);

-- How many bytes each key has kept, so that a limit costs no look at every row.
create table response_total (
    key  text   not null primary key,
    size bigint not null
);

create function response_counted() returns trigger language plpgsql as $$
declare
    more bigint := 0;
begin
    if tg_op <> 'DELETE' then
        more := more + length(new.input) + length(new.body);
    end if;
    if tg_op <> 'INSERT' then
        more := more - length(old.input) - length(old.body);
    end if;
    insert into response_total as total values (coalesce(new.key, old.key), more)
    on conflict (key) do update set size = total.size + excluded.size;
    return null;
end $$;

create trigger response_counted after insert or update of input, body or delete on response
    for each row execute function response_counted();

-- Recorded answers, each under the digest of what was asked and of who asked it. A recording is never changed,
-- only replaced by a younger one.
create table recording (
    key         bytea            not null primary key,
    tenant      text             not null,
    recorded_at double precision not null,
    expires_at  double precision not null,
    body        bytea            not null,
    scope       bytea,
    vector      bytea
);

-- The first to expire is the first to go, for its age as for want of space.
create index recording_expires_at on recording (expires_at);
create index recording_tenant on recording (tenant);
create index recording_scope on recording (scope, recorded_at) where scope is not null;

-- How many bytes are kept in all. A row is counted with some 256 bytes for its key, its times and its places in
-- the indexes. Whoever writes recordings locks this row first.
create table recording_total (
    id   integer not null primary key check (id = 1),
    size bigint  not null
);

insert into recording_total values (1, 0);

create function recording_size(r recording) returns bigint language sql immutable
    return 256 + length((r).body) + coalesce(length((r).vector), 0);

create function recording_counted() returns trigger language plpgsql as $$
begin
    update recording_total set size = size
        + case when tg_op = 'DELETE' then 0 else recording_size(new) end
        - case when tg_op = 'INSERT' then 0 else recording_size(old) end;
    return null;
end $$;

create trigger recording_counted after insert or update of body, vector or delete on recording
    for each row execute function recording_counted();

-- What answers were worth to whoever rated them: 1 to 5.
create table rating (
    exchange_id text             not null references exchange (id) on delete cascade,
    key         text             not null,
    model       text             not null,
    rating      bigint           not null check (rating between 1 and 5),
    feedback    text             not null,
    rated_at    double precision not null,
    primary key (exchange_id, key)
);

-- In slots, as the sums of usage are.
create table rating_total (
    key     text    not null,
    model   text    not null,
    slot    integer not null,
    ratings bigint  not null,
    stars   bigint  not null,
    primary key (key, model, slot)
);

create function rating_put(key_ text, model_ text, sign integer, stars_ bigint) returns void language sql as $$
    insert into rating_total as total values (key_, model_, usage_slot(), sign, sign * stars_)
    on conflict (key, model, slot) do update set
        ratings = total.ratings + excluded.ratings, stars = total.stars + excluded.stars
$$;

create function rating_counted() returns trigger language plpgsql as $$
begin
    if tg_op <> 'INSERT' then
        perform rating_put(old.key, old.model, -1, old.rating);
    end if;
    if tg_op <> 'DELETE' then
        perform rating_put(new.key, new.model, 1, new.rating);
    end if;
    return null;
end $$;

create trigger rating_counted after insert or update or delete on rating
    for each row execute function rating_counted();
