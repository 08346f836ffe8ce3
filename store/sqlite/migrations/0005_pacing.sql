-- Pacing over the fleet: budgets of a day, rates that come back or are found out, breakers, limits set at run time.

-- What a permit is decided by stands in one narrow row. `ramp_from` is since when the rate comes back, `share` how much
-- of its rate (in millionths) an adaptive system is given, `barred_until` that the breaker is open until then, after
-- which one probe may go.
alter table gate add column version integer not null default 0;
alter table gate add column ramp_from integer;
alter table gate add column share integer not null default 1000000;
alter table gate add column share_from integer;
alter table gate add column share_used integer not null default 0;
alter table gate add column day_from integer;
alter table gate add column day_until integer;
alter table gate add column day_used integer not null default 0;
alter table gate add column barred_until integer;
alter table gate add column barred_why text;
alter table gate add column probing integer not null default 0;

-- What is seldom read: limits that people set, the breaker's memory (JSON both), what tells credentials apart.
create table outside_system (
    key text not null primary key,
    live text not null default '{}',
    breaker text not null default '{"bar":null}',
    credential text not null default '',
    probe_claimed_until integer
) strict, without rowid;
