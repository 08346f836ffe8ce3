-- Programmes as people change them, and days that are taken from members.

-- Each change is the next version.
alter table programme add column version integer not null default 1;
-- When it stopped to be active, where it was: what was accepted by then counts.
alter table programme add column active_until integer;

-- What a rule has otherwise than its programme.
alter table rule add column count_mode text check (count_mode in ('total', 'consecutive'));
alter table rule add column grace_days integer check (grace_days >= 0);
alter table rule add column claim_until integer;

-- A voided day counts nowhere and stays, so that it can't be checked in again; `void_id` is the entry in the audit log.
alter table attendance add column voided_at integer;
alter table attendance add column void_id blob;
create index attendance_by_day on attendance (programme_id, on_date, member_id);
