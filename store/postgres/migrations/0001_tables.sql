-- The tables of the store. Runs with `forebay` as its only schema on the search path.
--
-- Ids are compared byte by byte (collation C), so that they sort here as they do in the program. Instants are
-- timestamptz, to the microsecond. Bodies are bytea: they are kept as they came, NULs and all.

-- ---------- messages ----------

-- Each message has its effect once for each consumer.
create table inbox (
    consumer text collate "C" not null,
    source text collate "C" not null,
    id text collate "C" not null,
    digest bytea not null check (octet_length(digest) = 32),
    handled_at timestamptz not null,
    primary key (consumer, source, id)
);
-- Rows lie in the order in which they were handled: a summary of each range of pages finds the oldest.
create index inbox_handled on inbox using brin (handled_at) with (pages_per_range = 32, autosummarize = on);

-- Messages that were written with an effect. A relay that takes a row moves `due_at` to the end of its lease; the
-- column has no index, so that this is an update in place.
create table outbox (
    id bigint generated always as identity primary key,
    route text not null,
    event_id text not null,
    kind text not null,
    traceparent text,
    -- Further headers, a JSON object: those of a dead letter that is replayed.
    headers text,
    body bytea not null,
    created_at timestamptz not null,
    due_at timestamptz not null
) with (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.02);

-- A job of the clock fires once a slot.
create table firing (
    job text collate "C" not null,
    slot text collate "C" not null,
    fired_at timestamptz not null,
    primary key (job, slot)
);

-- ---------- programmes ----------

create table programme (
    id text collate "C" primary key,
    name text not null,
    tz text not null,
    day_start_min integer not null check (day_start_min between 0 and 719),
    count_mode text not null check (count_mode in ('total', 'consecutive')),
    grace_days bigint not null check (grace_days >= 0),
    starts_on date not null,
    ends_on date not null,
    claim_until timestamptz not null,
    state text not null check (state in ('draft', 'active', 'paused', 'ended')),
    points_per_1000_minor bigint not null check (points_per_1000_minor >= 0),
    changed_at timestamptz not null,
    check (ends_on >= starts_on)
);

create table reward (
    id text collate "C" primary key,
    name text not null,
    kind text not null check (kind in ('points', 'product')),
    points bigint check (points > 0),
    sku text,
    check ((kind = 'points') = (points is not null) and (kind = 'product') = (sku is not null))
);

create table rule (
    programme_id text collate "C" not null references programme,
    id text collate "C" not null,
    position integer not null,
    reward_id text collate "C" not null references reward,
    days_required bigint not null check (days_required between 1 and 366),
    max_per_member bigint not null check (max_per_member >= 1),
    primary key (programme_id, id)
);

-- One hot row a reward: narrow, and with room on its page for updates in place. A reward without a row never runs
-- out. What is given out can't exceed what there is, whatever the program does.
create table stock (
    reward_id text collate "C" primary key references reward,
    total bigint not null check (total >= 0),
    reserved bigint not null default 0 check (reserved >= 0),
    issued bigint not null default 0 check (issued >= 0),
    low_at bigint not null check (low_at >= 0),
    low_armed boolean not null default true,
    out_armed boolean not null default true,
    constraint stock_not_oversold check (reserved + issued <= total)
) with (fillfactor = 20);

-- ---------- members ----------

create table member (
    id text collate "C" primary key,
    balance bigint not null default 0,
    blocked boolean not null default false,
    constraint member_balance_not_negative check (balance >= 0)
) with (fillfactor = 70);

create table attendance (
    programme_id text collate "C" not null,
    member_id text collate "C" not null,
    on_date date not null,
    received_at timestamptz not null,
    source text not null,
    event_id text collate "C" not null,
    primary key (programme_id, member_id, on_date)
);

create table claim (
    id uuid primary key,
    programme_id text collate "C" not null,
    rule_id text collate "C" not null,
    reward_id text collate "C",
    member_id text collate "C" not null,
    slot bigint not null,
    state text not null check (state in ('granted', 'rejected')),
    reject_code text,
    days_seen bigint not null,
    accepted_at timestamptz not null,
    settled_at timestamptz not null,
    source text not null,
    event_id text collate "C" not null,
    check ((state = 'rejected') = (reject_code is not null)),
    check ((state = 'granted') = (slot >= 1))
);
create unique index claim_one_a_slot on claim (member_id, programme_id, rule_id, slot) where state = 'granted';
create index claim_of_member on claim (member_id, settled_at desc, id desc);

-- Stock that a granted claim took. Append only.
create table movement (
    claim_id uuid primary key references claim,
    reward_id text collate "C" not null,
    delta_issued bigint not null default 1 check (delta_issued = 1),
    created_at timestamptz not null
);

-- ---------- orders and points ----------

create table shop_order (
    id text collate "C" primary key,
    member_id text collate "C",
    amount_minor bigint not null check (amount_minor >= 0),
    earned_points bigint not null check (earned_points >= 0),
    reversed_points bigint not null check (reversed_points between 0 and earned_points),
    booked_at timestamptz not null,
    source text not null,
    event_id text collate "C" not null
) with (fillfactor = 85);

create table refund (
    order_id text collate "C" not null references shop_order,
    refund_id text collate "C" not null,
    booked_at timestamptz not null,
    source text not null,
    event_id text collate "C" not null,
    primary key (order_id, refund_id)
);

-- Double entry, append only. The idempotency key is the business fact that a transaction books.
create table ledger_txn (
    id uuid primary key,
    kind text not null check (kind in ('earn', 'claim_grant', 'refund')),
    idem_key text collate "C" not null unique,
    created_at timestamptz not null
);

-- `account` is `m:<member>` or the name of a system account, `sys:…`, which has no stored balance: it would be a
-- row that every worker waits for.
create table ledger_entry (
    txn_id uuid not null references ledger_txn,
    account text collate "C" not null,
    amount bigint not null check (amount <> 0),
    balance_after bigint,
    primary key (txn_id, account)
);
create index ledger_entry_of_account on ledger_entry (account);

-- ---------- returns and parcels ----------

create table parcel (
    id uuid primary key,
    carrier text collate "C" not null,
    tracking_number text collate "C" not null,
    adapter text collate "C" not null,
    status text not null,
    status_at timestamptz,
    picked_up_at timestamptz,
    news_at timestamptz not null,
    -- The states that it has been in, one word after the other.
    entered text not null default '',
    next_check_at timestamptz,
    check_until timestamptz,
    checks bigint not null default 0,
    registered_at timestamptz not null,
    unique (carrier, tracking_number)
) with (fillfactor = 80);
create index parcel_due on parcel (adapter, next_check_at) where next_check_at is not null;
create index parcel_outstanding on parcel (adapter, check_until) where check_until is not null;

-- `at` is the event time as JSON: a carrier may give an instant, a local time, a day or nothing.
create table checkpoint (
    parcel_id uuid not null references parcel,
    key text collate "C" not null,
    position bigint generated always as identity,
    at text not null,
    status text not null,
    raw_code text,
    text text,
    place text,
    learned_at timestamptz not null,
    primary key (parcel_id, key)
);

create table return_order (
    id text collate "C" primary key,
    order_id text collate "C" not null,
    state text not null check (state in ('requested', 'tracking', 'picked_up', 'reported')),
    requested_at timestamptz not null,
    parcel_id uuid references parcel,
    picked_up_at timestamptz,
    reported_at timestamptz,
    registered_at timestamptz not null,
    source text,
    event_id text collate "C"
) with (fillfactor = 80);
create index return_order_of_parcel on return_order (parcel_id) where parcel_id is not null;

-- Where the last collection of returns from the shop ended: one row, once there was a collection.
create table collection (
    one boolean primary key default true check (one),
    cursor text,
    moved_at timestamptz not null
);

-- ---------- calls to the outside ----------

create table effect (
    key text collate "C" primary key,
    kind text not null,
    state text not null check (state in ('intended', 'failed', 'unknown', 'confirmed')),
    tries bigint not null,
    error text,
    intended_at timestamptz not null,
    changed_at timestamptz not null
) with (fillfactor = 80);

-- Pacing: the theoretical arrival time of the generic cell rate algorithm, and whether the gate is closed.
create table gate (
    key text collate "C" primary key,
    tat timestamptz not null,
    closed_until timestamptz,
    reason text
) with (fillfactor = 20);

-- ---------- people ----------

create table incident (
    id uuid primary key,
    fingerprint text collate "C" not null,
    rule text not null,
    severity text not null check (severity in ('info', 'warning', 'critical')),
    title text not null,
    impact text not null,
    action text not null,
    sample text not null,
    count bigint not null,
    revision bigint not null,
    first_seen timestamptz not null,
    last_seen timestamptz not null,
    resolved_at timestamptz,
    told_at timestamptz,
    told_revision bigint not null,
    tell_due_at timestamptz,
    slack_channel text,
    slack_ts text
) with (fillfactor = 70);
create unique index incident_one_open on incident (fingerprint) where resolved_at is null;
create index incident_newest on incident (first_seen desc, id desc);

-- A message that died in a queue, once, however often it died. `headers` and `history` are JSON as text: jsonb would
-- refuse what a header may hold. `terms` are numbers by which it is found (`domain::dead_letter::terms`).
create table dead_letter (
    id uuid primary key,
    key bytea not null check (octet_length(key) = 32),
    copy bytea not null check (octet_length(copy) = 32),
    status text collate "C" not null check (status in ('open', 'replaying', 'resolved', 'discarded')),
    message_id text collate "C" not null,
    source text,
    subject text collate "C",
    kind text collate "C" not null,
    queue text collate "C" not null,
    code text collate "C" not null,
    error text not null,
    fingerprint text collate "C" not null,
    terms bigint[] not null,
    attempts bigint not null,
    deaths bigint not null check (deaths >= 1),
    replays bigint not null check (replays >= 0),
    replay_id uuid,
    replayed_at timestamptz,
    first_seen timestamptz,
    sent_at timestamptz,
    first_dead_at timestamptz not null,
    dead_at timestamptz not null,
    closed_at timestamptz,
    closed_by uuid,
    history text not null,
    headers text not null,
    body bytea not null,
    unique (key, queue),
    check ((status in ('resolved', 'discarded')) = (closed_at is not null))
) with (fillfactor = 90);
create index dead_letter_newest on dead_letter (status, dead_at desc, id desc);
create index dead_letter_of_group on dead_letter (fingerprint, status, dead_at desc, id desc);
create index dead_letter_of_message on dead_letter (message_id);
create index dead_letter_terms on dead_letter using gin (terms);
create index dead_letter_replaying on dead_letter (replayed_at) where status = 'replaying';
create index dead_letter_kept on dead_letter (first_dead_at) where status = 'open';
create index dead_letter_closed on dead_letter (closed_at) where closed_at is not null;

-- What the letters of one fingerprint have in common, and how many there are: a search for a code, a queue, a type or
-- words of an error looks here first. `masked` is the error as it is searched.
create table dead_letter_group (
    fingerprint text collate "C" primary key,
    code text collate "C" not null,
    queue text collate "C" not null,
    kind text collate "C" not null,
    sample_error text not null,
    masked text not null,
    open bigint not null check (open >= 0),
    replaying bigint not null check (replaying >= 0),
    resolved bigint not null check (resolved >= 0),
    discarded bigint not null check (discarded >= 0),
    first_at timestamptz not null,
    last_at timestamptz not null
) with (fillfactor = 50);

-- A replay of dead letters. Whoever locks its row does its next step.
create table replay (
    id uuid primary key,
    filter text not null,
    rate bigint not null check (rate >= 1),
    state text not null check (state in ('running', 'done', 'stopped', 'aborted')),
    stage text not null check (stage in ('one', 'ten', 'rest')),
    exhausted boolean not null,
    published bigint not null,
    skipped bigint not null,
    done bigint not null,
    failed bigint not null,
    recent text not null,
    total bigint not null,
    capped boolean not null,
    actor text not null,
    reason text not null,
    created_at timestamptz not null,
    updated_at timestamptz not null,
    due_at timestamptz not null
) with (fillfactor = 50);
create index replay_due on replay (due_at) where state = 'running';
create index replay_newest on replay (created_at desc, id desc);

-- What people did. `before` and `after` are JSON as text.
create table audit_entry (
    id uuid primary key,
    at timestamptz not null,
    actor text not null,
    action text not null,
    subject text not null,
    reason text not null,
    count bigint not null,
    before text not null,
    after text not null
);
create index audit_entry_newest on audit_entry (at desc, id desc);
