-- Every message that waits, whatever queue it is in.
CREATE TABLE queue_message (
    -- Order of arrival, and thus of delivery.
    id INTEGER PRIMARY KEY,
    -- The queue that it is, or will be, delivered from.
    queue TEXT NOT NULL,
    -- The tier that it waits in, and when it leaves it; both NULL once it can be delivered.
    tier TEXT,
    due_at INTEGER,
    -- Instants are microseconds since 1970.
    enqueued_at INTEGER NOT NULL,
    -- How often it was given out and not settled.
    delivery_count INTEGER NOT NULL DEFAULT 0,
    message_id TEXT NOT NULL,
    kind TEXT NOT NULL,
    -- Seconds since 1970, as on the wire.
    timestamp INTEGER,
    -- A JSON object of texts.
    headers TEXT NOT NULL,
    -- Byte for byte what came.
    body BLOB NOT NULL,
    CHECK ((tier IS NULL) = (due_at IS NULL))
) STRICT;

CREATE INDEX queue_message_ready ON queue_message (queue, id) WHERE due_at IS NULL;
CREATE INDEX queue_message_due ON queue_message (queue, due_at) WHERE due_at IS NOT NULL;
CREATE INDEX queue_message_tier ON queue_message (tier, due_at) WHERE tier IS NOT NULL;

-- Messages in the hands of this process. In a table of its own, so that giving a message out and taking it back
-- does not write its body again. Whatever is in it when the file is opened was in the hands of a process that died.
CREATE TABLE queue_lease (
    id INTEGER PRIMARY KEY REFERENCES queue_message (id) ON DELETE CASCADE
) STRICT;

-- The marker: the topology that was declared last.
CREATE TABLE queue_topology (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    hash TEXT NOT NULL,
    declared_at INTEGER NOT NULL
) STRICT;
