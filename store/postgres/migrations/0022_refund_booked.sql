-- See 0020.
create index refund_booked on refund using brin (booked_at) with (pages_per_range = 32, autosummarize = on);
