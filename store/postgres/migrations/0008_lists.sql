-- Lists of returns and parcels for people, and results that stay away.

-- When it was first said that the return is picked up, and its result was to be sent: the carrier's own time of the
-- pick-up may be days older.
alter table return_order add column announced_at timestamptz;
update return_order set announced_at = picked_up_at where picked_up_at is not null;
create index return_order_newest on return_order (registered_at desc, id desc);
-- Most returns are reported: those that are not are the ones that people look for.
create index return_order_open on return_order (state, registered_at desc, id desc) where state <> 'reported';
create index return_order_of_order on return_order (order_id);

-- Until when a check that a person asked for is under way; it is the outstanding one while `check_until` says the same.
alter table parcel add column asked_until timestamptz;
create index parcel_of_status on parcel (status, id);
create index parcel_stopped on parcel (stopped, id) where stopped is not null;

-- Whether the command to send a result died.
create index dead_letter_of_result on dead_letter (subject) where kind = 'return.result.due.v1';
