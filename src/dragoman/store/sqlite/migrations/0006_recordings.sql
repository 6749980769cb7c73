-- Recorded answers, each under the digest of what was asked and of who asked it. A recording is never changed,
-- only replaced by a younger one. Times are Unix seconds.

create table recording (
    key         blob not null,
    tenant      text not null,
    recorded_at real not null,
    expires_at  real not null,
    body        blob not null,
    scope       blob,
    vector      blob,
    primary key (key)
) strict;

-- The first to expire is the first to go, for its age as for want of space.
create index recording_expires_at on recording (expires_at);
create index recording_tenant on recording (tenant);
create index recording_scope on recording (scope, recorded_at) where scope is not null;

-- How many bytes are kept in all, so that a limit costs no look at every row. A row is counted with some 256
-- bytes for its key, its times and its places in the indexes.
create table recording_total (
    id   integer not null primary key check (id = 1),
    size integer not null
) strict;

insert into recording_total values (1, 0);

create trigger recording_added after insert on recording begin
    update recording_total set size = size + 256 + length(new.body) + ifnull(length(new.vector), 0);
end;

create trigger recording_changed after update of body, vector on recording begin
    update recording_total set size = size
        + length(new.body) + ifnull(length(new.vector), 0)
        - length(old.body) - ifnull(length(old.vector), 0);
end;

create trigger recording_removed after delete on recording begin
    update recording_total set size = size - 256 - length(old.body) - ifnull(length(old.vector), 0);
end;
