-- The tables of the store, named as in the PostgreSQL store.
--
-- Instants are microseconds since 1970, UTC. Dates are ISO text. UUIDs are blobs of 16 bytes. Text compares byte by
-- byte. Bodies are blobs: they are kept as they came.

-- ---------- messages ----------

-- Each message has its effect once for each consumer. Rows lie in the order in which they were handled, so that the
-- oldest are found without an index of their own.
create table inbox (
    row integer primary key,
    consumer text not null,
    source text not null,
    id text not null,
    digest blob not null check (length(digest) = 32),
    handled_at integer not null,
    unique (consumer, source, id)
) strict;

-- Messages that were written with an effect. A relay that takes a row moves `due_at` to the end of its lease. An id
-- is never given twice, so that a relay which comes too late can't remove the wrong row.
create table outbox (
    id integer primary key autoincrement,
    route text not null,
    event_id text not null,
    kind text not null,
    traceparent text,
    -- Further headers, a JSON object: those of a dead letter that is replayed.
    headers text,
    body blob not null,
    created_at integer not null,
    due_at integer not null
) strict;
create index outbox_due on outbox (due_at, id);

-- A job of the clock fires once a slot.
create table firing (
    job text not null,
    slot text not null,
    fired_at integer not null,
    primary key (job, slot)
) strict, without rowid;

-- ---------- programmes ----------

create table programme (
    id text not null primary key,
    name text not null,
    tz text not null,
    day_start_min integer not null check (day_start_min between 0 and 719),
    count_mode text not null check (count_mode in ('total', 'consecutive')),
    grace_days integer not null check (grace_days >= 0),
    starts_on text not null,
    ends_on text not null,
    claim_until integer not null,
    state text not null check (state in ('draft', 'active', 'paused', 'ended')),
    points_per_1000_minor integer not null check (points_per_1000_minor >= 0),
    changed_at integer not null,
    check (ends_on >= starts_on)
) strict, without rowid;

create table reward (
    id text not null primary key,
    name text not null,
    kind text not null check (kind in ('points', 'product')),
    points integer check (points > 0),
    sku text,
    check ((kind = 'points') = (points is not null) and (kind = 'product') = (sku is not null))
) strict, without rowid;

create table rule (
    programme_id text not null references programme,
    id text not null,
    position integer not null,
    reward_id text not null references reward,
    days_required integer not null check (days_required between 1 and 366),
    max_per_member integer not null check (max_per_member >= 1),
    primary key (programme_id, id)
) strict, without rowid;

-- One hot row a reward. A reward without a row never runs out. What is given out can't exceed what there is,
-- whatever the program does.
create table stock (
    reward_id text not null primary key references reward,
    total integer not null check (total >= 0),
    reserved integer not null default 0 check (reserved >= 0),
    issued integer not null default 0 check (issued >= 0),
    low_at integer not null check (low_at >= 0),
    low_armed integer not null default 1 check (low_armed in (0, 1)),
    out_armed integer not null default 1 check (out_armed in (0, 1)),
    constraint stock_not_oversold check (reserved + issued <= total)
) strict, without rowid;

-- ---------- members ----------

-- A member has a row once there is a balance or a block to keep.
create table member (
    id text not null primary key,
    balance integer not null default 0,
    blocked integer not null default 0 check (blocked in (0, 1)),
    constraint member_balance_not_negative check (balance >= 0)
) strict, without rowid;

create table attendance (
    programme_id text not null,
    member_id text not null,
    on_date text not null,
    received_at integer not null,
    source text not null,
    event_id text not null,
    primary key (programme_id, member_id, on_date)
) strict, without rowid;

create table claim (
    id blob not null primary key check (length(id) = 16),
    programme_id text not null,
    rule_id text not null,
    reward_id text,
    member_id text not null,
    slot integer not null,
    state text not null check (state in ('granted', 'rejected')),
    reject_code text,
    days_seen integer not null,
    accepted_at integer not null,
    settled_at integer not null,
    source text not null,
    event_id text not null,
    check ((state = 'rejected') = (reject_code is not null)),
    check ((state = 'granted') = (slot >= 1))
) strict, without rowid;
create unique index claim_one_a_slot on claim (member_id, programme_id, rule_id, slot) where state = 'granted';
create index claim_of_member on claim (member_id, settled_at desc, id desc);

-- Stock that a granted claim took. Append only.
create table movement (
    claim_id blob not null primary key references claim,
    reward_id text not null,
    delta_issued integer not null default 1 check (delta_issued = 1),
    created_at integer not null
) strict, without rowid;

-- ---------- orders and points ----------

create table shop_order (
    id text not null primary key,
    member_id text,
    amount_minor integer not null check (amount_minor >= 0),
    earned_points integer not null check (earned_points >= 0),
    reversed_points integer not null check (reversed_points between 0 and earned_points),
    booked_at integer not null,
    source text not null,
    event_id text not null
) strict, without rowid;

create table refund (
    order_id text not null references shop_order,
    refund_id text not null,
    booked_at integer not null,
    source text not null,
    event_id text not null,
    primary key (order_id, refund_id)
) strict, without rowid;

-- Double entry, append only. The idempotency key is the business fact that a transaction books.
create table ledger_txn (
    id blob not null primary key check (length(id) = 16),
    kind text not null check (kind in ('earn', 'claim_grant', 'refund')),
    idem_key text not null unique,
    created_at integer not null
) strict, without rowid;

-- `account` is `m:<member>` or the name of a system account, `sys:…`, which has no stored balance.
create table ledger_entry (
    txn_id blob not null references ledger_txn,
    account text not null,
    amount integer not null check (amount <> 0),
    balance_after integer,
    primary key (txn_id, account)
) strict, without rowid;
create index ledger_entry_of_account on ledger_entry (account);

-- ---------- returns and parcels ----------

-- `entered` is a JSON array of the states that the parcel has been in.
create table parcel (
    id blob not null primary key check (length(id) = 16),
    carrier text not null,
    tracking_number text not null,
    adapter text not null,
    status text not null,
    status_at integer,
    picked_up_at integer,
    news_at integer not null,
    entered text not null default '[]',
    next_check_at integer,
    check_until integer,
    checks integer not null default 0,
    registered_at integer not null,
    unique (carrier, tracking_number)
) strict, without rowid;
create index parcel_due on parcel (adapter, next_check_at) where next_check_at is not null;
create index parcel_outstanding on parcel (adapter, check_until) where check_until is not null;

-- `at` is the event time as JSON: a carrier may give an instant, a local time, a day or nothing.
create table checkpoint (
    position integer primary key,
    parcel_id blob not null references parcel,
    key text not null,
    at text not null,
    status text not null,
    raw_code text,
    text text,
    place text,
    learned_at integer not null,
    unique (parcel_id, key)
) strict;

create table return_order (
    id text not null primary key,
    order_id text not null,
    state text not null check (state in ('requested', 'tracking', 'picked_up', 'reported')),
    requested_at integer not null,
    parcel_id blob references parcel,
    picked_up_at integer,
    reported_at integer,
    registered_at integer not null,
    source text,
    event_id text
) strict, without rowid;
create index return_order_of_parcel on return_order (parcel_id) where parcel_id is not null;

-- Where the last collection of returns from the shop ended: one row, once there was a collection.
create table collection (
    one integer primary key default 1 check (one = 1),
    cursor text,
    moved_at integer not null
) strict;

-- ---------- calls to the outside ----------

create table effect (
    key text not null primary key,
    kind text not null,
    state text not null check (state in ('intended', 'failed', 'unknown', 'confirmed')),
    tries integer not null,
    error text,
    intended_at integer not null,
    changed_at integer not null
) strict, without rowid;

-- Pacing: the theoretical arrival time of the generic cell rate algorithm, and whether the gate is closed.
create table gate (
    key text not null primary key,
    tat integer not null,
    closed_until integer,
    reason text
) strict, without rowid;

-- ---------- people ----------

create table incident (
    id blob not null primary key check (length(id) = 16),
    fingerprint text not null,
    rule text not null,
    severity text not null check (severity in ('info', 'warning', 'critical')),
    title text not null,
    impact text not null,
    action text not null,
    sample text not null,
    count integer not null,
    revision integer not null,
    first_seen integer not null,
    last_seen integer not null,
    resolved_at integer,
    told_at integer,
    told_revision integer not null,
    tell_due_at integer,
    slack_channel text,
    slack_ts text
) strict, without rowid;
create unique index incident_one_open on incident (fingerprint) where resolved_at is null;
create index incident_newest on incident (first_seen desc, id desc);

-- A message that died in a queue, once, however often it died. `headers` and `history` are JSON.
create table dead_letter (
    row integer primary key,
    id blob not null unique check (length(id) = 16),
    key blob not null check (length(key) = 32),
    copy blob not null check (length(copy) = 32),
    status text not null check (status in ('open', 'replaying', 'resolved', 'discarded')),
    message_id text not null,
    source text,
    subject text,
    kind text not null,
    queue text not null,
    code text not null,
    error text not null,
    fingerprint text not null,
    attempts integer not null,
    deaths integer not null check (deaths >= 1),
    replays integer not null check (replays >= 0),
    replay_id blob,
    replayed_at integer,
    first_seen integer,
    sent_at integer,
    first_dead_at integer not null,
    dead_at integer not null,
    closed_at integer,
    closed_by blob,
    history text not null,
    headers text not null,
    body blob not null,
    unique (key, queue),
    check ((status in ('resolved', 'discarded')) = (closed_at is not null))
) strict;
create index dead_letter_newest on dead_letter (status, dead_at desc, id desc);
create index dead_letter_of_group on dead_letter (fingerprint, status, dead_at desc, id desc);
create index dead_letter_of_message on dead_letter (message_id);
create index dead_letter_replaying on dead_letter (replayed_at) where status = 'replaying';
create index dead_letter_kept on dead_letter (first_dead_at) where status = 'open';
create index dead_letter_closed on dead_letter (closed_at) where closed_at is not null;

-- By what a dead letter is found (`domain::dead_letter::terms`).
create table dead_letter_term (
    term integer not null,
    letter integer not null references dead_letter on delete cascade,
    primary key (term, letter)
) strict, without rowid;
create index dead_letter_term_of_letter on dead_letter_term (letter);

-- What the letters of one fingerprint have in common, and how many there are: a search for a code, a queue, a type or
-- words of an error looks here first. `masked` is the error as it is searched.
create table dead_letter_group (
    fingerprint text not null primary key,
    code text not null,
    queue text not null,
    kind text not null,
    sample_error text not null,
    masked text not null,
    open integer not null check (open >= 0),
    replaying integer not null check (replaying >= 0),
    resolved integer not null check (resolved >= 0),
    discarded integer not null check (discarded >= 0),
    first_at integer not null,
    last_at integer not null
) strict, without rowid;

-- A replay of dead letters.
create table replay (
    id blob not null primary key check (length(id) = 16),
    filter text not null,
    rate integer not null check (rate >= 1),
    state text not null check (state in ('running', 'done', 'stopped', 'aborted')),
    stage text not null check (stage in ('one', 'ten', 'rest')),
    exhausted integer not null check (exhausted in (0, 1)),
    published integer not null,
    skipped integer not null,
    done integer not null,
    failed integer not null,
    recent text not null,
    total integer not null,
    capped integer not null check (capped in (0, 1)),
    actor text not null,
    reason text not null,
    created_at integer not null,
    updated_at integer not null,
    due_at integer not null
) strict, without rowid;
create index replay_due on replay (due_at) where state = 'running';
create index replay_newest on replay (created_at desc, id desc);

-- What people did. `before` and `after` are JSON.
create table audit_entry (
    id blob not null primary key check (length(id) = 16),
    at integer not null,
    actor text not null,
    action text not null,
    subject text not null,
    reason text not null,
    count integer not null,
    before text not null,
    after text not null
) strict, without rowid;
create index audit_entry_newest on audit_entry (at desc, id desc);
