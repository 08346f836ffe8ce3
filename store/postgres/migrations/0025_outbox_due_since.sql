-- When a row became due that was taken since: due_at is then the end of its lease, or when it is tried again, so that it
-- can't tell how long the row has waited.
alter table outbox add column due_since timestamptz;
-- No index: updates of due_at and due_since stay within their page.
