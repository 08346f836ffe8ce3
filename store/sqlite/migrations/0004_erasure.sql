-- Members who were erased, by the hash of their id: what comes later about one has no effect and leaves no trace.
-- There is no way from here to the pseudonym in the books.
create table erased_member (
    hash blob not null primary key check (length(hash) = 32),
    erased_at integer not null
) strict, without rowid;

-- The one change that the ledger allows: a pseudonym takes the place of a member who is erased.
drop trigger ledger_entry_no_update;
create trigger ledger_entry_no_update before update on ledger_entry
when not (old.account like 'm:%' and new.account like 'm:forebay:erased:%' and old.txn_id = new.txn_id
          and old.amount = new.amount and old.balance_after is new.balance_after)
begin select raise(abort, 'table ledger_entry is append only'); end;
