-- Answers of the Responses protocol that are kept, each with the new input that led to it. What came
-- before is the chain of `previous`; a deleted answer that others continue is hidden until they are gone.
-- Times are Unix seconds.

create table response (
    key        text    not null,
    id         text    not null,
    previous   text,
    status     text    not null,
    background integer not null,
    owner      text    not null,
    created_at real    not null,
    expires_at real    not null,
    hidden     integer not null default 0,
    input      blob    not null,
    body       blob    not null,
    primary key (key, id)
) strict;

create index response_previous on response (key, previous) where previous is not null;
create index response_expires_at on response (expires_at);
create index response_going on response (owner) where status in ('queued', 'in_progress');

-- Where an item of an answer is, by its id.
create table response_item (
    key      text    not null,
    id       text    not null,
    response text    not null,
    place    integer not null,
    primary key (key, id, response, place),
    foreign key (key, response) references response (key, id) on delete cascade
) strict, without rowid;

create index response_item_response on response_item (key, response);
