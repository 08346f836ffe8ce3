-- The trace of who registered a parcel (W3C trace context), to which its checks belong.
alter table parcel add column traceparent text;
