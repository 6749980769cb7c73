-- What ended badly is looked for most, and is rare: an index of these rows alone, so that a request that succeeds
-- costs nothing more.

create index exchange_ended_badly on exchange (opened_at)
where failure is not null or state in ('cancelled', 'failed', 'interrupted');

-- What was done to one key, team or budget is found without a look at everything that was ever done.
create index audit_subject on audit (subject, number);
