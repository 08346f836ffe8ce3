-- See 0020.
create index return_order_reported on return_order (reported_at) where reported_at is not null;
