-- See 0020.
create index spend_settled on spend (settled_at);
