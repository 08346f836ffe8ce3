-- See 0020.
create index shop_order_booked on shop_order (booked_at);
