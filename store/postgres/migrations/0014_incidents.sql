alter table incident
    -- Who took it on; nothing more is told of it until it gets worse or ends.
    add column acked_at timestamptz,
    add column acked_by text,
    -- Who wanted silence, and until when.
    add column snoozed_at timestamptz,
    add column snoozed_by text,
    add column snoozed_until timestamptz,
    -- How often it has come back soon after its end.
    add column flaps bigint not null default 0;
create index incident_ended on incident (fingerprint, resolved_at desc) where resolved_at is not null;

-- When tellings of a rule are due or were sent, not long ago: there are not to be too many.
create table telling_pace (
    rule text collate "C" primary key,
    planned timestamptz[] not null
);
