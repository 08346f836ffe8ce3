-- Members who were erased, by the hash of their id: what comes later about one has no effect and leaves no trace.
-- There is no way from here to the pseudonym in the books.
create table erased_member (
    hash bytea primary key check (octet_length(hash) = 32),
    erased_at timestamptz not null
);

-- The one change that the ledger allows: a pseudonym takes the place of a member who is erased.
drop trigger append_only on ledger_entry;
create trigger append_only before delete on ledger_entry
    for each row execute function refuse_change();
create trigger append_only_but_erasure before update on ledger_entry
    for each row when (
        not (old.account like 'm:%' and new.account like 'm:forebay:erased:%')
        or (old.txn_id, old.amount, old.balance_after) is distinct from (new.txn_id, new.amount, new.balance_after)
    ) execute function refuse_change();
