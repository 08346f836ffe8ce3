-- Who took it on; nothing more is told of it until it gets worse or ends.
alter table incident add column acked_at integer;
alter table incident add column acked_by text;
-- Who wanted silence, and until when.
alter table incident add column snoozed_at integer;
alter table incident add column snoozed_by text;
alter table incident add column snoozed_until integer;
-- How often it has come back soon after its end.
alter table incident add column flaps integer not null default 0;
create index incident_ended on incident (fingerprint, resolved_at desc) where resolved_at is not null;

-- When tellings of a rule are due or were sent, not long ago: there are not to be too many. A JSON array of instants.
create table telling_pace (
    rule text not null primary key,
    planned text not null
) strict, without rowid;
