-- How many calls are under way at once at an outside system, over the fleet.

-- What each process holds of the places of a system.
create table call_place (
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
