-- What processes say of themselves, what is done again and again, and the report of each day.

-- A condition of a process that lasted when it told of it last.
create table process_sign (
    process text collate "C" not null,
    condition text collate "C" not null,
    subject text collate "C" not null,
    since timestamptz not null,
    -- By its own clock, and by the store's.
    seen_at timestamptz not null,
    heard_at timestamptz not null,
    detail text not null,
    primary key (process, condition, subject)
) with (fillfactor = 50);

-- When something was last done, over the fleet.
create table task_done (
    name text collate "C" primary key,
    done_at timestamptz not null
) with (fillfactor = 50);

-- The figures of a day as they were when they were reported, a JSON object.
create table day_report (
    day date primary key,
    figures text not null,
    made_at timestamptz not null
);

create index incident_open on incident (rule, severity, fingerprint) where resolved_at is null;
