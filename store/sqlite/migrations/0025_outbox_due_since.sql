-- When a row became due that was taken since: due_at is then the end of its lease, or when it is tried again, so that it
-- can't tell how long the row has waited.
alter table outbox add column due_since integer;
create index outbox_taken on outbox (due_since) where due_since is not null;
