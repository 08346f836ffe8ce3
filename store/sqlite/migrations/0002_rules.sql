-- Rules that hold whatever a program does. That a ledger transaction balances can't be seen to at the commit here:
-- both entries are written by one statement, and the audit counts those that do not balance.

create trigger ledger_txn_no_update before update on ledger_txn
begin select raise(abort, 'table ledger_txn is append only'); end;
create trigger ledger_txn_no_delete before delete on ledger_txn
begin select raise(abort, 'table ledger_txn is append only'); end;

create trigger ledger_entry_no_update before update on ledger_entry
begin select raise(abort, 'table ledger_entry is append only'); end;
create trigger ledger_entry_no_delete before delete on ledger_entry
begin select raise(abort, 'table ledger_entry is append only'); end;

create trigger movement_no_update before update on movement
begin select raise(abort, 'table movement is append only'); end;
create trigger movement_no_delete before delete on movement
begin select raise(abort, 'table movement is append only'); end;
