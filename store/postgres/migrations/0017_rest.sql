-- Questions that would be answered by reading all of a table.

-- Whether anybody has claimed by a rule: by its beginning, the same index tells what a member has claimed.
create unique index claim_one_live_of_rule on claim (programme_id, rule_id, member_id, slot)
    where state = 'granted' and reversed_at is null;
drop index claim_one_live;
alter index claim_one_live_of_rule rename to claim_one_live;
create index claim_shipped on claim (reward_id, settled_at desc, id desc)
    where state = 'granted' and fulfilled_at is not null and reversed_at is null;

-- What people look for and is seldom.
create index claim_reversed on claim (settled_at desc, id desc) where reversed_at is not null;
create index attendance_voided on attendance (programme_id, on_date, member_id) where voided_at is not null;

-- One row a parcel, however its number is spelt. Two of one parcel may be there by now: the first one is it, the others
-- stay what they are.
alter table parcel add column twin boolean not null default false;
update parcel p set twin = true from parcel first
    where first.carrier = p.carrier and first.id < p.id
        and upper(replace(first.tracking_number, '-', '')) = upper(replace(p.tracking_number, '-', ''));
create unique index parcel_one_a_number on parcel (carrier, upper(replace(tracking_number, '-', ''))) where not twin;
