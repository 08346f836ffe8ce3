-- Questions that would be answered by reading all of a table.

-- Whether anybody has claimed by a rule: by its beginning, the same index tells what a member has claimed.
drop index claim_one_live;
create unique index claim_one_live on claim (programme_id, rule_id, member_id, slot)
    where state = 'granted' and reversed_at is null;
create index claim_shipped on claim (reward_id, settled_at desc, id desc)
    where state = 'granted' and fulfilled_at is not null and reversed_at is null;

-- What people look for and is seldom.
create index claim_reversed on claim (settled_at desc, id desc) where reversed_at is not null;
create index attendance_voided on attendance (programme_id, on_date, member_id) where voided_at is not null;

-- One row a parcel, however its number is spelt. Two of one parcel may be there by now: the first one is it, the others
-- stay what they are.
alter table parcel add column twin integer not null default 0;
update parcel set twin = 1 where exists (
    select 1 from parcel first where first.carrier = parcel.carrier and first.id < parcel.id
        and upper(replace(first.tracking_number, '-', '')) = upper(replace(parcel.tracking_number, '-', '')));
create unique index parcel_one_a_number on parcel (carrier, upper(replace(tracking_number, '-', ''))) where not twin;
