-- What came in on a day: an index each migration, so that one table at a time is locked while it is built.
-- Rows come in the order of these times, so that a summary of their pages finds them.
create index attendance_received on attendance using brin (received_at) with (pages_per_range = 32, autosummarize = on);
