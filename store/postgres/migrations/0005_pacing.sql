-- Pacing over the fleet: budgets of a day, rates that come back or are found out, breakers, limits set at run time.

-- What a permit is decided by stands in one narrow row. `ramp_from` is since when the rate comes back, `share` how much
-- of its rate (in millionths) an adaptive system is given, `barred_until` that the breaker is open until then, after
-- which one probe may go.
alter table gate
    add column version bigint not null default 0,
    add column ramp_from timestamptz,
    add column share bigint not null default 1000000,
    add column share_from timestamptz,
    add column share_used bigint not null default 0,
    add column day_from timestamptz,
    add column day_until timestamptz,
    add column day_used bigint not null default 0,
    add column barred_until timestamptz,
    add column barred_why text,
    add column probing boolean not null default false;

-- What is seldom read: limits that people set, the breaker's memory (JSON both), what tells credentials apart.
create table outside_system (
    key text collate "C" primary key,
    live text not null default '{}',
    breaker text not null default '{"bar":null}',
    credential text not null default '',
    probe_claimed_until timestamptz
);

-- Grants up to `want` calls under `gate_key`: gate, breaker, budget of the day, then the generic cell rate algorithm,
-- in one statement. The arithmetic is that of the program's own `Rhythm::grant` and `Terms::recovering`. `known` is the
-- version of the limits that the caller goes by; `more` the calls of a burst after the first; `growth` how much the
-- share grows after a clean minute, 0 for rates that are published. A crash of the server may forget the charges of the
-- last moments, as before.
create function grant_permits(gate_key text, known bigint, spacing_us bigint, more bigint, horizon_us bigint,
                              want bigint, growth bigint, share_most bigint, day_start timestamptz,
                              day_end timestamptz, day_most bigint, step_us bigint, steps integer, probe_us bigint,
                              out granted bigint, out ahead_us bigint, out share bigint, out probe boolean,
                              out closed_us bigint, out closed_reason text, out day_full boolean,
                              out live_version bigint, out live text)
language plpgsql as $$
#variable_conflict use_column
declare
    held gate%rowtype;
    at timestamptz;
    room_us bigint;
    gap_us bigint;
    tolerance_us bigint;
    wanted bigint := want;
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
    share := 1000000;
    probe := false;
    day_full := false;
    if held.version <> known then
        live_version := held.version;
        select s.live into live from outside_system s where s.key = gate_key;
        return;
    end if;
    if held.closed_until > at then
        closed_us := ceil(extract(epoch from held.closed_until - at) * 1000000);
        closed_reason := held.reason;
        return;
    end if;
    if held.barred_until > at then
        closed_us := ceil(extract(epoch from held.barred_until - at) * 1000000);
        closed_reason := held.barred_why;
        return;
    end if;
    if day_most is not null then
        -- A caller whose clock is fast does not begin a day before the server does.
        if held.day_from is null or (day_start > held.day_from and day_start <= at) then
            held.day_from := day_start;
            held.day_until := day_end;
            held.day_used := 0;
        end if;
        wanted := least(wanted, day_most - held.day_used);
        if wanted <= 0 and want > 0 then
            day_full := true;
            closed_us := greatest(ceil(extract(epoch from held.day_until - at) * 1000000), 1000000);
            return;
        end if;
    end if;
    if wanted <= 0 then
        return;
    end if;
    if held.barred_until is not null then
        granted := 1;
        probe := true;
        update gate g set tat = greatest(held.tat, at) + spacing_us * interval '1 microsecond',
            barred_until = at + probe_us * interval '1 microsecond', probing = true,
            day_from = held.day_from, day_until = held.day_until, day_used = case when day_most is null then held.day_used else held.day_used + 1 end
        where g.key = gate_key;
        return;
    end if;
    if growth > 0 then
        if held.share_from is null then
            held.share_from := at;
        elsif at - held.share_from >= interval '60 seconds' then
            -- What was not asked for has not been tried: the rate grows only when half of it was used.
            if held.share_used * 2 * spacing_us >= 60 * held.share then
                held.share := least(held.share + growth, share_most);
            end if;
            held.share_from := at;
            held.share_used := 0;
        end if;
        share := held.share;
    end if;
    if held.ramp_from is not null and at < held.ramp_from + step_us * steps * interval '1 microsecond' then
        share := share >> (steps - greatest(extract(epoch from at - held.ramp_from) * 1000000, 0)::bigint / step_us)::integer;
    end if;
    gap_us := (spacing_us::numeric * 1000000 / share)::bigint;
    if gap_us::numeric * share < spacing_us::numeric * 1000000 then
        gap_us := gap_us + 1;
    end if;
    tolerance_us := least(spacing_us, gap_us) * more;
    if held.tat > at then
        ahead_us := extract(epoch from held.tat - at) * 1000000;
    end if;
    room_us := horizon_us - ahead_us + tolerance_us;
    if room_us >= 0 then
        granted := least(room_us / gap_us + 1, wanted);
    end if;
    if granted > 0 then
        update gate g set tat = at + (ahead_us + gap_us * granted) * interval '1 microsecond',
            share = held.share, share_from = held.share_from, share_used = held.share_used + granted,
            day_from = held.day_from, day_until = held.day_until,
            day_used = case when day_most is null then held.day_used else held.day_used + granted end
        where g.key = gate_key;
    end if;
end $$;
