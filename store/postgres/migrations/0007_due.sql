-- When a parcel is asked about: not before next_check_at; where calls are scarce, in the order of check_by. A parcel that
-- is not asked about any more says why.
alter table parcel
    add column check_by timestamptz,
    add column stopped text check (stopped in ('finished', 'never_used', 'silent', 'refused')),
    add column eta timestamptz,
    -- The last time that its carrier told us of it by itself.
    add column pushed_at timestamptz;
update parcel set check_by = next_check_at where next_check_at is not null;
update parcel set stopped = 'finished'
    where next_check_at is null and status in ('delivered', 'returned', 'cancelled', 'lost');
drop index parcel_due;
create index parcel_due on parcel (adapter, check_by, next_check_at) where next_check_at is not null;
