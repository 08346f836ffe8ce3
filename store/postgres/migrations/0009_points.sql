-- Points in lots: each grant is one, with an end of its own; spending, expiry, reversal, adjustment.

-- How many days points of a programme are good for, after the day on which they were granted; none for ever.
alter table programme add column points_valid_days integer check (points_valid_days between 1 and 36600);

-- What was there before fits what may be there now: nothing need be read over.
alter table ledger_txn drop constraint ledger_txn_kind_check;
alter table ledger_txn add constraint ledger_txn_kind_check
    check (kind in ('earn', 'claim_grant', 'refund', 'spend', 'expire', 'reverse', 'adjust')) not valid;

-- The transaction that this one takes back: each once. What it should have taken and could not, because the member
-- had spent it, is its shortfall.
alter table ledger_txn add column reverses uuid references ledger_txn;
alter table ledger_txn add column shortfall bigint not null default 0 check (shortfall >= 0);
create unique index ledger_txn_reversed_once on ledger_txn (reverses) where reverses is not null;

alter table refund add column taken bigint not null default 0 check (taken >= 0);
alter table refund add column shortfall bigint not null default 0 check (shortfall >= 0);

-- What is left of a grant. Whoever changes a lot holds the row of its member. A lot without a transaction is what the
-- member had before there were lots.
create table points_lot (
    id uuid primary key,
    member_id text collate "C" not null,
    txn_id uuid,
    granted bigint not null check (granted > 0),
    remaining bigint not null check (remaining between 0 and granted),
    usable_from timestamptz not null,
    expires_at timestamptz,
    warned_at timestamptz
) with (fillfactor = 85);
create index points_lot_of_member on points_lot (member_id);
-- All that was granted on one day ends at one instant: whoever takes some of it at a time reads no more than that.
create index points_lot_ending on points_lot (expires_at, id) where remaining > 0 and expires_at is not null;
create index points_lot_untold on points_lot (expires_at, id)
    where remaining > 0 and expires_at is not null and warned_at is null;

-- Which transaction took how much of which lot; below 0 what a reversal put back. Append only: `granted` less these is
-- what remains.
create table lot_use (
    txn_id uuid not null references ledger_txn,
    lot_id uuid not null references points_lot,
    amount bigint not null check (amount <> 0),
    primary key (txn_id, lot_id)
);
create index lot_use_of_lot on lot_use (lot_id);
create trigger append_only before update or delete on lot_use
    for each row execute function refuse_change();

create table spend (
    id uuid primary key,
    member_id text collate "C" not null,
    points bigint not null check (points > 0),
    reference text,
    state text not null check (state in ('settled', 'refused')),
    reject_code text,
    txn_id uuid references ledger_txn,
    accepted_at timestamptz not null,
    settled_at timestamptz not null,
    source text not null,
    event_id text collate "C" not null,
    check ((state = 'refused') = (reject_code is not null)),
    check ((state = 'settled') = (txn_id is not null))
);
create index spend_of_member on spend (member_id);

insert into points_lot (id, member_id, granted, remaining, usable_from)
select gen_random_uuid(), id, balance, balance, to_timestamp(0) from member where balance > 0;

-- A release that knows nothing of lots may go on writing beside this one for a while: what it grants becomes a lot
-- without an end, what it takes is taken from the lots, the next to end first. Whoever knows of lots writes them before
-- the entries, and is passed over.
create function keep_lots() returns trigger language plpgsql as $$
begin
    -- One probe of an index an entry, as everywhere.
    insert into points_lot (id, member_id, txn_id, granted, remaining, usable_from)
    select gen_random_uuid(), substr(e.account, 3), e.txn_id, e.amount, e.amount, to_timestamp(0)
    from written e
    where e.account like 'm:%' and e.amount > 0
      and (select l.id from points_lot l where l.member_id = substr(e.account, 3) and l.txn_id = e.txn_id limit 1) is null
      and (select u.lot_id from lot_use u where u.txn_id = e.txn_id limit 1) is null;
    perform take_from_lots(e.txn_id, substr(e.account, 3), -e.amount)
    from written e
    where e.account like 'm:%' and e.amount < 0
      and (select u.lot_id from lot_use u where u.txn_id = e.txn_id limit 1) is null;
    return null;
end $$;

create function take_from_lots(txn uuid, member text, points bigint) returns void language sql as $$
    with open as (
        select id, remaining,
               sum(remaining) over (order by expires_at nulls last, id) - remaining as before
        from points_lot where member_id = member and remaining > 0
    ), taken as (
        select id, least(remaining, points - before)::bigint as amount from open where before < points
    ), noted as (
        insert into lot_use (txn_id, lot_id, amount) select txn, id, amount from taken
    )
    update points_lot l set remaining = l.remaining - t.amount from taken t where l.id = t.id
$$;

create trigger keep_lots after insert on ledger_entry
    referencing new table as written for each statement execute function keep_lots();

-- Nor does such a release know of these when it erases somebody: they follow the name in the member's row. Where it
-- deletes the row, because there was nothing to keep, refused spendings may be there all the same.
create function rename_points() returns trigger language plpgsql as $$
declare
    name text := 'forebay:erased:' || replace(gen_random_uuid()::text, '-', '');
begin
    if tg_op = 'UPDATE' then
        name := new.id;
    elsif not exists (
        select from erased_member where hash = sha256(convert_to('forebay/erased/' || old.id, 'UTF8'))
    ) then
        return null;
    end if;
    update points_lot set member_id = name where member_id = old.id;
    update spend set member_id = name, reference = null where member_id = old.id;
    return null;
end $$;

create trigger rename_points after update of id on member
    for each row when (old.id <> new.id) execute function rename_points();
create trigger rename_points_of_nobody after delete on member
    for each row execute function rename_points();
