CREATE TABLE _queue_migrations (
    version BIGINT PRIMARY KEY,
    description TEXT NOT NULL,
    installed_on TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP,
    success BOOLEAN NOT NULL,
    checksum BLOB NOT NULL,
    execution_time BIGINT NOT NULL
);
CREATE TABLE alert_test (
    id blob not null primary key check (length(id) = 16),
    asked_at integer not null,
    answers text
) strict, without rowid;
CREATE TABLE attendance (
    programme_id text not null,
    member_id text not null,
    on_date text not null,
    received_at integer not null,
    source text not null,
    event_id text not null, voided_at integer, void_id blob,
    primary key (programme_id, member_id, on_date)
) strict, without rowid;
CREATE TABLE audit_entry (
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
CREATE TABLE call_place (
    key text not null,
    holder blob not null check (length(holder) = 16),
    held integer not null,
    -- Then its calls are over, whatever became of it.
    until integer not null,
    -- Since when it finds no place; it counts as waiting until then.
    waits_since integer,
    waits_until integer,
    primary key (key, holder)
) strict, without rowid;
CREATE TABLE checkpoint (
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
CREATE TABLE claim (
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
    event_id text not null, fulfilled_at integer check (fulfilled_at is null or state = 'granted'), carrier text, tracking_number text, reversed_at integer check (reversed_at is null or state = 'granted'), review text, review_at integer,
    check ((state = 'rejected') = (reject_code is not null)),
    check ((state = 'granted') = (slot >= 1))
) strict, without rowid;
CREATE TABLE collection (
    one integer primary key default 1 check (one = 1),
    cursor text,
    moved_at integer not null
) strict;
CREATE TABLE day_report (
    day text not null primary key,
    figures text not null,
    made_at integer not null
) strict, without rowid;
CREATE TABLE dead_letter (
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
CREATE TABLE dead_letter_group (
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
CREATE TABLE dead_letter_term (
    term integer not null,
    letter integer not null references dead_letter on delete cascade,
    primary key (term, letter)
) strict, without rowid;
CREATE TABLE effect (
    key text not null primary key,
    kind text not null,
    state text not null check (state in ('intended', 'failed', 'unknown', 'confirmed')),
    tries integer not null,
    error text,
    intended_at integer not null,
    changed_at integer not null
) strict, without rowid;
CREATE TABLE erased_member (
    hash blob not null primary key check (length(hash) = 32),
    erased_at integer not null
) strict, without rowid;
CREATE TABLE firing (
    job text not null,
    slot text not null,
    fired_at integer not null,
    primary key (job, slot)
) strict, without rowid;
CREATE TABLE gate (
    key text not null primary key,
    tat integer not null,
    closed_until integer,
    reason text
, version integer not null default 0, ramp_from integer, share integer not null default 1000000, share_from integer, share_used integer not null default 0, day_from integer, day_until integer, day_used integer not null default 0, barred_until integer, barred_why text, probing integer not null default 0) strict, without rowid;
CREATE TABLE inbox (
    row integer primary key,
    consumer text not null,
    source text not null,
    id text not null,
    digest blob not null check (length(digest) = 32),
    handled_at integer not null,
    unique (consumer, source, id)
) strict;
CREATE TABLE incident (
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
, acked_at integer, acked_by text, snoozed_at integer, snoozed_by text, snoozed_until integer, flaps integer not null default 0, about text, told_count integer not null default 0, told_severity text, told_flaps integer not null default 0, heard_at integer, heard_count integer not null default 0) strict, without rowid;
CREATE TABLE "ledger_entry" (
    txn_id blob not null references "ledger_txn",
    account text not null,
    amount integer not null check (amount <> 0),
    balance_after integer,
    primary key (txn_id, account)
) strict, without rowid;
CREATE TABLE "ledger_txn" (
    id blob not null primary key check (length(id) = 16),
    kind text not null check (kind in ('earn', 'claim_grant', 'refund', 'spend', 'expire', 'reverse', 'adjust')),
    idem_key text not null unique,
    created_at integer not null,
    reverses blob references "ledger_txn",
    shortfall integer not null default 0 check (shortfall >= 0)
) strict, without rowid;
CREATE TABLE lot_use (
    txn_id blob not null references ledger_txn,
    lot_id blob not null references points_lot,
    amount integer not null check (amount <> 0),
    primary key (txn_id, lot_id)
) strict, without rowid;
CREATE TABLE member (
    id text not null primary key,
    balance integer not null default 0,
    blocked integer not null default 0 check (blocked in (0, 1)), blocked_at integer, blocked_reason text,
    constraint member_balance_not_negative check (balance >= 0)
) strict, without rowid;
CREATE TABLE movement (
    claim_id blob not null primary key references claim,
    reward_id text not null,
    delta_issued integer not null default 1 check (delta_issued = 1),
    created_at integer not null
) strict, without rowid;
CREATE TABLE outbox (
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
, due_since integer) strict;
CREATE TABLE outside_system (
    key text not null primary key,
    live text not null default '{}',
    breaker text not null default '{"bar":null}',
    credential text not null default '',
    probe_claimed_until integer
) strict, without rowid;
CREATE TABLE outside_token (
    key text not null primary key,
    token text,
    refresh_at integer,
    expires_at integer,
    lease_until integer,
    check ((token is null) = (refresh_at is null) and (token is null) = (expires_at is null))
) strict, without rowid;
CREATE TABLE parcel (
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
    registered_at integer not null, check_by integer, stopped text check (stopped in ('finished', 'never_used', 'silent', 'refused')), eta integer, pushed_at integer, asked_until integer, look_again integer not null default 0, subscribed_until integer, twin integer not null default 0, traceparent text,
    unique (carrier, tracking_number)
) strict, without rowid;
CREATE TABLE paused_queue (
    queue text not null primary key,
    since integer not null,
    until integer,
    actor text not null,
    reason text not null
) strict, without rowid;
CREATE TABLE points_lot (
    id blob not null primary key check (length(id) = 16),
    member_id text not null,
    txn_id blob,
    granted integer not null check (granted > 0),
    remaining integer not null check (remaining between 0 and granted),
    usable_from integer not null,
    expires_at integer,
    warned_at integer
) strict, without rowid;
CREATE TABLE process_sign (
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
CREATE TABLE programme (
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
    changed_at integer not null, points_valid_days integer check (points_valid_days between 1 and 36600), version integer not null default 1, active_until integer,
    check (ends_on >= starts_on)
) strict, without rowid;
CREATE TABLE queue_lease (
    id INTEGER PRIMARY KEY REFERENCES queue_message (id) ON DELETE CASCADE
) STRICT;
CREATE TABLE queue_message (
    -- Order of arrival, and thus of delivery.
    id INTEGER PRIMARY KEY,
    -- The queue that it is, or will be, delivered from.
    queue TEXT NOT NULL,
    -- The tier that it waits in, and when it leaves it; both NULL once it can be delivered.
    tier TEXT,
    due_at INTEGER,
    -- Instants are microseconds since 1970.
    enqueued_at INTEGER NOT NULL,
    -- How often it was given out and not settled.
    delivery_count INTEGER NOT NULL DEFAULT 0,
    message_id TEXT NOT NULL,
    kind TEXT NOT NULL,
    -- Seconds since 1970, as on the wire.
    timestamp INTEGER,
    -- A JSON object of texts.
    headers TEXT NOT NULL,
    -- Byte for byte what came.
    body BLOB NOT NULL,
    CHECK ((tier IS NULL) = (due_at IS NULL))
) STRICT;
CREATE TABLE queue_topology (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    hash TEXT NOT NULL,
    declared_at INTEGER NOT NULL
) STRICT;
CREATE TABLE refund (
    order_id text not null references shop_order,
    refund_id text not null,
    booked_at integer not null,
    source text not null,
    event_id text not null, taken integer not null default 0 check (taken >= 0), shortfall integer not null default 0 check (shortfall >= 0),
    primary key (order_id, refund_id)
) strict, without rowid;
CREATE TABLE replay (
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
CREATE TABLE return_order (
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
, announced_at integer) strict, without rowid;
CREATE TABLE reward (
    id text not null primary key,
    name text not null,
    kind text not null check (kind in ('points', 'product')),
    points integer check (points > 0),
    sku text,
    check ((kind = 'points') = (points is not null) and (kind = 'product') = (sku is not null))
) strict, without rowid;
CREATE TABLE rule (
    programme_id text not null references programme,
    id text not null,
    position integer not null,
    reward_id text not null references reward,
    days_required integer not null check (days_required between 1 and 366),
    max_per_member integer not null check (max_per_member >= 1), count_mode text check (count_mode in ('total', 'consecutive')), grace_days integer check (grace_days >= 0), claim_until integer,
    primary key (programme_id, id)
) strict, without rowid;
CREATE TABLE shop_order (
    id text not null primary key,
    member_id text,
    amount_minor integer not null check (amount_minor >= 0),
    earned_points integer not null check (earned_points >= 0),
    reversed_points integer not null check (reversed_points between 0 and earned_points),
    booked_at integer not null,
    source text not null,
    event_id text not null
) strict, without rowid;
CREATE TABLE spend (
    id blob not null primary key check (length(id) = 16),
    member_id text not null,
    points integer not null check (points > 0),
    reference text,
    state text not null check (state in ('settled', 'refused')),
    reject_code text,
    txn_id blob references ledger_txn,
    accepted_at integer not null,
    settled_at integer not null,
    source text not null,
    event_id text not null,
    check ((state = 'refused') = (reject_code is not null)),
    check ((state = 'settled') = (txn_id is not null))
) strict, without rowid;
CREATE TABLE stock (
    reward_id text not null primary key references reward,
    total integer not null check (total >= 0),
    reserved integer not null default 0 check (reserved >= 0),
    issued integer not null default 0 check (issued >= 0),
    low_at integer not null check (low_at >= 0),
    low_armed integer not null default 1 check (low_armed in (0, 1)),
    out_armed integer not null default 1 check (out_armed in (0, 1)), version integer not null default 0,
    constraint stock_not_oversold check (reserved + issued <= total)
) strict, without rowid;
CREATE TABLE stock_change (
    id blob not null primary key check (length(id) = 16),
    reward_id text not null references reward,
    kind text not null check (kind in ('receive', 'correct', 'return', 'set', 'reversal')),
    delta_total integer not null,
    delta_issued integer not null,
    -- What there was after it.
    total integer not null,
    remaining integer not null,
    low_at integer not null,
    version integer not null,
    claim_id blob references claim,
    -- The key by which a repeat is known, of this actor.
    idem_key text,
    actor text not null,
    reason text not null,
    at integer not null,
    unique (actor, idem_key),
    check ((kind = 'reversal') = (claim_id is not null))
) strict, without rowid;
CREATE TABLE store_migrations (
    version BIGINT PRIMARY KEY,
    description TEXT NOT NULL,
    installed_on TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP,
    success BOOLEAN NOT NULL,
    checksum BLOB NOT NULL,
    execution_time BIGINT NOT NULL
);
CREATE TABLE task_done (
    name text not null primary key,
    done_at integer not null
) strict, without rowid;
CREATE TABLE telling_pace (
    rule text not null primary key,
    planned text not null
) strict, without rowid;
CREATE TABLE unmapped_code (
    adapter text not null,
    code text not null,
    count integer not null,
    first_seen integer not null,
    last_seen integer not null,
    primary key (adapter, code)
) strict, without rowid;
CREATE TABLE worker (
    id blob not null primary key check (length(id) = 16),
    host text not null,
    version text not null,
    role text not null,
    started_at integer not null,
    seen_at integer not null,
    state text not null check (state in ('running', 'draining', 'drained')),
    queues text not null,
    drain_at integer,
    drain_actor text,
    drain_reason text,
    check ((drain_at is null) = (drain_actor is null) and (drain_at is null) = (drain_reason is null))
) strict, without rowid;
CREATE INDEX attendance_by_day on attendance (programme_id, on_date, member_id);
CREATE INDEX attendance_received on attendance (received_at);
CREATE INDEX attendance_voided on attendance (programme_id, on_date, member_id) where voided_at is not null;
CREATE INDEX audit_entry_newest on audit_entry (at desc, id desc);
CREATE INDEX claim_granted on claim (reward_id, settled_at desc, id desc)
    where state = 'granted' and fulfilled_at is null and reversed_at is null;
CREATE INDEX claim_in_review on claim (settled_at desc, id desc) where review_at is not null and reversed_at is null;
CREATE INDEX claim_newest on claim (settled_at desc, id desc);
CREATE INDEX claim_of_member on claim (member_id, settled_at desc, id desc);
CREATE UNIQUE INDEX claim_one_live on claim (programme_id, rule_id, member_id, slot)
    where state = 'granted' and reversed_at is null;
CREATE INDEX claim_reversed on claim (settled_at desc, id desc) where reversed_at is not null;
CREATE INDEX claim_shipped on claim (reward_id, settled_at desc, id desc)
    where state = 'granted' and fulfilled_at is not null and reversed_at is null;
CREATE INDEX dead_letter_closed on dead_letter (closed_at) where closed_at is not null;
CREATE INDEX dead_letter_kept on dead_letter (first_dead_at) where status = 'open';
CREATE INDEX dead_letter_newest on dead_letter (status, dead_at desc, id desc);
CREATE INDEX dead_letter_of_group on dead_letter (fingerprint, status, dead_at desc, id desc);
CREATE INDEX dead_letter_of_message on dead_letter (message_id);
CREATE INDEX dead_letter_of_result on dead_letter (subject) where kind = 'return.result.due.v1';
CREATE INDEX dead_letter_replaying on dead_letter (replayed_at) where status = 'replaying';
CREATE INDEX dead_letter_term_of_letter on dead_letter_term (letter);
CREATE INDEX incident_ended on incident (fingerprint, resolved_at desc) where resolved_at is not null;
CREATE INDEX incident_newest on incident (first_seen desc, id desc);
CREATE UNIQUE INDEX incident_one_open on incident (fingerprint) where resolved_at is null;
CREATE INDEX incident_open on incident (rule, severity, fingerprint) where resolved_at is null;
CREATE INDEX incident_open_rule on incident (rule) where resolved_at is null;
CREATE INDEX ledger_entry_of_account on ledger_entry (account);
CREATE UNIQUE INDEX ledger_txn_reversed_once on ledger_txn (reverses) where reverses is not null;
CREATE INDEX lot_use_of_lot on lot_use (lot_id);
CREATE INDEX movement_of_reward on movement (reward_id, created_at desc, claim_id desc);
CREATE INDEX outbox_due on outbox (due_at, id);
CREATE INDEX outbox_taken on outbox (due_since) where due_since is not null;
CREATE INDEX parcel_due on parcel (adapter, check_by, next_check_at) where next_check_at is not null;
CREATE INDEX parcel_number on parcel (carrier, upper(replace(tracking_number, '-', '')));
CREATE INDEX parcel_of_status on parcel (status, id);
CREATE UNIQUE INDEX parcel_one_a_number on parcel (carrier, upper(replace(tracking_number, '-', ''))) where not twin;
CREATE INDEX parcel_outstanding on parcel (adapter, check_until) where check_until is not null;
CREATE INDEX parcel_stopped on parcel (stopped, id) where stopped is not null;
CREATE INDEX points_lot_ending on points_lot (expires_at, id) where remaining > 0 and expires_at is not null;
CREATE INDEX points_lot_of_member on points_lot (member_id);
CREATE INDEX points_lot_untold on points_lot (expires_at, id)
    where remaining > 0 and expires_at is not null and warned_at is null;
CREATE INDEX queue_message_due ON queue_message (queue, due_at) WHERE due_at IS NOT NULL;
CREATE INDEX queue_message_ready ON queue_message (queue, id) WHERE due_at IS NULL;
CREATE INDEX queue_message_tier ON queue_message (tier, due_at) WHERE tier IS NOT NULL;
CREATE INDEX refund_booked on refund (booked_at);
CREATE INDEX replay_due on replay (due_at) where state = 'running';
CREATE INDEX replay_newest on replay (created_at desc, id desc);
CREATE INDEX return_order_newest on return_order (registered_at desc, id desc);
CREATE INDEX return_order_of_order on return_order (order_id);
CREATE INDEX return_order_of_parcel on return_order (parcel_id) where parcel_id is not null;
CREATE INDEX return_order_open on return_order (state, registered_at desc, id desc) where state <> 'reported';
CREATE INDEX return_order_reported on return_order (reported_at) where reported_at is not null;
CREATE INDEX shop_order_booked on shop_order (booked_at);
CREATE INDEX spend_of_member on spend (member_id);
CREATE INDEX spend_settled on spend (settled_at);
CREATE INDEX stock_change_of_reward on stock_change (reward_id, at desc, id desc);
CREATE INDEX worker_seen on worker (seen_at);
CREATE TRIGGER ledger_entry_no_delete before delete on ledger_entry
begin select raise(abort, 'table ledger_entry is append only'); end;
CREATE TRIGGER ledger_entry_no_update before update on ledger_entry
when not (old.account like 'm:%' and new.account like 'm:forebay:erased:%' and old.txn_id = new.txn_id
          and old.amount = new.amount and old.balance_after is new.balance_after)
begin select raise(abort, 'table ledger_entry is append only'); end;
CREATE TRIGGER ledger_txn_no_delete before delete on ledger_txn
begin select raise(abort, 'table ledger_txn is append only'); end;
CREATE TRIGGER ledger_txn_no_update before update on ledger_txn
begin select raise(abort, 'table ledger_txn is append only'); end;
CREATE TRIGGER lot_use_no_delete before delete on lot_use
begin select raise(abort, 'table lot_use is append only'); end;
CREATE TRIGGER lot_use_no_update before update on lot_use
begin select raise(abort, 'table lot_use is append only'); end;
CREATE TRIGGER movement_no_delete before delete on movement
begin select raise(abort, 'table movement is append only'); end;
CREATE TRIGGER movement_no_update before update on movement
begin select raise(abort, 'table movement is append only'); end;
CREATE TRIGGER stock_change_no_delete before delete on stock_change
begin select raise(abort, 'table stock_change is append only'); end;
CREATE TRIGGER stock_change_no_update before update on stock_change
when new.reason not like '%forebay:erased%'
    or (old.id, old.reward_id, old.kind, old.delta_total, old.delta_issued, old.total, old.remaining, old.low_at,
        old.version, old.claim_id, old.idem_key, old.actor, old.at)
       is not
       (new.id, new.reward_id, new.kind, new.delta_total, new.delta_issued, new.total, new.remaining, new.low_at,
        new.version, new.claim_id, new.idem_key, new.actor, new.at)
begin select raise(abort, 'table stock_change is append only'); end;
insert into "_queue_migrations" ("version", "description", "installed_on", "success", "checksum", "execution_time") values (1, 'messages', '2026-11-20 03:00:00', 1, X'A228A5090F5D445F63242B2F6A2A6820AF3EBE267470CDB6883EB4275CBA3E310E6766BA0AD4A275D64DACE3D29FAC34', 0);
insert into "attendance" ("programme_id", "member_id", "on_date", "received_at", "source", "event_id", "voided_at", "void_id") values ('autumn', 'm-1', '2026-11-20', 1795143600000000, '/shops/main', 'day-1', NULL, NULL);
insert into "attendance" ("programme_id", "member_id", "on_date", "received_at", "source", "event_id", "voided_at", "void_id") values ('autumn', 'm-2', '2026-11-20', 1795143600000000, '/shops/main', 'day-2', NULL, NULL);
insert into "audit_entry" ("id", "at", "actor", "action", "subject", "reason", "count", "before", "after") values (X'00000000000000000000000000000064', 1795143600000000, 'key-of-ops', 'dead_letters.replay', '00000000-0000-0000-0000-000000000064', 'the store is back', 1, '{"filter":{"message_id":"paid-O-8","status":["open"],"until":"2026-11-20T03:00:00.000001Z"}}', '{"rate":50,"stage":"one","state":"running"}');
insert into "audit_entry" ("id", "at", "actor", "action", "subject", "reason", "count", "before", "after") values (X'00000000000000000000000000000065', 1795143600000000, 'key-of-ops', 'dead_letters.discard', 'dead letters', 'a test', 1, '{"filter":{"message_id":"paid-O-6","status":["open"]}}', '{"status":"discarded"}');
insert into "checkpoint" ("position", "parcel_id", "key", "at", "status", "raw_code", "text", "place", "learned_at") values (1, X'30B30AE322195580BF71B51A106DBDA7', 'e807fde223670117cca2173023e6daf2', '{"kind":"exact","at":"2026-11-20T03:00:00Z"}', 'picked_up', '2', 'picked up', 'Seoul', 1795143600000000);
insert into "claim" ("id", "programme_id", "rule_id", "reward_id", "member_id", "slot", "state", "reject_code", "days_seen", "accepted_at", "settled_at", "source", "event_id", "fulfilled_at", "carrier", "tracking_number", "reversed_at", "review", "review_at") values (X'00000000000000000000000000000001', 'autumn', 'one-day', 'mug', 'm-1', 1, 'granted', NULL, 1, 1795143600000000, 1795143600000000, '/shops/main', 'claim-1', NULL, NULL, NULL, NULL, NULL, NULL);
insert into "claim" ("id", "programme_id", "rule_id", "reward_id", "member_id", "slot", "state", "reject_code", "days_seen", "accepted_at", "settled_at", "source", "event_id", "fulfilled_at", "carrier", "tracking_number", "reversed_at", "review", "review_at") values (X'00000000000000000000000000000002', 'autumn', 'points', 'points-500', 'm-1', 1, 'granted', NULL, 1, 1795143600000000, 1795143600000000, '/shops/main', 'claim-2', NULL, NULL, NULL, NULL, NULL, NULL);
insert into "claim" ("id", "programme_id", "rule_id", "reward_id", "member_id", "slot", "state", "reject_code", "days_seen", "accepted_at", "settled_at", "source", "event_id", "fulfilled_at", "carrier", "tracking_number", "reversed_at", "review", "review_at") values (X'00000000000000000000000000000003', 'autumn', 'one-day', 'mug', 'm-3', 0, 'rejected', 'not_enough_days', 0, 1795143600000000, 1795143600000000, '/shops/main', 'claim-3', NULL, NULL, NULL, NULL, NULL, NULL);
insert into "collection" ("one", "cursor", "moved_at") values (1, NULL, 1795143600000000);
insert into "dead_letter" ("row", "id", "key", "copy", "status", "message_id", "source", "subject", "kind", "queue", "code", "error", "fingerprint", "attempts", "deaths", "replays", "replay_id", "replayed_at", "first_seen", "sent_at", "first_dead_at", "dead_at", "closed_at", "closed_by", "history", "headers", "body") values (1, X'B45685F2DD9A5FE29C2D67C8C8727F9D', X'5C3AF2F382F9A90471491BF19E6C147BDAC50E6D10736CA49FB4575DE424F513', X'243946FD229A1ED3EDD4288673E4373EEBDBA664114D14310D74B37463600B6C', 'replaying', 'paid-O-8', '/shops/main', 'order/O-8', 'order.paid.v1', 'forebay.rewards', 'rejected', 'the store refused: "a rule" of 17', '0982cd89d5993b13', 0, 1, 1, X'00000000000000000000000000000064', 1795143600000000, 1795143600000000, 1795143600000000, 1795143600000000, 1795143600000000, NULL, NULL, '[]', '{"forebay-code":"rejected","forebay-error":"the store refused: \"a rule\" of 17","forebay-first-seen":"2026-11-20T03:00:00.000000Z","forebay-queue":"forebay.rewards","traceparent":"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"}', cast('{"specversion":"1.0","id":"paid-O-8","source":"/shops/main","type":"order.paid.v1","subject":"order/O-8","time":"2026-11-20T03:00:00.000000Z","recordedtime":"2026-11-20T03:00:00.000000Z","traceparent":"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01","datacontenttype":"application/json","data":{"order_id":"O-8","member_id":"m-8","currency":"KRW","amount_minor":10000,"paid_at":"2026-11-20T03:00:00Z"}}' as blob));
insert into "dead_letter" ("row", "id", "key", "copy", "status", "message_id", "source", "subject", "kind", "queue", "code", "error", "fingerprint", "attempts", "deaths", "replays", "replay_id", "replayed_at", "first_seen", "sent_at", "first_dead_at", "dead_at", "closed_at", "closed_by", "history", "headers", "body") values (2, X'F5FA7DA55D00544C8A872B29BFE898A5', X'F24A4EE4CE85D4C64ABFBA68737450075DC1056E9CF88D77657359AB11A58804', X'01981769EFD40C1D45C29A67A9BE5892EF6C047855E7B56C3183EF3FD8D5A54A', 'discarded', 'paid-O-6', '/shops/main', 'order/O-6', 'order.paid.v1', 'forebay.rewards', 'rejected', 'the store refused: "a rule" of 17', '0982cd89d5993b13', 0, 1, 0, NULL, NULL, 1795143600000000, 1795143600000000, 1795143600000000, 1795143600000000, 1795143600000000, X'00000000000000000000000000000065', '[]', '{"forebay-code":"rejected","forebay-error":"the store refused: \"a rule\" of 17","forebay-first-seen":"2026-11-20T03:00:00.000000Z","forebay-queue":"forebay.rewards","traceparent":"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"}', cast('{"specversion":"1.0","id":"paid-O-6","source":"/shops/main","type":"order.paid.v1","subject":"order/O-6","time":"2026-11-20T03:00:00.000000Z","recordedtime":"2026-11-20T03:00:00.000000Z","traceparent":"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01","datacontenttype":"application/json","data":{"order_id":"O-6","member_id":"m-6","currency":"KRW","amount_minor":10000,"paid_at":"2026-11-20T03:00:00Z"}}' as blob));
insert into "dead_letter_group" ("fingerprint", "code", "queue", "kind", "sample_error", "masked", "open", "replaying", "resolved", "discarded", "first_at", "last_at") values ('0982cd89d5993b13', 'rejected', 'forebay.rewards', 'order.paid.v1', 'the store refused: "a rule" of 17', 'the store refused: "…" of #', 0, 1, 0, 1, 1795143600000000, 1795143600000000);
insert into "dead_letter_term" ("term", "letter") values (-8157554685000149786, 2);
insert into "dead_letter_term" ("term", "letter") values (-8103480092657678135, 2);
insert into "dead_letter_term" ("term", "letter") values (-6560194102435674571, 1);
insert into "dead_letter_term" ("term", "letter") values (-3752629554803483590, 1);
insert into "dead_letter_term" ("term", "letter") values (-3439104966039599788, 2);
insert into "dead_letter_term" ("term", "letter") values (-3317750710125714485, 1);
insert into "dead_letter_term" ("term", "letter") values (-1559482951675837093, 2);
insert into "dead_letter_term" ("term", "letter") values (2375434069078190996, 1);
insert into "dead_letter_term" ("term", "letter") values (2990944113942797283, 1);
insert into "dead_letter_term" ("term", "letter") values (3681174130917459293, 1);
insert into "dead_letter_term" ("term", "letter") values (3681174130917459293, 2);
insert into "dead_letter_term" ("term", "letter") values (5561178344707853192, 1);
insert into "dead_letter_term" ("term", "letter") values (5561178344707853192, 2);
insert into "dead_letter_term" ("term", "letter") values (7651004287953185845, 2);
insert into "effect" ("key", "kind", "state", "tries", "error", "intended_at", "changed_at") values ('0e3b19c1-3847-5338-9f33-93c7b698f49e', 'return-result', 'unknown', 1, 'no answer came', 1795143600000000, 1795143600000000);
insert into "effect" ("key", "kind", "state", "tries", "error", "intended_at", "changed_at") values ('336e4d1e-f412-5b30-9f78-af9c64fe4324', 'return-result', 'confirmed', 1, NULL, 1795143600000000, 1795143600000000);
insert into "firing" ("job", "slot", "fired_at") values ('collect', '2026-11-20T03:00', 1795143600000000);
insert into "gate" ("key", "tat", "closed_until", "reason", "version", "ramp_from", "share", "share_from", "share_used", "day_from", "day_until", "day_used", "barred_until", "barred_why", "probing") values ('carrier/sweettracker', 1795143600000000, 1795143601000000, 'status 429', 0, 1795143601000000, 500000, NULL, 0, NULL, NULL, 0, NULL, NULL, 0);
insert into "inbox" ("row", "consumer", "source", "id", "digest", "handled_at") values (1, 'rewards', '/shops/main', 'day-1', X'F900A301744C7432E46C52EEF0B196A341ECA0A1750813AC5D1BA7538F54AC3D', 1795143600000000);
insert into "inbox" ("row", "consumer", "source", "id", "digest", "handled_at") values (2, 'rewards', '/shops/main', 'day-2', X'877955EB9315868B390488E3D11103D00E302FBD8F51AE81F53E239139D40BEE', 1795143600000000);
insert into "inbox" ("row", "consumer", "source", "id", "digest", "handled_at") values (3, 'rewards', '/shops/main', 'claim-1', X'B9251B6B68A47E5D2877FFF65FD854782543A90332784839815D343405A54570', 1795143600000000);
insert into "inbox" ("row", "consumer", "source", "id", "digest", "handled_at") values (4, 'rewards', '/shops/main', 'claim-2', X'0864A05610D91A62EF6C6934E8B76CC0E2A8EB7747E5E4298CC14B7750BBEE43', 1795143600000000);
insert into "inbox" ("row", "consumer", "source", "id", "digest", "handled_at") values (5, 'rewards', '/shops/main', 'claim-3', X'3161B4FD35915CB9F556D991BBE617CEF3842F689B2D183354CA81710F0B6A78', 1795143600000000);
insert into "inbox" ("row", "consumer", "source", "id", "digest", "handled_at") values (6, 'rewards', '/shops/main', 'paid-O-1', X'5AADE5CCA045DD3FCF80D85217B3BB3414D2E4732ED55C80AEB4CB0C898CD852', 1795143600000000);
insert into "inbox" ("row", "consumer", "source", "id", "digest", "handled_at") values (7, 'rewards', '/shops/main', 'refunded-O-1', X'333BFD696EA842278A138245D8A8DEFF3A71279AD786C4E6873924F6F0C5640D', 1795143600000000);
insert into "inbox" ("row", "consumer", "source", "id", "digest", "handled_at") values (8, 'returns', '/shops/main', 'return-R-1', X'5A20DF5DFD0A76AF452DC656C0335C3E2345B35D5CD075BF7DF9731366AA0F2D', 1795143600000000);
insert into "inbox" ("row", "consumer", "source", "id", "digest", "handled_at") values (9, 'returns', '/shops/main', 'return-R-2', X'72CEC77EF0067BE3F80373B0780D9FCB94C06505550EB86E9309CD8A6A1D7F86', 1795143600000000);
insert into "inbox" ("row", "consumer", "source", "id", "digest", "handled_at") values (10, 'returns', '/shops/main', 'return-R-3', X'3867290328DA39AC69182C1692AB2640CCBF5B138E22BEF8D0247E218F765E53', 1795143600000000);
insert into "inbox" ("row", "consumer", "source", "id", "digest", "handled_at") values (11, 'tracking', '/forebay', 'check-1', X'0707070707070707070707070707070707070707070707070707070707070707', 1795143600000000);
insert into "inbox" ("row", "consumer", "source", "id", "digest", "handled_at") values (12, 'results', '/forebay', 'result-R-3', X'0707070707070707070707070707070707070707070707070707070707070707', 1795143600000000);
insert into "incident" ("id", "fingerprint", "rule", "severity", "title", "impact", "action", "sample", "count", "revision", "first_seen", "last_seen", "resolved_at", "told_at", "told_revision", "tell_due_at", "slack_channel", "slack_ts", "acked_at", "acked_by", "snoozed_at", "snoozed_by", "snoozed_until", "flaps", "about", "told_count", "told_severity", "told_flaps", "heard_at", "heard_count") values (X'2188187812AA579787BE6A324367DED4', 'dead_letters/0982cd89d5993b13', 'dead_letters', 'warning', 'Dead letters in forebay.rewards: rejected', 'order.paid.v1: without effect, kept whole in the archive.', 'forebay dlq list --group 0982cd89d5993b13', 'the store refused: "a rule" of 17', 2, 1, 1795143600000000, 1795143600000000, NULL, 1795143600000000, 1, 1795143630000000, 'C0123', '1700000000.000100', NULL, NULL, NULL, NULL, NULL, 0, NULL, 2, 'warning', 0, 1795143600000000, 2);
insert into "incident" ("id", "fingerprint", "rule", "severity", "title", "impact", "action", "sample", "count", "revision", "first_seen", "last_seen", "resolved_at", "told_at", "told_revision", "tell_due_at", "slack_channel", "slack_ts", "acked_at", "acked_by", "snoozed_at", "snoozed_by", "snoozed_until", "flaps", "about", "told_count", "told_severity", "told_flaps", "heard_at", "heard_count") values (X'42E2327887A952E1921F5C98D4F71E6A', 'stock/mug', 'stock_low', 'warning', 'A mug: 2 of 3 left', 'Claims go on until the last one is given out; nothing is oversold.', 'forebay stock adjust mug --kind receive --by N --reason ''…''', '1 of 3 given out, told at 2 left', 1, 1, 1795143600000000, 1795143600000000, NULL, NULL, 0, 1795143630000000, NULL, NULL, NULL, NULL, NULL, NULL, NULL, 0, NULL, 0, NULL, 0, NULL, 0);
insert into "ledger_entry" ("txn_id", "account", "amount", "balance_after") values (X'192D75E773235F53838AD2C65AEDF2DB', 'm:m-1', -40, 560);
insert into "ledger_entry" ("txn_id", "account", "amount", "balance_after") values (X'192D75E773235F53838AD2C65AEDF2DB', 'sys:clawback', 40, NULL);
insert into "ledger_entry" ("txn_id", "account", "amount", "balance_after") values (X'6B927B40A6CA5597A240D70E506279E5', 'm:m-1', 100, 600);
insert into "ledger_entry" ("txn_id", "account", "amount", "balance_after") values (X'6B927B40A6CA5597A240D70E506279E5', 'sys:issuance', -100, NULL);
insert into "ledger_entry" ("txn_id", "account", "amount", "balance_after") values (X'C7EA612FBBEE59DE9731D481BB13788E', 'm:m-1', 500, 500);
insert into "ledger_entry" ("txn_id", "account", "amount", "balance_after") values (X'C7EA612FBBEE59DE9731D481BB13788E', 'sys:issuance', -500, NULL);
insert into "ledger_txn" ("id", "kind", "idem_key", "created_at", "reverses", "shortfall") values (X'192D75E773235F53838AD2C65AEDF2DB', 'refund', 'order:O-1:refund:F-1', 1795143600000000, NULL, 0);
insert into "ledger_txn" ("id", "kind", "idem_key", "created_at", "reverses", "shortfall") values (X'6B927B40A6CA5597A240D70E506279E5', 'earn', 'order:O-1:earn', 1795143600000000, NULL, 0);
insert into "ledger_txn" ("id", "kind", "idem_key", "created_at", "reverses", "shortfall") values (X'C7EA612FBBEE59DE9731D481BB13788E', 'claim_grant', 'claim:00000000-0000-0000-0000-000000000002', 1795143600000000, NULL, 0);
insert into "lot_use" ("txn_id", "lot_id", "amount") values (X'192D75E773235F53838AD2C65AEDF2DB', X'4402045D581052AC9B745483DA9E2B17', 40);
insert into "member" ("id", "balance", "blocked", "blocked_at", "blocked_reason") values ('m-1', 560, 0, NULL, NULL);
insert into "movement" ("claim_id", "reward_id", "delta_issued", "created_at") values (X'00000000000000000000000000000001', 'mug', 1, 1795143600000000);
insert into "outbox" ("id", "route", "event_id", "kind", "traceparent", "headers", "body", "created_at", "due_at", "due_since") values (1, 'fact:member.checked_in.v1', 'ea086e8d-9039-52a4-a484-0de69330ea47', 'member.checked_in.v1', NULL, NULL, cast('{"specversion":"1.0","id":"ea086e8d-9039-52a4-a484-0de69330ea47","source":"/forebay","type":"member.checked_in.v1","subject":"member/m-1","time":"2026-11-20T03:00:00.000000Z","recordedtime":"2026-11-20T03:00:00.000000Z","datacontenttype":"application/json","data":{"programme_id":"autumn","member_id":"m-1","on_date":"2026-11-20","count":1}}' as blob), 1795143600000000, 1795143600000000, NULL);
insert into "outbox" ("id", "route", "event_id", "kind", "traceparent", "headers", "body", "created_at", "due_at", "due_since") values (2, 'fact:member.checked_in.v1', '63d76e70-146d-512c-b9b1-5a858772f090', 'member.checked_in.v1', NULL, NULL, cast('{"specversion":"1.0","id":"63d76e70-146d-512c-b9b1-5a858772f090","source":"/forebay","type":"member.checked_in.v1","subject":"member/m-2","time":"2026-11-20T03:00:00.000000Z","recordedtime":"2026-11-20T03:00:00.000000Z","datacontenttype":"application/json","data":{"programme_id":"autumn","member_id":"m-2","on_date":"2026-11-20","count":1}}' as blob), 1795143600000000, 1795143600000000, NULL);
insert into "outbox" ("id", "route", "event_id", "kind", "traceparent", "headers", "body", "created_at", "due_at", "due_since") values (3, 'fact:reward.stock.low.v1', '03aa0b54-28ae-597c-926a-3aad5a2b0412', 'reward.stock.low.v1', NULL, NULL, cast('{"specversion":"1.0","id":"03aa0b54-28ae-597c-926a-3aad5a2b0412","source":"/forebay","type":"reward.stock.low.v1","subject":"reward/mug","time":"2026-11-20T03:00:00.000000Z","recordedtime":"2026-11-20T03:00:00.000000Z","datacontenttype":"application/json","data":{"reward_id":"mug","remaining":2,"total":3,"low_at":2}}' as blob), 1795143600000000, 1795143600000000, NULL);
insert into "outbox" ("id", "route", "event_id", "kind", "traceparent", "headers", "body", "created_at", "due_at", "due_since") values (4, 'fact:reward.claim.settled.v1', '75cc01dc-03b3-5e60-9de5-5d9cafc678f8', 'reward.claim.settled.v1', NULL, NULL, cast('{"specversion":"1.0","id":"75cc01dc-03b3-5e60-9de5-5d9cafc678f8","source":"/forebay","type":"reward.claim.settled.v1","subject":"claim/00000000-0000-0000-0000-000000000001","time":"2026-11-20T03:00:00.000000Z","recordedtime":"2026-11-20T03:00:00.000000Z","datacontenttype":"application/json","data":{"claim_id":"00000000-0000-0000-0000-000000000001","programme_id":"autumn","rule_id":"one-day","reward_id":"mug","member_id":"m-1","state":"granted"}}' as blob), 1795143600000000, 1795143600000000, NULL);
insert into "outbox" ("id", "route", "event_id", "kind", "traceparent", "headers", "body", "created_at", "due_at", "due_since") values (5, 'fact:points.changed.v1', 'ab22ec59-386d-5b2b-b847-9abdd0afa59f', 'points.changed.v1', NULL, NULL, cast('{"specversion":"1.0","id":"ab22ec59-386d-5b2b-b847-9abdd0afa59f","source":"/forebay","type":"points.changed.v1","subject":"member/m-1","time":"2026-11-20T03:00:00.000000Z","recordedtime":"2026-11-20T03:00:00.000000Z","datacontenttype":"application/json","data":{"member_id":"m-1","txn_id":"c7ea612f-bbee-59de-9731-d481bb13788e","kind":"claim_grant","delta":500,"balance_after":500}}' as blob), 1795143600000000, 1795143600000000, NULL);
insert into "outbox" ("id", "route", "event_id", "kind", "traceparent", "headers", "body", "created_at", "due_at", "due_since") values (6, 'fact:reward.claim.settled.v1', '59470e8c-9219-5d2f-9fc9-c6473df4e70b', 'reward.claim.settled.v1', NULL, NULL, cast('{"specversion":"1.0","id":"59470e8c-9219-5d2f-9fc9-c6473df4e70b","source":"/forebay","type":"reward.claim.settled.v1","subject":"claim/00000000-0000-0000-0000-000000000002","time":"2026-11-20T03:00:00.000000Z","recordedtime":"2026-11-20T03:00:00.000000Z","datacontenttype":"application/json","data":{"claim_id":"00000000-0000-0000-0000-000000000002","programme_id":"autumn","rule_id":"points","reward_id":"points-500","member_id":"m-1","state":"granted"}}' as blob), 1795143600000000, 1795143600000000, NULL);
insert into "outbox" ("id", "route", "event_id", "kind", "traceparent", "headers", "body", "created_at", "due_at", "due_since") values (7, 'fact:reward.claim.settled.v1', '20a40e2c-ce84-5af9-9c8c-960a7bc7c057', 'reward.claim.settled.v1', NULL, NULL, cast('{"specversion":"1.0","id":"20a40e2c-ce84-5af9-9c8c-960a7bc7c057","source":"/forebay","type":"reward.claim.settled.v1","subject":"claim/00000000-0000-0000-0000-000000000003","time":"2026-11-20T03:00:00.000000Z","recordedtime":"2026-11-20T03:00:00.000000Z","datacontenttype":"application/json","data":{"claim_id":"00000000-0000-0000-0000-000000000003","programme_id":"autumn","rule_id":"one-day","reward_id":"mug","member_id":"m-3","state":"rejected","reject_code":"not_enough_days"}}' as blob), 1795143600000000, 1795143600000000, NULL);
insert into "outbox" ("id", "route", "event_id", "kind", "traceparent", "headers", "body", "created_at", "due_at", "due_since") values (8, 'fact:points.changed.v1', 'f06d9e41-e0cf-5054-ab4e-d6537d332b94', 'points.changed.v1', NULL, NULL, cast('{"specversion":"1.0","id":"f06d9e41-e0cf-5054-ab4e-d6537d332b94","source":"/forebay","type":"points.changed.v1","subject":"member/m-1","time":"2026-11-20T03:00:00.000000Z","recordedtime":"2026-11-20T03:00:00.000000Z","datacontenttype":"application/json","data":{"member_id":"m-1","txn_id":"6b927b40-a6ca-5597-a240-d70e506279e5","kind":"earn","delta":100,"balance_after":600}}' as blob), 1795143600000000, 1795143600000000, NULL);
insert into "outbox" ("id", "route", "event_id", "kind", "traceparent", "headers", "body", "created_at", "due_at", "due_since") values (9, 'fact:points.changed.v1', '31a31f81-0c94-5431-806f-6cbd041a9400', 'points.changed.v1', NULL, NULL, cast('{"specversion":"1.0","id":"31a31f81-0c94-5431-806f-6cbd041a9400","source":"/forebay","type":"points.changed.v1","subject":"member/m-1","time":"2026-11-20T03:00:00.000000Z","recordedtime":"2026-11-20T03:00:00.000000Z","datacontenttype":"application/json","data":{"member_id":"m-1","txn_id":"192d75e7-7323-5f53-838a-d2c65aedf2db","kind":"refund","delta":-40,"balance_after":560}}' as blob), 1795143600000000, 1795143600000000, NULL);
insert into "outbox" ("id", "route", "event_id", "kind", "traceparent", "headers", "body", "created_at", "due_at", "due_since") values (10, 'work:forebay.notices', 'cc7198a4-963b-5434-b5a2-f1179af41089', 'incident.changed.v1', NULL, NULL, cast('{"specversion":"1.0","id":"cc7198a4-963b-5434-b5a2-f1179af41089","source":"/forebay","type":"incident.changed.v1","subject":"incident/42e23278-87a9-52e1-921f-5c98d4f71e6a","time":"2026-11-20T03:00:00.000000Z","recordedtime":"2026-11-20T03:00:00.000000Z","datacontenttype":"application/json","data":{"incident_id":"42e23278-87a9-52e1-921f-5c98d4f71e6a","revision":1}}' as blob), 1795143600000000, 1795143630000000, NULL);
insert into "outbox" ("id", "route", "event_id", "kind", "traceparent", "headers", "body", "created_at", "due_at", "due_since") values (11, 'work:forebay.tracking.sweettracker', 'cfc0b0d2-211a-5698-9fb5-5995f65d5b4a', 'parcel.check.due.v1', '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01', NULL, cast('{"specversion":"1.0","id":"cfc0b0d2-211a-5698-9fb5-5995f65d5b4a","source":"/forebay","type":"parcel.check.due.v1","subject":"adapter/sweettracker","time":"2026-11-20T03:00:00.000000Z","recordedtime":"2026-11-20T03:00:00.000000Z","traceparent":"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01","datacontenttype":"application/json","data":{"adapter":"sweettracker","parcels":[{"parcel_id":"30b30ae3-2219-5580-bf71-b51a106dbda7","carrier":"cj","tracking_number":"600000000001"}]}}' as blob), 1795143600000000, 1795143600000000, NULL);
insert into "outbox" ("id", "route", "event_id", "kind", "traceparent", "headers", "body", "created_at", "due_at", "due_since") values (12, 'work:forebay.tracking.sweettracker', '5a5515c2-f83f-57c7-b06f-6c88112043c4', 'parcel.check.due.v1', '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01', NULL, cast('{"specversion":"1.0","id":"5a5515c2-f83f-57c7-b06f-6c88112043c4","source":"/forebay","type":"parcel.check.due.v1","subject":"adapter/sweettracker","time":"2026-11-20T03:00:00.000000Z","recordedtime":"2026-11-20T03:00:00.000000Z","traceparent":"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01","datacontenttype":"application/json","data":{"adapter":"sweettracker","parcels":[{"parcel_id":"799d0249-9b92-5fb4-9071-4f7464339570","carrier":"cj","tracking_number":"600000000002"}]}}' as blob), 1795143600000000, 1795143600000000, NULL);
insert into "outbox" ("id", "route", "event_id", "kind", "traceparent", "headers", "body", "created_at", "due_at", "due_since") values (13, 'fact:parcel.status.changed.v1', '7bb1de22-657c-5d32-b7af-dc13a2795c81', 'parcel.status.changed.v1', NULL, NULL, cast('{"specversion":"1.0","id":"7bb1de22-657c-5d32-b7af-dc13a2795c81","source":"/forebay","type":"parcel.status.changed.v1","subject":"parcel/cj/600000000001","time":"2026-11-20T03:00:00.000000Z","recordedtime":"2026-11-20T03:00:00.000000Z","datacontenttype":"application/json","data":{"parcel_id":"30b30ae3-2219-5580-bf71-b51a106dbda7","carrier":"cj","tracking_number":"600000000001","status":"picked_up","status_at":"2026-11-20T03:00:00Z"}}' as blob), 1795143600000000, 1795143600000000, NULL);
insert into "outbox" ("id", "route", "event_id", "kind", "traceparent", "headers", "body", "created_at", "due_at", "due_since") values (14, 'fact:return.picked_up.v1', '7f689338-1cc4-59cb-bfbb-7d4faad9d261', 'return.picked_up.v1', NULL, NULL, cast('{"specversion":"1.0","id":"7f689338-1cc4-59cb-bfbb-7d4faad9d261","source":"/forebay","type":"return.picked_up.v1","subject":"return/R-1","time":"2026-11-20T03:00:00.000000Z","recordedtime":"2026-11-20T03:00:00.000000Z","datacontenttype":"application/json","data":{"return_id":"R-1","order_id":"O-R-1","carrier":"cj","tracking_number":"600000000001","picked_up_at":"2026-11-20T03:00:00Z"}}' as blob), 1795143600000000, 1795143600000000, NULL);
insert into "outbox" ("id", "route", "event_id", "kind", "traceparent", "headers", "body", "created_at", "due_at", "due_since") values (15, 'work:forebay.results', '51fdcd1c-1e9d-5290-9a6e-efe3676f5699', 'return.result.due.v1', NULL, NULL, cast('{"specversion":"1.0","id":"51fdcd1c-1e9d-5290-9a6e-efe3676f5699","source":"/forebay","type":"return.result.due.v1","subject":"return/R-1","time":"2026-11-20T03:00:00.000000Z","recordedtime":"2026-11-20T03:00:00.000000Z","datacontenttype":"application/json","data":{"return_id":"R-1"}}' as blob), 1795143600000000, 1795143600000000, NULL);
insert into "outbox" ("id", "route", "event_id", "kind", "traceparent", "headers", "body", "created_at", "due_at", "due_since") values (16, 'fact:return.picked_up.v1', '2cb70312-d065-5e96-aaa1-637dcea1f007', 'return.picked_up.v1', NULL, NULL, cast('{"specversion":"1.0","id":"2cb70312-d065-5e96-aaa1-637dcea1f007","source":"/forebay","type":"return.picked_up.v1","subject":"return/R-3","time":"2026-11-20T03:00:00.000000Z","recordedtime":"2026-11-20T03:00:00.000000Z","datacontenttype":"application/json","data":{"return_id":"R-3","order_id":"O-R-3","carrier":"cj","tracking_number":"600000000001","picked_up_at":"2026-11-20T03:00:00Z"}}' as blob), 1795143600000000, 1795143600000000, NULL);
insert into "outbox" ("id", "route", "event_id", "kind", "traceparent", "headers", "body", "created_at", "due_at", "due_since") values (17, 'work:forebay.results', 'ef19b493-ac5c-5c79-9b3f-e616a6895483', 'return.result.due.v1', NULL, NULL, cast('{"specversion":"1.0","id":"ef19b493-ac5c-5c79-9b3f-e616a6895483","source":"/forebay","type":"return.result.due.v1","subject":"return/R-3","time":"2026-11-20T03:00:00.000000Z","recordedtime":"2026-11-20T03:00:00.000000Z","datacontenttype":"application/json","data":{"return_id":"R-3"}}' as blob), 1795143600000000, 1795143600000000, NULL);
insert into "outbox" ("id", "route", "event_id", "kind", "traceparent", "headers", "body", "created_at", "due_at", "due_since") values (18, 'work:forebay.returns', 'collect-1', 'return.collection.due.v1', NULL, NULL, cast('{"specversion":"1.0","id":"collect-1","source":"/forebay","type":"return.collection.due.v1","subject":"returns","time":"2026-11-20T03:00:00.000000Z","recordedtime":"2026-11-20T03:00:00.000000Z","datacontenttype":"application/json","data":{"because_of":"schedule"}}' as blob), 1795143600000000, 1795143600000000, NULL);
insert into "outbox" ("id", "route", "event_id", "kind", "traceparent", "headers", "body", "created_at", "due_at", "due_since") values (19, 'work:forebay.notices', 'c6536474-a2e8-546b-ba70-3beebd2ffa6e', 'incident.changed.v1', NULL, NULL, cast('{"specversion":"1.0","id":"c6536474-a2e8-546b-ba70-3beebd2ffa6e","source":"/forebay","type":"incident.changed.v1","subject":"incident/21881878-12aa-5797-87be-6a324367ded4","time":"2026-11-20T03:00:00.000000Z","recordedtime":"2026-11-20T03:00:00.000000Z","datacontenttype":"application/json","data":{"incident_id":"21881878-12aa-5797-87be-6a324367ded4","revision":1}}' as blob), 1795143600000000, 1795143630000000, NULL);
insert into "outbox" ("id", "route", "event_id", "kind", "traceparent", "headers", "body", "created_at", "due_at", "due_since") values (20, 'work:forebay.rewards', 'paid-O-8', 'order.paid.v1', '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01', '{"forebay-letter":"b45685f2-dd9a-5fe2-9c2d-67c8c8727f9d","forebay-replay":"1"}', cast('{"specversion":"1.0","id":"paid-O-8","source":"/shops/main","type":"order.paid.v1","subject":"order/O-8","time":"2026-11-20T03:00:00.000000Z","recordedtime":"2026-11-20T03:00:00.000000Z","traceparent":"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01","datacontenttype":"application/json","data":{"order_id":"O-8","member_id":"m-8","currency":"KRW","amount_minor":10000,"paid_at":"2026-11-20T03:00:00Z"}}' as blob), 1795143600000000, 1795143600000000, NULL);
insert into "parcel" ("id", "carrier", "tracking_number", "adapter", "status", "status_at", "picked_up_at", "news_at", "entered", "next_check_at", "check_until", "checks", "registered_at", "check_by", "stopped", "eta", "pushed_at", "asked_until", "look_again", "subscribed_until", "twin", "traceparent") values (X'30B30AE322195580BF71B51A106DBDA7', 'cj', '600000000001', 'sweettracker', 'picked_up', 1795143600000000, 1795143600000000, 1795143600000000, '["picked_up"]', 1795155402000000, NULL, 1, 1795143600000000, 1795162602000000, NULL, NULL, NULL, NULL, 0, NULL, 0, '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01');
insert into "parcel" ("id", "carrier", "tracking_number", "adapter", "status", "status_at", "picked_up_at", "news_at", "entered", "next_check_at", "check_until", "checks", "registered_at", "check_by", "stopped", "eta", "pushed_at", "asked_until", "look_again", "subscribed_until", "twin", "traceparent") values (X'799D02499B925FB490714F7464339570', 'cj', '600000000002', 'sweettracker', 'unknown', NULL, NULL, 1795143600000000, '[]', 1795143600000000, 1795144200000000, 0, 1795143600000000, 1795143600000000, NULL, NULL, NULL, NULL, 0, NULL, 0, '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01');
insert into "points_lot" ("id", "member_id", "txn_id", "granted", "remaining", "usable_from", "expires_at", "warned_at") values (X'4402045D581052AC9B745483DA9E2B17', 'm-1', X'6B927B40A6CA5597A240D70E506279E5', 100, 60, 1795143600000000, NULL, NULL);
insert into "points_lot" ("id", "member_id", "txn_id", "granted", "remaining", "usable_from", "expires_at", "warned_at") values (X'AAA0671855695371BBA953574DBEE8AA', 'm-1', X'C7EA612FBBEE59DE9731D481BB13788E', 500, 500, 1795143600000000, NULL, NULL);
insert into "programme" ("id", "name", "tz", "day_start_min", "count_mode", "grace_days", "starts_on", "ends_on", "claim_until", "state", "points_per_1000_minor", "changed_at", "points_valid_days", "version", "active_until") values ('autumn', 'Autumn', 'Asia/Seoul', 0, 'total', 0, '2026-11-01', '2026-11-30', 4102358400000000, 'active', 10, 1795143600000000, NULL, 1, NULL);
insert into "queue_message" ("id", "queue", "tier", "due_at", "enqueued_at", "delivery_count", "message_id", "kind", "timestamp", "headers", "body") values (1, 'forebay.rewards', NULL, NULL, 1795143600000000, 0, 'paid-O-7', 'order.paid.v1', 1795143600, '{"traceparent":"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"}', cast('{"specversion":"1.0","id":"paid-O-7","source":"/shops/main","type":"order.paid.v1","subject":"order/O-7","time":"2026-11-20T03:00:00.000000Z","recordedtime":"2026-11-20T03:00:00.000000Z","traceparent":"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01","datacontenttype":"application/json","data":{"order_id":"O-7","member_id":"m-7","currency":"KRW","amount_minor":10000,"paid_at":"2026-11-20T03:00:00Z"}}' as blob));
insert into "queue_message" ("id", "queue", "tier", "due_at", "enqueued_at", "delivery_count", "message_id", "kind", "timestamp", "headers", "body") values (2, 'forebay.rewards', NULL, NULL, 1795143600000000, 0, 'refunded-O-7', 'order.refunded.v1', 1795143600, '{"traceparent":"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"}', cast('{"specversion":"1.0","id":"refunded-O-7","source":"/shops/main","type":"order.refunded.v1","subject":"order/O-7","time":"2026-11-20T03:00:00.000000Z","recordedtime":"2026-11-20T03:00:00.000000Z","traceparent":"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01","datacontenttype":"application/json","data":{"order_id":"O-7","refund_id":"F-1","currency":"KRW","cumulative_refunded_minor":4000,"refunded_at":"2026-11-20T03:00:00Z"}}' as blob));
insert into "queue_message" ("id", "queue", "tier", "due_at", "enqueued_at", "delivery_count", "message_id", "kind", "timestamp", "headers", "body") values (3, 'forebay.unrouted', NULL, NULL, 1795143600000000, 0, 'lost-1', 'order.lost.v1', 1795143600, '{"traceparent":"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"}', cast('{"specversion":"1.0","id":"lost-1","source":"/shops/main","type":"order.lost.v1","subject":"order/O-4","time":"2026-11-20T03:00:00.000000Z","recordedtime":"2026-11-20T03:00:00.000000Z","traceparent":"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01","datacontenttype":"application/json","data":{"order_id":"O-4","member_id":"m-4","currency":"KRW","amount_minor":10000,"paid_at":"2026-11-20T03:00:00Z"}}' as blob));
insert into "queue_message" ("id", "queue", "tier", "due_at", "enqueued_at", "delivery_count", "message_id", "kind", "timestamp", "headers", "body") values (4, 'forebay.returns', NULL, NULL, 1795143600000000, 0, 'return-R-7', 'return.requested.v1', 1795143600, '{"forebay-letter":"00000000-0000-0000-0000-000000000066","forebay-replay":"1","traceparent":"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"}', cast('{"specversion":"1.0","id":"return-R-7","source":"/shops/main","type":"return.requested.v1","subject":"return/R-7","time":"2026-11-20T03:00:00.000000Z","recordedtime":"2026-11-20T03:00:00.000000Z","traceparent":"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01","datacontenttype":"application/json","data":{"return_id":"R-7","order_id":"O-R-7","requested_at":"2026-11-20T03:00:00Z","parcel":{"carrier":"cj","tracking_number":"600000000007"}}}' as blob));
insert into "queue_message" ("id", "queue", "tier", "due_at", "enqueued_at", "delivery_count", "message_id", "kind", "timestamp", "headers", "body") values (5, 'forebay.returns', NULL, NULL, 1795143600000000, 0, 'collect-2', 'return.collection.due.v1', 1795143600, '{"traceparent":"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"}', cast('{"specversion":"1.0","id":"collect-2","source":"/shops/main","type":"return.collection.due.v1","subject":"returns","time":"2026-11-20T03:00:00.000000Z","recordedtime":"2026-11-20T03:00:00.000000Z","traceparent":"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01","datacontenttype":"application/json","data":{"because_of":"schedule"}}' as blob));
insert into "queue_message" ("id", "queue", "tier", "due_at", "enqueued_at", "delivery_count", "message_id", "kind", "timestamp", "headers", "body") values (6, 'forebay.rewards', NULL, NULL, 1795143600000000, 0, 'day-7', 'member.check_in.requested.v1', 1795143600, '{"traceparent":"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"}', cast('{"specversion":"1.0","id":"day-7","source":"/shops/main","type":"member.check_in.requested.v1","subject":"member/m-7","time":"2026-11-20T03:00:00.000000Z","recordedtime":"2026-11-20T03:00:00.000000Z","traceparent":"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01","datacontenttype":"application/json","data":{"programme_id":"autumn","member_id":"m-7"}}' as blob));
insert into "queue_message" ("id", "queue", "tier", "due_at", "enqueued_at", "delivery_count", "message_id", "kind", "timestamp", "headers", "body") values (7, 'forebay.rewards', NULL, NULL, 1795143600000000, 0, 'day-1', 'member.check_in.requested.v1', 1795143600, '{"traceparent":"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"}', cast('{"specversion":"1.0","id":"day-1","source":"/shops/main","type":"member.check_in.requested.v1","subject":"member/m-1","time":"2026-11-20T03:00:00.000000Z","recordedtime":"2026-11-20T03:00:00.000000Z","traceparent":"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01","datacontenttype":"application/json","data":{"programme_id":"autumn","member_id":"m-1"}}' as blob));
insert into "queue_message" ("id", "queue", "tier", "due_at", "enqueued_at", "delivery_count", "message_id", "kind", "timestamp", "headers", "body") values (8, 'forebay.rewards', NULL, NULL, 1795143600000000, 0, 'claim-7', 'reward.claim.requested.v1', 1795143600, '{"traceparent":"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"}', cast('{"specversion":"1.0","id":"claim-7","source":"/shops/main","type":"reward.claim.requested.v1","subject":"claim/00000000-0000-0000-0000-000000000007","time":"2026-11-20T03:00:00.000000Z","recordedtime":"2026-11-20T03:00:00.000000Z","traceparent":"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01","datacontenttype":"application/json","data":{"claim_id":"00000000-0000-0000-0000-000000000007","programme_id":"autumn","rule_id":"one-day","member_id":"m-2"}}' as blob));
insert into "queue_message" ("id", "queue", "tier", "due_at", "enqueued_at", "delivery_count", "message_id", "kind", "timestamp", "headers", "body") values (9, 'forebay.tracking.sweettracker', NULL, NULL, 1795143600000000, 0, 'check-7', 'parcel.check.due.v1', 1795143600, '{"traceparent":"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"}', cast('{"specversion":"1.0","id":"check-7","source":"/shops/main","type":"parcel.check.due.v1","subject":"adapter/sweettracker","time":"2026-11-20T03:00:00.000000Z","recordedtime":"2026-11-20T03:00:00.000000Z","traceparent":"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01","datacontenttype":"application/json","data":{"adapter":"sweettracker","parcels":[{"parcel_id":"30b30ae3-2219-5580-bf71-b51a106dbda7","carrier":"cj","tracking_number":"600000000001"}]}}' as blob));
insert into "queue_message" ("id", "queue", "tier", "due_at", "enqueued_at", "delivery_count", "message_id", "kind", "timestamp", "headers", "body") values (10, 'forebay.results', NULL, NULL, 1795143600000000, 0, 'result-7', 'return.result.due.v1', 1795143600, '{"traceparent":"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"}', cast('{"specversion":"1.0","id":"result-7","source":"/shops/main","type":"return.result.due.v1","subject":"return/R-1","time":"2026-11-20T03:00:00.000000Z","recordedtime":"2026-11-20T03:00:00.000000Z","traceparent":"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01","datacontenttype":"application/json","data":{"return_id":"R-1"}}' as blob));
insert into "queue_message" ("id", "queue", "tier", "due_at", "enqueued_at", "delivery_count", "message_id", "kind", "timestamp", "headers", "body") values (11, 'forebay.notices', NULL, NULL, 1795143600000000, 0, 'tell-7', 'incident.changed.v1', 1795143600, '{"traceparent":"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"}', cast('{"specversion":"1.0","id":"tell-7","source":"/shops/main","type":"incident.changed.v1","subject":"incident/21881878-12aa-5797-87be-6a324367ded4","time":"2026-11-20T03:00:00.000000Z","recordedtime":"2026-11-20T03:00:00.000000Z","traceparent":"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01","datacontenttype":"application/json","data":{"incident_id":"21881878-12aa-5797-87be-6a324367ded4","revision":1}}' as blob));
insert into "queue_message" ("id", "queue", "tier", "due_at", "enqueued_at", "delivery_count", "message_id", "kind", "timestamp", "headers", "body") values (12, 'forebay.rewards', '5s', 1795143605000000, 1795143600000000, 0, 'day-8', 'member.check_in.requested.v1', 1795143600, '{"forebay-attempt":"1","forebay-code":"timeout","forebay-error":"no answer within 30 s","forebay-first-seen":"2026-11-20T03:00:00.000000Z","forebay-parked-at":"2026-11-20T03:00:05.000000Z","forebay-queue":"forebay.rewards","traceparent":"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"}', cast('{"specversion":"1.0","id":"day-8","source":"/shops/main","type":"member.check_in.requested.v1","subject":"member/m-8","time":"2026-11-20T03:00:00.000000Z","recordedtime":"2026-11-20T03:00:00.000000Z","traceparent":"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01","datacontenttype":"application/json","data":{"programme_id":"autumn","member_id":"m-8"}}' as blob));
insert into "queue_message" ("id", "queue", "tier", "due_at", "enqueued_at", "delivery_count", "message_id", "kind", "timestamp", "headers", "body") values (13, 'forebay.tracking.sweettracker', '1h', 1795147200000000, 1795143600000000, 0, 'check-8', 'parcel.check.due.v1', 1795143600, '{"forebay-first-seen":"2026-11-20T03:00:00.000000Z","forebay-not-before":"2026-11-20T06:00:00.000000Z","forebay-parked-at":"2026-11-20T03:00:00.000000Z","forebay-queue":"forebay.tracking.sweettracker","traceparent":"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"}', cast('{"specversion":"1.0","id":"check-8","source":"/shops/main","type":"parcel.check.due.v1","subject":"adapter/sweettracker","time":"2026-11-20T03:00:00.000000Z","recordedtime":"2026-11-20T03:00:00.000000Z","traceparent":"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01","datacontenttype":"application/json","data":{"adapter":"sweettracker","parcels":[{"parcel_id":"30b30ae3-2219-5580-bf71-b51a106dbda7","carrier":"cj","tracking_number":"600000000001"}]}}' as blob));
insert into "queue_message" ("id", "queue", "tier", "due_at", "enqueued_at", "delivery_count", "message_id", "kind", "timestamp", "headers", "body") values (14, 'forebay.dead', NULL, NULL, 1795143600000000, 0, 'paid-O-3', 'order.paid.v1', 1795143600, '{"forebay-code":"rejected","forebay-error":"the store refused: \"a rule\" of 17","forebay-first-seen":"2026-11-20T03:00:00.000000Z","forebay-queue":"forebay.rewards","traceparent":"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"}', cast('{"specversion":"1.0","id":"paid-O-3","source":"/shops/main","type":"order.paid.v1","subject":"order/O-3","time":"2026-11-20T03:00:00.000000Z","recordedtime":"2026-11-20T03:00:00.000000Z","traceparent":"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01","datacontenttype":"application/json","data":{"order_id":"O-3","member_id":"m-3","currency":"KRW","amount_minor":10000,"paid_at":"2026-11-20T03:00:00Z"}}' as blob));
insert into "queue_message" ("id", "queue", "tier", "due_at", "enqueued_at", "delivery_count", "message_id", "kind", "timestamp", "headers", "body") values (15, 'forebay.dead', NULL, NULL, 1795143600000000, 0, 'unreadable', 'order.paid.v1', 1795143600, '{"forebay-code":"rejected","forebay-error":"the store refused: \"a rule\" of 17","forebay-first-seen":"2026-11-20T03:00:00.000000Z","forebay-queue":"forebay.rewards","traceparent":"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"}', X'009F9296');
insert into "queue_topology" ("one", "hash", "declared_at") values (1, 'ad4ec95a03a2', 1795143600000000);
insert into "refund" ("order_id", "refund_id", "booked_at", "source", "event_id", "taken", "shortfall") values ('O-1', 'F-1', 1795143600000000, '/shops/main', 'refunded-O-1', 40, 0);
insert into "replay" ("id", "filter", "rate", "state", "stage", "exhausted", "published", "skipped", "done", "failed", "recent", "total", "capped", "actor", "reason", "created_at", "updated_at", "due_at") values (X'00000000000000000000000000000064', '{"status":["open"],"message_id":"paid-O-8","until":"2026-11-20T03:00:00.000001Z"}', 50, 'running', 'one', 0, 1, 0, 0, 0, '', 1, 0, 'key-of-ops', 'the store is back', 1795143600000000, 1795143600000000, 1795143600020000);
insert into "return_order" ("id", "order_id", "state", "requested_at", "parcel_id", "picked_up_at", "reported_at", "registered_at", "source", "event_id", "announced_at") values ('R-1', 'O-R-1', 'picked_up', 1795143600000000, X'30B30AE322195580BF71B51A106DBDA7', 1795143600000000, NULL, 1795143600000000, '/shops/main', 'return-R-1', 1795143600000000);
insert into "return_order" ("id", "order_id", "state", "requested_at", "parcel_id", "picked_up_at", "reported_at", "registered_at", "source", "event_id", "announced_at") values ('R-2', 'O-R-2', 'tracking', 1795143600000000, X'799D02499B925FB490714F7464339570', NULL, NULL, 1795143600000000, '/shops/main', 'return-R-2', NULL);
insert into "return_order" ("id", "order_id", "state", "requested_at", "parcel_id", "picked_up_at", "reported_at", "registered_at", "source", "event_id", "announced_at") values ('R-3', 'O-R-3', 'reported', 1795143600000000, X'30B30AE322195580BF71B51A106DBDA7', 1795143600000000, 1795143600000000, 1795143600000000, '/shops/main', 'return-R-3', 1795143600000000);
insert into "return_order" ("id", "order_id", "state", "requested_at", "parcel_id", "picked_up_at", "reported_at", "registered_at", "source", "event_id", "announced_at") values ('R-4', 'O-R-4', 'requested', 1795143600000000, NULL, NULL, NULL, 1795143600000000, NULL, NULL, NULL);
insert into "reward" ("id", "name", "kind", "points", "sku") values ('mug', 'A mug', 'product', NULL, 'MUG-1');
insert into "reward" ("id", "name", "kind", "points", "sku") values ('points-500', '500 points', 'points', 500, NULL);
insert into "rule" ("programme_id", "id", "position", "reward_id", "days_required", "max_per_member", "count_mode", "grace_days", "claim_until") values ('autumn', 'one-day', 0, 'mug', 1, 1, NULL, NULL, NULL);
insert into "rule" ("programme_id", "id", "position", "reward_id", "days_required", "max_per_member", "count_mode", "grace_days", "claim_until") values ('autumn', 'points', 1, 'points-500', 1, 1, NULL, NULL, NULL);
insert into "shop_order" ("id", "member_id", "amount_minor", "earned_points", "reversed_points", "booked_at", "source", "event_id") values ('O-1', 'm-1', 10000, 100, 40, 1795143600000000, '/shops/main', 'paid-O-1');
insert into "stock" ("reward_id", "total", "reserved", "issued", "low_at", "low_armed", "out_armed", "version") values ('mug', 3, 0, 1, 2, 0, 1, 0);
insert into "store_migrations" ("version", "description", "installed_on", "success", "checksum", "execution_time") values (1, 'tables', '2026-11-20 03:00:00', 1, X'9ADDA3B3C7A13B873364B47367062607E3FE5776DA10EF59C86FA2C1C3C9FEB3C692BC389451A5D24370960F02C96519', 0);
insert into "store_migrations" ("version", "description", "installed_on", "success", "checksum", "execution_time") values (2, 'rules', '2026-11-20 03:00:00', 1, X'2F57223B8CE50E63FE3AE572293C4B97B33A84924956876BA44DEC6A6523FF2CCE510A4D92267D74AEC51339807CAE0F', 0);
insert into "store_migrations" ("version", "description", "installed_on", "success", "checksum", "execution_time") values (3, 'fleet', '2026-11-20 03:00:00', 1, X'FFC71C499FECB7A639F97D4B805F4F56964292A53ADD4C52977201C293FE03D3D65BB8266895A9B2BE983AA3634ED32D', 0);
insert into "store_migrations" ("version", "description", "installed_on", "success", "checksum", "execution_time") values (4, 'erasure', '2026-11-20 03:00:00', 1, X'7D2B77A761C70B1419C1DC345BB05E33BA39B548FECFFCC6B634EBE1CB348D34AC759A77A02903AD5E920F73DE097E43', 0);
insert into "store_migrations" ("version", "description", "installed_on", "success", "checksum", "execution_time") values (5, 'pacing', '2026-11-20 03:00:00', 1, X'6907DB4E4C4D0B0BEA30DCC43BADD71CB01B3DD9062F157B018DCBC085FE12F8B263B656235024AD8A6D3F85FE0DBB27', 0);
insert into "store_migrations" ("version", "description", "installed_on", "success", "checksum", "execution_time") values (6, 'outside token', '2026-11-20 03:00:00', 1, X'1EC892C72FEA8220F90D1DDE15032FF6E0BC2CAE2FAE4AE40C2A1317B0199843E7E10CCB36EFFAF3A1B846E920323742', 0);
insert into "store_migrations" ("version", "description", "installed_on", "success", "checksum", "execution_time") values (7, 'due', '2026-11-20 03:00:00', 1, X'615D96A66DAE673948E22248AA6936E7F8C356C853A86597C151BB20A5FACCE0E61C3E2035B47ED70B59D5D8A51FD0C1', 0);
insert into "store_migrations" ("version", "description", "installed_on", "success", "checksum", "execution_time") values (8, 'lists', '2026-11-20 03:00:00', 1, X'AABF8E73552484D11FAC57CAAE4BB68CA1F0B27D548BED712BF11B6D026998E1CF073C7299F024FB720AD3D082F6C003', 0);
insert into "store_migrations" ("version", "description", "installed_on", "success", "checksum", "execution_time") values (9, 'points', '2026-11-20 03:00:00', 1, X'0C0922D1D4B1C53117BB1FC65417AC330339C25C684F9C0252632C3668C15ADB65E94F464637DC676002F96464B8644F', 0);
insert into "store_migrations" ("version", "description", "installed_on", "success", "checksum", "execution_time") values (10, 'programmes', '2026-11-20 03:00:00', 1, X'FE2CF9186A63EC011A89AA02F2791BFEA4638D1B54ABEE7E0CE1F43C3FEE43E21F82C2287678DED13A9FC6940228F017', 0);
insert into "store_migrations" ("version", "description", "installed_on", "success", "checksum", "execution_time") values (11, 'claims', '2026-11-20 03:00:00', 1, X'BF60D95953A11C6550C70EEF755B4DE1FD1A732A194D97AC370B4C36F5CE37B1DD28B56EB4D15F287AA265E3837DD617', 0);
insert into "store_migrations" ("version", "description", "installed_on", "success", "checksum", "execution_time") values (12, 'blocks', '2026-11-20 03:00:00', 1, X'7D493FAAC435EAF2D6C3DEDE862298DD351CA77D1504C28A2C0EE0DD85D049675DC54DD7D011D6F3DC6FB79DFFFE198A', 0);
insert into "store_migrations" ("version", "description", "installed_on", "success", "checksum", "execution_time") values (13, 'parcels', '2026-11-20 03:00:00', 1, X'6615F6FB7ACE49B3291B96DA7729F84262B17725D66804F0B9420C1515DD354A5CC3213079C28894B26A4411C3E00B02', 0);
insert into "store_migrations" ("version", "description", "installed_on", "success", "checksum", "execution_time") values (14, 'incidents', '2026-11-20 03:00:00', 1, X'3F1C3685FAC253D5D1BB62BDD5C9B48F0CB5786C37E567747B22758834310FC8D10C8543DBB006EC8E28A5BFE7F313FD', 0);
insert into "store_migrations" ("version", "description", "installed_on", "success", "checksum", "execution_time") values (15, 'tellings', '2026-11-20 03:00:00', 1, X'D9ED5C22D6AFD608C5877D84A3836171E0C1CDB71E1478708D61C441A70F8D656965E7147B60522920367F747784BB13', 0);
insert into "store_migrations" ("version", "description", "installed_on", "success", "checksum", "execution_time") values (16, 'watch', '2026-11-20 03:00:00', 1, X'494F5E9A4D799BCC4AB083F958510AABBDB10FB811E7C2D3CFE60507935A8E8115E26F2EE59C9AC72AA786BAA08B4264', 0);
insert into "store_migrations" ("version", "description", "installed_on", "success", "checksum", "execution_time") values (17, 'rest', '2026-11-20 03:00:00', 1, X'F3D9D36DDF60BCF00FA1733E28EAADA88E2688FF7176C0C484739BC1F22A261F0C20715167FA3A752F1A84A13DEC78BD', 0);
insert into "store_migrations" ("version", "description", "installed_on", "success", "checksum", "execution_time") values (18, 'places', '2026-11-20 03:00:00', 1, X'4CD13A067F53E9DD975A7B9119DB056770793476D85BBCA4BCB61C2159B4F02759D30EE2DAAE79C7E062D866335BE732', 0);
insert into "store_migrations" ("version", "description", "installed_on", "success", "checksum", "execution_time") values (19, 'traces', '2026-11-20 03:00:00', 1, X'D9A27C0692B54FBC3A9B072E37144491C2113E76528A2AF7627C3B8EDA02F777F2C8902FE7EC1934CEB8304A3E9F0CDD', 0);
insert into "store_migrations" ("version", "description", "installed_on", "success", "checksum", "execution_time") values (20, 'attendance received', '2026-11-20 03:00:00', 1, X'FD4B88BE5F31075EE3A4FE4161AEDD5BE3BB1767682B805C54F2BE96521027BEE484EF44D0B7BB9D903203ED66FDB041', 0);
insert into "store_migrations" ("version", "description", "installed_on", "success", "checksum", "execution_time") values (21, 'shop order booked', '2026-11-20 03:00:00', 1, X'CF5C6EA4D600FE35BE702BCC8030D9E9BFC3753C047184193C62E8610C7FBDAB79F786A4257ACF6145AFD0DB4ED8C137', 0);
insert into "store_migrations" ("version", "description", "installed_on", "success", "checksum", "execution_time") values (22, 'refund booked', '2026-11-20 03:00:00', 1, X'3949B40A36E41A7F0BB5AEF14A2B4531C12EDAAC4E2D6A4BEAD69A98A16F7CB5F336BE8368C675B0B40B6A55390D06CB', 0);
insert into "store_migrations" ("version", "description", "installed_on", "success", "checksum", "execution_time") values (23, 'spend settled', '2026-11-20 03:00:00', 1, X'9F1658DBEC9021F2DB39661FFEB23C26DB9B23B426F96F87396B4042E04F20521AB98C22E8DA2D86B177EE0F32A2BBFE', 0);
insert into "store_migrations" ("version", "description", "installed_on", "success", "checksum", "execution_time") values (24, 'return order reported', '2026-11-20 03:00:00', 1, X'B865D8499B0A6EB7FAC7109D467E14FE6C05C4ED1BDDBD4C50ABC43E13C93FB38725A1339327F8DF324E4DF0F5188055', 0);
insert into "store_migrations" ("version", "description", "installed_on", "success", "checksum", "execution_time") values (25, 'outbox due since', '2026-11-20 03:00:00', 1, X'A84C367A03AD4AA1EF21C816F7C767F9C8D7B79F7424DE3F8158E71528D09E7F5DD34E9409EE77FE270CF8B8FBE332F2', 0);
insert into "telling_pace" ("rule", "planned") values ('dead_letters', '["2026-11-20T03:00:30Z"]');
insert into "telling_pace" ("rule", "planned") values ('stock_low', '["2026-11-20T03:00:30Z"]');
