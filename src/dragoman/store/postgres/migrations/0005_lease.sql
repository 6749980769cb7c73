-- Money of budgets that a process has put by, so that its requests go on while it cannot reach us. It counts in
-- budget_window.held, as what open requests hold does:
--
--     held = the claims of the open exchanges + the leases
--
-- Whoever changes a lease has locked its window, if that is there.
create table lease (
    owner   text        not null,
    budget  text        not null,
    subject text        not null,
    at      bigint      not null, -- Unix second the window begins at
    micros  bigint      not null check (micros > 0),
    until   timestamptz not null, -- unless its owner says otherwise before
    primary key (owner, budget, subject, at)
);

create index lease_window on lease (budget, subject, at);

-- When a request was last refused for want of money that leases hold: they are given back then.
alter table budget_window add column wanted_at timestamptz;
