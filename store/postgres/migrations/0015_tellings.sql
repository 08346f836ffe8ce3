alter table incident
    -- What it is about: `system/<id>` or `queue/<name>`. The incident of what is down silences what follows from it.
    add column about text,
    -- What the last telling said.
    add column told_count bigint not null default 0,
    add column told_severity text,
    add column told_flaps bigint not null default 0,
    -- When people last heard of it by a message of its own, and how many occurrences that told.
    add column heard_at timestamptz,
    add column heard_count bigint not null default 0;
create index incident_open_rule on incident (rule) where resolved_at is null;

-- A test of the way on which people are told, and what each sink answered (JSON), once it did.
create table alert_test (
    id uuid primary key,
    asked_at timestamptz not null,
    answers text
);
