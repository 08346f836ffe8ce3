-- See 0020.
create index spend_settled on spend using brin (settled_at) with (pages_per_range = 32, autosummarize = on);
