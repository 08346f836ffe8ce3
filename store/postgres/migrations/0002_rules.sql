-- Rules that hold whatever a program does, and the one statement that paces calls.

-- A ledger transaction has at least two entries, and they sum to zero: seen to at the commit.
create function assert_txn_balanced() returns trigger language plpgsql as $$
declare
    total numeric;
    entries bigint;
begin
    select coalesce(sum(amount), 0), count(*) into total, entries from ledger_entry where txn_id = new.txn_id;
    if total <> 0 or entries < 2 then
        raise exception 'ledger transaction % does not balance: sum %, entries %', new.txn_id, total, entries
            using errcode = 'check_violation', constraint = 'ledger_balanced';
    end if;
    return null;
end $$;

create constraint trigger ledger_balanced after insert on ledger_entry
    deferrable initially deferred for each row execute function assert_txn_balanced();

create function refuse_change() returns trigger language plpgsql as $$
begin
    raise exception 'table % is append only', tg_table_name
        using errcode = 'check_violation', constraint = 'append_only';
end $$;

create trigger append_only before update or delete on ledger_txn
    for each row execute function refuse_change();
create trigger append_only before update or delete on ledger_entry
    for each row execute function refuse_change();
create trigger append_only before update or delete on movement
    for each row execute function refuse_change();

-- Grants up to `want` calls under `gate_key` by the generic cell rate algorithm. Takes and answers microseconds: the
-- arithmetic is that of the program's own `Quota::grant`. The clock is read when the row is locked. A crash of the
-- server may forget the charges of the last moments; waiting for the disk would cost more than they are worth.
create function permits(gate_key text, spacing_us bigint, tolerance_us bigint, horizon_us bigint, want bigint,
                        out granted bigint, out ahead_us bigint, out closed_us bigint, out closed_reason text)
language plpgsql as $$
declare
    held gate%rowtype;
    at timestamptz;
    room_us bigint;
begin
    perform set_config('synchronous_commit', 'off', true);
    select * into held from gate where key = gate_key for update;
    if not found then
        insert into gate (key, tat) values (gate_key, '-infinity') on conflict (key) do nothing;
        select * into strict held from gate where key = gate_key for update;
    end if;
    at := clock_timestamp();
    granted := 0;
    ahead_us := 0;
    if held.closed_until > at then
        closed_us := ceil(extract(epoch from held.closed_until - at) * 1000000);
        closed_reason := held.reason;
        return;
    end if;
    if held.tat > at then
        ahead_us := extract(epoch from held.tat - at) * 1000000;
    end if;
    room_us := horizon_us - ahead_us + tolerance_us;
    if room_us >= 0 then
        granted := least(room_us / spacing_us + 1, want);
    end if;
    if granted > 0 then
        update gate set tat = at + (ahead_us + spacing_us * granted) * interval '1 microsecond' where key = gate_key;
    end if;
end $$;
