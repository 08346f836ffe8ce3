-- Since when a member is blocked, and why. A member who was blocked before this release has neither.
alter table member add column blocked_at timestamptz;
alter table member add column blocked_reason text;
