CREATE TABLE _spool_migrations (
    version BIGINT PRIMARY KEY,
    description TEXT NOT NULL,
    installed_on TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP,
    success BOOLEAN NOT NULL,
    checksum BLOB NOT NULL,
    execution_time BIGINT NOT NULL
);
CREATE TABLE spool_probe (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    anything BLOB NOT NULL
) STRICT;
CREATE TABLE spooled_message (
    -- Order of arrival, and thus of publishing.
    id INTEGER PRIMARY KEY,
    -- What the row counts for against the bound of the file. Before the body, so that it is read without it.
    bytes INTEGER NOT NULL,
    -- Why it can't be published, whatever is tried; NULL for all but a few. Cleared at each start.
    unfit TEXT,
    -- Microseconds since 1970.
    spooled_at INTEGER NOT NULL,
    -- Where it is to go, in the words of the outbox.
    route TEXT NOT NULL,
    message_id TEXT NOT NULL,
    kind TEXT NOT NULL,
    -- Seconds since 1970, as on the wire.
    timestamp INTEGER,
    -- A JSON object of texts.
    headers TEXT NOT NULL,
    -- Byte for byte what came.
    body BLOB NOT NULL
) STRICT;
CREATE INDEX spooled_message_size ON spooled_message (bytes);
CREATE INDEX spooled_message_unfit ON spooled_message (id) WHERE unfit IS NOT NULL;
insert into "_spool_migrations" ("version", "description", "installed_on", "success", "checksum", "execution_time") values (1, 'spooled', '2026-11-20 03:00:00', 1, X'3739501EF2BA82405AE9DEB82B9F34AC40065E9AE9E1D9A8EE1C0424FAB1917786590B3A4DCDA24FAFF23E5CE27B92A7', 0);
insert into "spooled_message" ("id", "bytes", "unfit", "spooled_at", "route", "message_id", "kind", "timestamp", "headers", "body") values (1, 652, NULL, 1795143600000000, 'event:order.paid.v1', 'paid-O-9', 'order.paid.v1', 1795143600, '{"traceparent":"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"}', cast('{"specversion":"1.0","id":"paid-O-9","source":"/shops/main","type":"order.paid.v1","subject":"order/O-9","time":"2026-11-20T03:00:00.000000Z","recordedtime":"2026-11-20T03:00:00.000000Z","traceparent":"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01","datacontenttype":"application/json","data":{"order_id":"O-9","member_id":"m-9","currency":"KRW","amount_minor":10000,"paid_at":"2026-11-20T03:00:00Z"}}' as blob));
insert into "spooled_message" ("id", "bytes", "unfit", "spooled_at", "route", "message_id", "kind", "timestamp", "headers", "body") values (2, 614, NULL, 1795143600000000, 'work:forebay.rewards', 'day-9', 'member.check_in.requested.v1', 1795143600, '{"traceparent":"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"}', cast('{"specversion":"1.0","id":"day-9","source":"/shops/main","type":"member.check_in.requested.v1","subject":"member/m-9","time":"2026-11-20T03:00:00.000000Z","recordedtime":"2026-11-20T03:00:00.000000Z","traceparent":"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01","datacontenttype":"application/json","data":{"programme_id":"autumn","member_id":"m-9"}}' as blob));
