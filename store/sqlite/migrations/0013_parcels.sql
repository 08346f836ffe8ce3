-- Numbers are found in any spelling. They stay as they were given, which is how people know them.
create index parcel_number on parcel (carrier, upper(replace(tracking_number, '-', '')));

-- Something changed since the last check was planned: its answer may be older, and is followed by another look.
alter table parcel add column look_again integer not null default 0;
-- Until then its carrier's system pushes what becomes of it, where it has to be asked to.
alter table parcel add column subscribed_until integer;

-- Codes of carriers' systems that have no meaning of ours.
create table unmapped_code (
    adapter text not null,
    code text not null,
    count integer not null,
    first_seen integer not null,
    last_seen integer not null,
    primary key (adapter, code)
) strict, without rowid;
