-- What processes say of themselves, what is done again and again, and the report of each day.

-- A condition of a process that lasted when it told of it last.
create table process_sign (
    process text not null,
    condition text not null,
    subject text not null,
    since integer not null,
    -- By its own clock, and by the store's.
    seen_at integer not null,
    heard_at integer not null,
    detail text not null,
    primary key (process, condition, subject)
) strict, without rowid;

-- When something was last done.
create table task_done (
    name text not null primary key,
    done_at integer not null
) strict, without rowid;

-- The figures of a day as they were when they were reported, a JSON object.
create table day_report (
    day text not null primary key,
    figures text not null,
    made_at integer not null
) strict, without rowid;

create index incident_open on incident (rule, severity, fingerprint) where resolved_at is null;
