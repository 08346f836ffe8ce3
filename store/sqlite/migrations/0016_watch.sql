-- What processes say of themselves, what is done again and again, and the report of each day.

-- A condition of a process that lasted when it told of it last.
create table process_sign (
    process text not null,
    condition text not null,
    subject text not null,
    since integer not null,
    seen_at integer not null,
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

-- What came in on a day.
create index attendance_received on attendance (received_at);
create index shop_order_booked on shop_order (booked_at);
create index refund_booked on refund (booked_at);
create index spend_settled on spend (settled_at);
create index return_order_reported on return_order (reported_at) where reported_at is not null;
