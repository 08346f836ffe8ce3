-- Messages that were accepted and that the broker has not confirmed yet.
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

-- All rows are counted at the start, without reading their bodies.
CREATE INDEX spooled_message_size ON spooled_message (bytes);
CREATE INDEX spooled_message_unfit ON spooled_message (id) WHERE unfit IS NOT NULL;

-- Written to find out whether the disk takes anything again.
CREATE TABLE spool_probe (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    anything BLOB NOT NULL
) STRICT;
