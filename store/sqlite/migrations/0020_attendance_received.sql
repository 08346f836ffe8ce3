-- What came in on a day: an index each migration, so that one table at a time is locked while it is built.
create index attendance_received on attendance (received_at);
