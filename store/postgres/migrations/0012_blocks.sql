-- Since when a member is blocked, and why. A member who was blocked before this release has neither.
alter table member add column blocked_at timestamptz;
alter table member add column blocked_reason text;

-- Why somebody was blocked goes with their name, also when a release erases them that does not know of it.
create function forget_block() returns trigger language plpgsql as $$
begin
    new.blocked_reason := null;
    return new;
end $$;

create trigger forget_block before update of id on member
    for each row when (old.id <> new.id) execute function forget_block();
