-- By which route of the configuration it was asked, what a recorded answer spared, and what it came past and when
-- (a JSON array of [mark, milliseconds]). And who is signed in to the dashboard.

alter table exchange add column route text not null default '';
alter table exchange add column saved_micros bigint default 0; -- null: nobody knows
alter table exchange add column course text not null default '[]';

-- A browser has the secret, this its digest. Times are Unix seconds.
create table session (
    digest     text             not null primary key,
    account    text             not null, -- the name of the key that signed in; '' for the admin key
    secret     text             not null, -- the digest of the key that signed in: another one ends its sessions
    created_at double precision not null,
    seen_at    double precision not null,
    expires_at double precision not null
);

create index session_expires_at on session (expires_at);
