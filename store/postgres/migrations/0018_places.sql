-- How many calls are under way at once at an outside system, over the fleet.

-- What each process holds of the places of a system. Changed under the lock of the system's row in `gate`.
create table call_place (
    key text collate "C" not null,
    holder uuid not null,
    held bigint not null,
    -- Then its calls are over, whatever became of it.
    until timestamptz not null,
    -- Since when it finds no place; it counts as waiting until then.
    waits_since timestamptz,
    waits_until timestamptz,
    primary key (key, holder)
) with (fillfactor = 20);

-- `grant_permits`, and no more than there are places. The arithmetic is that of the program's own `places::room`. `own` is
-- what the caller holds, `most` the places of all. A release that knows nothing of places grants beside this one without
-- holding any.
create function grant_places(gate_key text, known bigint, spacing_us bigint, more bigint, horizon_us bigint,
                             want bigint, growth bigint, share_most bigint, day_start timestamptz,
                             day_end timestamptz, day_most bigint, step_us bigint, steps integer, probe_us bigint,
                             caller uuid, own bigint, most bigint, lease_us bigint, waiting_us bigint,
                             out granted bigint, out ahead_us bigint, out share bigint, out probe boolean,
                             out closed_us bigint, out closed_reason text, out day_full boolean,
                             out live_version bigint, out live text, out no_place boolean)
language plpgsql as $$
#variable_conflict use_column
declare
    at timestamptz;
    waits timestamptz;
    others bigint;
    active bigint;
    poor bigint;
    ahead bigint;
    over bigint;
    room bigint;
    equal bigint;
begin
    perform set_config('synchronous_commit', 'off', true);
    perform from gate where key = gate_key for update;
    if not found then
        insert into gate (key, tat) values (gate_key, '-infinity') on conflict (key) do nothing;
        perform from gate where key = gate_key for update;
    end if;
    at := clock_timestamp();
    select coalesce(sum(p.held) filter (where p.until > at and p.holder <> caller), 0),
           count(*) filter (where ((p.until > at and p.held > 0) or p.waits_until > at) and p.holder <> caller),
           count(*) filter (where p.until <= at and (p.waits_until is null or p.waits_until <= at)),
           min(p.waits_since) filter (where p.waits_until > at and p.holder = caller)
        into others, active, over, waits
        from call_place p where p.key = gate_key;
    room := greatest(most - own - others, 0);
    if active > 0 then
        equal := greatest(most / (active + 1), 1);
        select count(*), count(*) filter (where waits is null or p.waits_since < waits) into poor, ahead
        from call_place p
        where p.key = gate_key and p.holder <> caller and p.waits_until > at and (p.until <= at or p.held < equal);
        if poor > 0 then
            room := greatest(least(room - ahead, equal - own), 0);
        end if;
    end if;
    select g.granted, g.ahead_us, g.share, g.probe, g.closed_us, g.closed_reason, g.day_full, g.live_version, g.live
        into granted, ahead_us, share, probe, closed_us, closed_reason, day_full, live_version, live
        from grant_permits(gate_key, known, spacing_us, more, horizon_us, least(want, room), growth, share_most,
                           day_start, day_end, day_most, step_us, steps, probe_us) g;
    no_place := want > room and granted = room and closed_us is null and live_version is null;
    if own + granted > 0 or no_place then
        insert into call_place as p (key, holder, held, until, waits_since, waits_until)
        values (gate_key, caller, own + granted, at + lease_us * interval '1 microsecond',
                case when no_place then case when granted = 0 and waits is not null then waits else at end end,
                case when no_place then at + waiting_us * interval '1 microsecond' end)
        on conflict (key, holder) do update
            set held = excluded.held, until = excluded.until, waits_since = excluded.waits_since,
                waits_until = excluded.waits_until;
    else
        delete from call_place p where p.key = gate_key and p.holder = caller;
    end if;
    if over > 0 then
        delete from call_place p
        where p.key = gate_key and p.until <= at and (p.waits_until is null or p.waits_until <= at);
    end if;
end $$;
