-- What it is about: `system/<id>` or `queue/<name>`. The incident of what is down silences what follows from it.
alter table incident add column about text;
-- What the last telling said.
alter table incident add column told_count integer not null default 0;
alter table incident add column told_severity text;
alter table incident add column told_flaps integer not null default 0;
-- When people last heard of it by a message of its own, and how many occurrences that told.
alter table incident add column heard_at integer;
alter table incident add column heard_count integer not null default 0;
create index incident_open_rule on incident (rule) where resolved_at is null;

-- A test of the way on which people are told, and what each sink answered (JSON), once it did.
create table alert_test (
    id blob not null primary key check (length(id) = 16),
    asked_at integer not null,
    answers text
) strict, without rowid;
