//! The statements.

use std::fmt::Write as _;

use bytes::Bytes;
use chrono::{DateTime, Utc};
use forebay_queue::Message;
use forebay_schemas::Tier;
use forebay_schemas::trail::Headers;
use forebay_sqlite::Error;
use sqlx::{AssertSqlSafe, SqliteConnection, SqlitePool};

use crate::placing::Row;

/// Most rows of one insert, a power of two. Inserts come in powers of two only, so that few statements are prepared.
const INSERT_ROWS: usize = 128;

/// A message as it was read back.
#[derive(Debug)]
pub(crate) struct Stored {
    pub(crate) id: i64,
    pub(crate) message: Message,
    pub(crate) delivery_count: u32,
    pub(crate) enqueued_at: Option<DateTime<Utc>>,
}

/// What a queue has for a consumer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Prospect {
    /// Something that can be delivered now.
    Ready,
    /// Something that can be delivered then.
    Due(DateTime<Utc>),
    /// Nothing.
    Empty,
}

/// Inserts messages, in their order.
pub(crate) async fn insert(conn: &mut SqliteConnection, rows: &[Row]) -> Result<(), Error> {
    let mut rest = rows;
    while !rest.is_empty() {
        let count = INSERT_ROWS.min(1 << rest.len().ilog2());
        let (now, later) = rest.split_at(count);
        rest = later;
        let mut query = sqlx::query(AssertSqlSafe(insert_sql(count)));
        for row in now {
            let message = &row.message;
            query = query
                .bind(row.queue.as_str())
                .bind(row.waits.map(|(tier, _)| tier))
                .bind(row.waits.map(|(_, due)| due.timestamp_micros()))
                .bind(row.enqueued_at.timestamp_micros())
                .bind(message.id.as_str())
                .bind(message.kind.as_str())
                .bind(message.timestamp.map(|at| at.timestamp()))
                .bind(headers_text(&message.headers))
                .bind(message.body.as_ref());
        }
        query.execute(&mut *conn).await?;
    }
    Ok(())
}

fn insert_sql(rows: usize) -> String {
    let mut sql = String::from(
        "INSERT INTO queue_message \
         (queue, tier, due_at, enqueued_at, message_id, kind, timestamp, headers, body) VALUES ",
    );
    for row in 0..rows {
        sql.push_str(if row == 0 { "(?,?,?,?,?,?,?,?,?)" } else { ",(?,?,?,?,?,?,?,?,?)" });
    }
    sql
}

fn headers_text(headers: &Headers) -> String {
    // A map of texts always has a JSON text.
    serde_json::to_string(headers).unwrap_or_else(|_| "{}".to_owned())
}

/// What a consumer of this queue could have, by this clock.
pub(crate) async fn prospect(
    readers: &SqlitePool,
    queue: &str,
    now: DateTime<Utc>,
) -> Result<Prospect, Error> {
    let (ready, due): (bool, Option<i64>) = sqlx::query_as(
        "SELECT EXISTS (SELECT 1 FROM queue_message m WHERE m.queue = ?1 AND m.due_at IS NULL
                        AND NOT EXISTS (SELECT 1 FROM queue_lease l WHERE l.id = m.id)),
                (SELECT min(due_at) FROM queue_message WHERE queue = ?1 AND due_at IS NOT NULL)",
    )
    .bind(queue)
    .fetch_one(readers)
    .await?;
    let due = due.and_then(DateTime::from_timestamp_micros);
    Ok(match due {
        _ if ready => Prospect::Ready,
        Some(due) if due <= now => Prospect::Ready,
        Some(due) => Prospect::Due(due),
        None => Prospect::Empty,
    })
}

/// Leases up to `most` messages of a queue, the oldest first, and returns their ids in that order.
pub(crate) async fn lease(
    conn: &mut SqliteConnection,
    queue: &str,
    most: usize,
    now: DateTime<Utc>,
) -> Result<Vec<i64>, Error> {
    sqlx::query(
        "UPDATE queue_message SET enqueued_at = due_at, tier = NULL, due_at = NULL
         WHERE queue = ? AND due_at IS NOT NULL AND due_at <= ?",
    )
    .bind(queue)
    .bind(now.timestamp_micros())
    .execute(&mut *conn)
    .await?;
    let ids = sqlx::query_scalar(
        "INSERT INTO queue_lease (id)
         SELECT m.id FROM queue_message m WHERE m.queue = ? AND m.due_at IS NULL
         AND NOT EXISTS (SELECT 1 FROM queue_lease l WHERE l.id = m.id)
         ORDER BY m.id LIMIT ? RETURNING id",
    )
    .bind(queue)
    .bind(i64::try_from(most).unwrap_or(i64::MAX))
    .fetch_all(&mut *conn)
    .await?;
    Ok(ids)
}

/// Reads messages, in the order of their ids.
pub(crate) async fn read(readers: &SqlitePool, ids: &[i64]) -> Result<Vec<Stored>, Error> {
    type Columns = (i64, i64, i64, String, String, Option<i64>, String, Vec<u8>);
    let rows: Vec<Columns> = sqlx::query_as(
        "SELECT id, delivery_count, enqueued_at, message_id, kind, timestamp, headers, body
         FROM queue_message WHERE id IN (SELECT value FROM json_each(?)) ORDER BY id",
    )
    .bind(id_list(ids))
    .fetch_all(readers)
    .await?;
    let stored = |(id, count, enqueued_at, message_id, kind, timestamp, headers, body): Columns| Stored {
        id,
        delivery_count: u32::try_from(count).unwrap_or(u32::MAX),
        enqueued_at: DateTime::from_timestamp_micros(enqueued_at),
        message: Message {
            id: message_id,
            kind,
            timestamp: timestamp.and_then(|seconds| DateTime::from_timestamp(seconds, 0)),
            headers: serde_json::from_str(&headers).unwrap_or_default(),
            body: Bytes::from(body),
        },
    };
    Ok(rows.into_iter().map(stored).collect())
}

/// Gives messages back to their queues. `seen` ones may have been worked on, and count as delivered.
pub(crate) async fn give_back(conn: &mut SqliteConnection, ids: &[i64], seen: bool) -> Result<(), Error> {
    let list = id_list(ids);
    if seen {
        sqlx::query(
            "UPDATE queue_message SET delivery_count = delivery_count + 1
             WHERE id IN (SELECT value FROM json_each(?))",
        )
        .bind(list.as_str())
        .execute(&mut *conn)
        .await?;
    }
    sqlx::query("DELETE FROM queue_lease WHERE id IN (SELECT value FROM json_each(?))")
        .bind(list.as_str())
        .execute(&mut *conn)
        .await?;
    Ok(())
}

/// Gives back whatever a process before us held, and counts all messages.
pub(crate) async fn take_over(conn: &mut SqliteConnection) -> Result<u64, Error> {
    sqlx::query(
        "UPDATE queue_message SET delivery_count = delivery_count + 1 WHERE id IN (SELECT id FROM queue_lease)",
    )
    .execute(&mut *conn)
    .await?;
    sqlx::query("DELETE FROM queue_lease").execute(&mut *conn).await?;
    // Through the two indexes that cover all rows together, not through the bodies.
    let count: i64 = sqlx::query_scalar(
        "SELECT (SELECT count(*) FROM queue_message WHERE due_at IS NULL)
              + (SELECT count(*) FROM queue_message WHERE due_at IS NOT NULL)",
    )
    .fetch_one(&mut *conn)
    .await?;
    Ok(u64::try_from(count).unwrap_or(0))
}

/// Removes messages for good; their leases go with them.
pub(crate) async fn remove(conn: &mut SqliteConnection, ids: &[i64]) -> Result<(), Error> {
    sqlx::query("DELETE FROM queue_message WHERE id IN (SELECT value FROM json_each(?))")
        .bind(id_list(ids))
        .execute(conn)
        .await?;
    Ok(())
}

/// Messages of a queue: those that can be delivered now, those in somebody's hands, and when the oldest of the
/// former came in.
pub(crate) async fn depth(
    readers: &SqlitePool,
    queue: &str,
    now: DateTime<Utc>,
) -> Result<(u64, u64, Option<DateTime<Utc>>), Error> {
    let (arrived, due, leased, oldest, oldest_due): (i64, i64, i64, Option<i64>, Option<i64>) = sqlx::query_as(
        "SELECT (SELECT count(*) FROM queue_message WHERE queue = ?1 AND due_at IS NULL),
                (SELECT count(*) FROM queue_message WHERE queue = ?1 AND due_at IS NOT NULL AND due_at <= ?2),
                (SELECT count(*) FROM queue_lease l CROSS JOIN queue_message m ON m.id = l.id WHERE m.queue = ?1),
                (SELECT m.enqueued_at FROM queue_message m WHERE m.queue = ?1 AND m.due_at IS NULL
                 AND NOT EXISTS (SELECT 1 FROM queue_lease l WHERE l.id = m.id) ORDER BY m.id LIMIT 1),
                (SELECT min(due_at) FROM queue_message WHERE queue = ?1 AND due_at IS NOT NULL AND due_at <= ?2)",
    )
    .bind(queue)
    .bind(now.timestamp_micros())
    .fetch_one(readers)
    .await?;
    let oldest = [oldest, oldest_due].into_iter().flatten().min();
    let count = |n: i64| u64::try_from(n).unwrap_or(0);
    Ok((count(arrived + due - leased), count(leased), oldest.and_then(DateTime::from_timestamp_micros)))
}

/// Messages that wait in a tier, and when the oldest of them came in.
pub(crate) async fn tier_depth(
    readers: &SqlitePool,
    tier: Tier,
    now: DateTime<Utc>,
) -> Result<(u64, Option<DateTime<Utc>>), Error> {
    let (waiting, first): (i64, Option<i64>) =
        sqlx::query_as("SELECT count(*), min(due_at) FROM queue_message WHERE tier = ? AND due_at > ?")
            .bind(tier.as_str())
            .bind(now.timestamp_micros())
            .fetch_one(readers)
            .await?;
    // All of a tier wait equally long.
    let oldest = first.and_then(DateTime::from_timestamp_micros).map(|due| due - tier.duration());
    Ok((u64::try_from(waiting).unwrap_or(0), oldest))
}

/// Ids as a JSON list, which one prepared statement takes whatever its length.
fn id_list(ids: &[i64]) -> String {
    let mut list = String::with_capacity(2 + ids.len() * 8);
    list.push('[');
    for (n, id) in ids.iter().enumerate() {
        let comma = if n == 0 { "" } else { "," };
        // Writing into a String does not fail.
        let _ = write!(list, "{comma}{id}");
    }
    list.push(']');
    list
}
