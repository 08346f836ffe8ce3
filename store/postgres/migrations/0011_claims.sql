-- Claims after they were settled, and changes of stock that people make.

-- `state` stays what it was settled as; what came after it stands in columns of its own, so that a release that knows
-- nothing of them settles on beside this one. A claim that was shipped goes on holding its slot; one that was taken back
-- does not.
alter table claim add column fulfilled_at timestamptz;
alter table claim add column carrier text collate "C";
alter table claim add column tracking_number text;
alter table claim add column reversed_at timestamptz;
-- Why somebody should look at it again, since when.
alter table claim add column review text;
alter table claim add column review_at timestamptz;
alter table claim add constraint claim_after_its_grant
    check (state = 'granted' or (fulfilled_at is null and reversed_at is null)) not valid;

drop index claim_one_a_slot;
create unique index claim_one_live on claim (member_id, programme_id, rule_id, slot)
    where state = 'granted' and reversed_at is null;
create index claim_newest on claim (settled_at desc, id desc);
create index claim_granted on claim (reward_id, settled_at desc, id desc)
    where state = 'granted' and fulfilled_at is null and reversed_at is null;
create index claim_in_review on claim (settled_at desc, id desc) where review_at is not null and reversed_at is null;
create index movement_of_reward on movement (reward_id, created_at desc, claim_id desc);

-- Grows with every change that people make, and with no claim.
alter table stock add column version bigint not null default 0;

-- Changes of stock other than by a claim that is granted. Append only; an erasure may take a name out of a reason.
create table stock_change (
    id uuid primary key,
    reward_id text collate "C" not null references reward,
    kind text not null check (kind in ('receive', 'correct', 'return', 'set', 'reversal')),
    delta_total bigint not null,
    delta_issued bigint not null,
    -- What there was after it.
    total bigint not null,
    remaining bigint not null,
    low_at bigint not null,
    version bigint not null,
    claim_id uuid references claim,
    -- The key by which a repeat is known, of this actor.
    idem_key text collate "C",
    actor text collate "C" not null,
    reason text not null,
    at timestamptz not null,
    unique (actor, idem_key),
    check ((kind = 'reversal') = (claim_id is not null))
);
create index stock_change_of_reward on stock_change (reward_id, at desc, id desc);

create trigger append_only before delete on stock_change
    for each row execute function refuse_change();
create trigger append_only_but_erasure before update on stock_change
    for each row when (
        new.reason not like '%forebay:erased%'
        or (old.id, old.reward_id, old.kind, old.delta_total, old.delta_issued, old.total, old.remaining, old.low_at,
            old.version, old.claim_id, old.idem_key, old.actor, old.at)
           is distinct from
           (new.id, new.reward_id, new.kind, new.delta_total, new.delta_issued, new.total, new.remaining, new.low_at,
            new.version, new.claim_id, new.idem_key, new.actor, new.at)
    ) execute function refuse_change();

-- A parcel's number leads to whom it was sent. A release that knows nothing of it may erase the member beside this one;
-- by then the claims have the new name.
create function forget_parcels() returns trigger language plpgsql as $$
begin
    update claim set carrier = null, tracking_number = null
    where member_id = new.id and (carrier is not null or tracking_number is not null);
    return null;
end $$;

create trigger forget_parcels after update of id on member
    for each row when (old.id <> new.id) execute function forget_parcels();
