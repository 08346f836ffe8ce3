-- Numbers are found in any spelling. They stay as they were given, which is how people know them.
create index parcel_number on parcel (carrier, upper(replace(tracking_number, '-', '')));

alter table parcel
    -- Something changed since the last check was planned: its answer may be older, and is followed by another look.
    add column look_again boolean not null default false,
    -- Until then its carrier's system pushes what becomes of it, where it has to be asked to.
    add column subscribed_until timestamptz;

-- Codes of carriers' systems that have no meaning of ours.
create table unmapped_code (
    adapter text collate "C" not null,
    code text collate "C" not null,
    count bigint not null,
    first_seen timestamptz not null,
    last_seen timestamptz not null,
    primary key (adapter, code)
);
