//! The statements.

use std::fmt::Write as _;

use bytes::Bytes;
use chrono::{DateTime, Utc};
use forebay_queue::{Message, Outgoing};
use forebay_schemas::Route;
use forebay_schemas::trail::Headers;
use forebay_sqlite::Error;
use sqlx::{AssertSqlSafe, SqliteConnection, SqlitePool};

use crate::account::Load;

/// Most rows of one insert, a power of two. Inserts come in powers of two only, so that few statements are prepared.
const INSERT_ROWS: usize = 64;
/// What a row takes besides its texts and its body, roughly.
const ROW_BYTES: usize = 128;
/// What is written to try the disk.
const PROBE_BYTES: i64 = 16 * 1024;

/// A message that is to be written.
#[derive(Debug)]
pub(crate) struct Row {
    route: String,
    message: Message,
    headers: String,
    bytes: i64,
}

impl Row {
    pub(crate) fn of(outgoing: Outgoing) -> Self {
        let Outgoing { route, message } = outgoing;
        let route = route.to_text();
        // A map of texts always has a JSON text.
        let headers = serde_json::to_string(&message.headers).unwrap_or_else(|_| "{}".to_owned());
        let texts = route.len() + message.id.len() + message.kind.len() + headers.len();
        let bytes = i64::try_from(ROW_BYTES + texts + message.body.len()).unwrap_or(i64::MAX);
        Self { route, message, headers, bytes }
    }

    pub(crate) fn load(rows: &[Self]) -> Load {
        let bytes = rows.iter().map(|row| u64::try_from(row.bytes).unwrap_or(0)).sum();
        Load { events: rows.len() as u64, bytes }
    }
}

/// A message as it was read back.
#[derive(Debug)]
pub(crate) struct Stored {
    pub(crate) id: i64,
    pub(crate) bytes: u64,
    /// As it was written: a newer release may have had a route that this one can't read.
    pub(crate) route: String,
    pub(crate) message: Message,
}

impl Stored {
    pub(crate) fn route(&self) -> Option<Route> {
        Route::from_text(&self.route).ok()
    }
}

/// Writes messages, in their order.
pub(crate) async fn insert(
    conn: &mut SqliteConnection,
    rows: &[Row],
    now: DateTime<Utc>,
) -> Result<(), Error> {
    let mut rest = rows;
    while !rest.is_empty() {
        let count = INSERT_ROWS.min(1 << rest.len().ilog2());
        let (these, later) = rest.split_at(count);
        rest = later;
        let mut query = sqlx::query(AssertSqlSafe(insert_sql(count)));
        for row in these {
            query = query
                .bind(row.bytes)
                .bind(now.timestamp_micros())
                .bind(row.route.as_str())
                .bind(row.message.id.as_str())
                .bind(row.message.kind.as_str())
                .bind(row.message.timestamp.map(|at| at.timestamp()))
                .bind(row.headers.as_str())
                .bind(row.message.body.as_ref());
        }
        query.execute(&mut *conn).await?;
    }
    Ok(())
}

fn insert_sql(rows: usize) -> String {
    let mut sql = String::from(
        "INSERT INTO spooled_message (bytes, spooled_at, route, message_id, kind, timestamp, headers, body) VALUES ",
    );
    for row in 0..rows {
        sql.push_str(if row == 0 { "(?,?,?,?,?,?,?,?)" } else { ",(?,?,?,?,?,?,?,?)" });
    }
    sql
}

/// Reads the next messages behind `after` whose routes are not among `held`, in their order: at most `most`, and no
/// more than about `most_bytes`, but always one.
pub(crate) async fn next(
    readers: &SqlitePool,
    after: i64,
    held: &[String],
    most: u32,
    most_bytes: u64,
) -> Result<Vec<Stored>, Error> {
    let held = serde_json::to_string(held).unwrap_or_else(|_| "[]".to_owned());
    let sizes: Vec<(i64, i64)> = sqlx::query_as(
        "SELECT id, bytes FROM spooled_message
         WHERE id > ? AND unfit IS NULL AND route NOT IN (SELECT value FROM json_each(?)) ORDER BY id LIMIT ?",
    )
    .bind(after)
    .bind(held)
    .bind(most)
    .fetch_all(readers)
    .await?;
    let mut total = 0;
    let fits = |(n, (_, bytes)): &(usize, &(i64, i64))| {
        total += u64::try_from(*bytes).unwrap_or(0);
        *n == 0 || total <= most_bytes
    };
    let ids: Vec<i64> = sizes.iter().enumerate().take_while(fits).map(|(_, (id, _))| *id).collect();
    read(readers, &ids).await
}

async fn read(readers: &SqlitePool, ids: &[i64]) -> Result<Vec<Stored>, Error> {
    type Columns = (i64, i64, String, String, String, Option<i64>, String, Vec<u8>);
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    let rows: Vec<Columns> = sqlx::query_as(
        "SELECT id, bytes, route, message_id, kind, timestamp, headers, body
         FROM spooled_message WHERE id IN (SELECT value FROM json_each(?)) ORDER BY id",
    )
    .bind(id_list(ids))
    .fetch_all(readers)
    .await?;
    let stored = |(id, bytes, route, message_id, kind, timestamp, headers, body): Columns| Stored {
        id,
        bytes: u64::try_from(bytes).unwrap_or(0),
        route,
        message: Message {
            id: message_id,
            kind,
            timestamp: timestamp.and_then(|seconds| DateTime::from_timestamp(seconds, 0)),
            headers: serde_json::from_str::<Headers>(&headers).unwrap_or_default(),
            body: Bytes::from(body),
        },
    };
    Ok(rows.into_iter().map(stored).collect())
}

/// Removes messages for good.
pub(crate) async fn remove(conn: &mut SqliteConnection, ids: &[i64]) -> Result<(), Error> {
    sqlx::query("DELETE FROM spooled_message WHERE id IN (SELECT value FROM json_each(?))")
        .bind(id_list(ids))
        .execute(conn)
        .await?;
    Ok(())
}

/// Sets a message aside: it stays in the file and is not tried again before the next start.
pub(crate) async fn set_aside(conn: &mut SqliteConnection, id: i64, why: &str) -> Result<(), Error> {
    sqlx::query("UPDATE spooled_message SET unfit = ? WHERE id = ?").bind(why).bind(id).execute(conn).await?;
    Ok(())
}

/// Gives what was set aside another try.
pub(crate) async fn take_back(conn: &mut SqliteConnection) -> Result<(), Error> {
    sqlx::query("UPDATE spooled_message SET unfit = NULL WHERE unfit IS NOT NULL").execute(conn).await?;
    Ok(())
}

/// What the file holds.
pub(crate) async fn load(readers: &SqlitePool) -> Result<Load, Error> {
    // Through the index that covers it, not through the bodies.
    let (events, bytes): (i64, i64) =
        sqlx::query_as("SELECT count(*), coalesce(sum(bytes), 0) FROM spooled_message")
            .fetch_one(readers)
            .await?;
    Ok(Load { events: u64::try_from(events).unwrap_or(0), bytes: u64::try_from(bytes).unwrap_or(0) })
}

/// When the oldest message behind `after` that can be published came in.
pub(crate) async fn oldest(readers: &SqlitePool, after: i64) -> Result<Option<DateTime<Utc>>, Error> {
    let at: Option<i64> = sqlx::query_scalar(
        "SELECT spooled_at FROM spooled_message WHERE id > ? AND unfit IS NULL ORDER BY id LIMIT 1",
    )
    .bind(after)
    .fetch_optional(readers)
    .await?;
    Ok(at.and_then(DateTime::from_timestamp_micros))
}

/// Writes as much as a few events take, to find out whether it can be done. Not the same each time, which SQLite would
/// not write.
pub(crate) async fn probe(conn: &mut SqliteConnection) -> Result<(), Error> {
    sqlx::query("INSERT OR REPLACE INTO spool_probe (one, anything) VALUES (1, randomblob(?))")
        .bind(PROBE_BYTES)
        .execute(conn)
        .await?;
    Ok(())
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
