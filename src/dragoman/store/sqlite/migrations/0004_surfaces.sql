-- How an answer came: from a recording, from another model than the one asked for, in how many pieces, and who
-- counted its tokens.

alter table exchange add column cached   integer not null default 0;
alter table exchange add column fallback integer not null default 0;
alter table exchange add column chunks   integer not null default 0;
alter table exchange add column counted  text    not null default '';
