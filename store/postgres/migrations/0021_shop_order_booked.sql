-- See 0020.
create index shop_order_booked on shop_order using brin (booked_at) with (pages_per_range = 32, autosummarize = on);
