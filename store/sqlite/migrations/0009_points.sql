-- Points in lots: each grant is one, with an end of its own; spending, expiry, reversal, adjustment.

-- How many days points of a programme are good for, after the day on which they were granted; none for ever.
alter table programme add column points_valid_days integer check (points_valid_days between 1 and 36600);

-- A check can't be changed in place: both tables of the ledger are written anew, with their rules. `reverses` is the
-- transaction that this one takes back: each once. What it should have taken and could not, because the member had
-- spent it, is its shortfall.
create table new_txn (
    id blob not null primary key check (length(id) = 16),
    kind text not null check (kind in ('earn', 'claim_grant', 'refund', 'spend', 'expire', 'reverse', 'adjust')),
    idem_key text not null unique,
    created_at integer not null,
    reverses blob references new_txn,
    shortfall integer not null default 0 check (shortfall >= 0)
) strict, without rowid;
insert into new_txn (id, kind, idem_key, created_at) select id, kind, idem_key, created_at from ledger_txn;

create table new_entry (
    txn_id blob not null references new_txn,
    account text not null,
    amount integer not null check (amount <> 0),
    balance_after integer,
    primary key (txn_id, account)
) strict, without rowid;
insert into new_entry (txn_id, account, amount, balance_after)
select txn_id, account, amount, balance_after from ledger_entry;

drop table ledger_entry;
drop table ledger_txn;
alter table new_txn rename to ledger_txn;
alter table new_entry rename to ledger_entry;
create index ledger_entry_of_account on ledger_entry (account);
create unique index ledger_txn_reversed_once on ledger_txn (reverses) where reverses is not null;

create trigger ledger_txn_no_update before update on ledger_txn
begin select raise(abort, 'table ledger_txn is append only'); end;
create trigger ledger_txn_no_delete before delete on ledger_txn
begin select raise(abort, 'table ledger_txn is append only'); end;
-- The one change that the ledger allows: a pseudonym takes the place of a member who is erased.
create trigger ledger_entry_no_update before update on ledger_entry
when not (old.account like 'm:%' and new.account like 'm:forebay:erased:%' and old.txn_id = new.txn_id
          and old.amount = new.amount and old.balance_after is new.balance_after)
begin select raise(abort, 'table ledger_entry is append only'); end;
create trigger ledger_entry_no_delete before delete on ledger_entry
begin select raise(abort, 'table ledger_entry is append only'); end;

alter table refund add column taken integer not null default 0 check (taken >= 0);
alter table refund add column shortfall integer not null default 0 check (shortfall >= 0);

-- What is left of a grant. A lot without a transaction is what the member had before there were lots.
create table points_lot (
    id blob not null primary key check (length(id) = 16),
    member_id text not null,
    txn_id blob,
    granted integer not null check (granted > 0),
    remaining integer not null check (remaining between 0 and granted),
    usable_from integer not null,
    expires_at integer,
    warned_at integer
) strict, without rowid;
create index points_lot_of_member on points_lot (member_id);
-- All that was granted on one day ends at one instant: whoever takes some of it at a time reads no more than that.
create index points_lot_ending on points_lot (expires_at, id) where remaining > 0 and expires_at is not null;
create index points_lot_untold on points_lot (expires_at, id)
    where remaining > 0 and expires_at is not null and warned_at is null;

-- Which transaction took how much of which lot; below 0 what a reversal put back. Append only: `granted` less these is
-- what remains.
create table lot_use (
    txn_id blob not null references ledger_txn,
    lot_id blob not null references points_lot,
    amount integer not null check (amount <> 0),
    primary key (txn_id, lot_id)
) strict, without rowid;
create index lot_use_of_lot on lot_use (lot_id);
create trigger lot_use_no_update before update on lot_use
begin select raise(abort, 'table lot_use is append only'); end;
create trigger lot_use_no_delete before delete on lot_use
begin select raise(abort, 'table lot_use is append only'); end;

create table spend (
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
create index spend_of_member on spend (member_id);

insert into points_lot (id, member_id, granted, remaining, usable_from)
select randomblob(16), id, balance, balance, 0 from member where balance > 0;
