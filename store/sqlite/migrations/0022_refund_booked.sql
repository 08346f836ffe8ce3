-- See 0020.
create index refund_booked on refund (booked_at);
