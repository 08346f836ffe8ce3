-- What processes say of themselves, what is done again and again, and the report of each day.

-- A condition of a process that lasted when it told of it last.
create table process_sign (
    process text collate "C" not null,
    condition text collate "C" not null,
    subject text collate "C" not null,
    since timestamptz not null,
    seen_at timestamptz not null,
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

-- What came in on a day. Rows come in the order of these times, so that a summary of their pages finds them.
create index attendance_received on attendance using brin (received_at) with (pages_per_range = 32, autosummarize = on);
create index shop_order_booked on shop_order using brin (booked_at) with (pages_per_range = 32, autosummarize = on);
create index refund_booked on refund using brin (booked_at) with (pages_per_range = 32, autosummarize = on);
create index spend_settled on spend using brin (settled_at) with (pages_per_range = 32, autosummarize = on);
create index return_order_reported on return_order (reported_at) where reported_at is not null;
