//! Letters and replays as their rows hold them.

use forebay_domain::dead_letter::replay::Progress;
use forebay_schemas::trail::Headers;
use forebay_store::dead_letters::{Death, Known};
use forebay_store::{DeadLetter, Error, Replay};
use sqlx::Row as _;
use sqlx::postgres::PgRow;

use crate::error::store_error;
use crate::rows::{narrow, read};

/// The columns of a letter in a list.
pub(super) const LISTED: &str = "l.id, l.status, l.message_id, l.source, l.subject, l.kind, l.queue, l.code, l.error, \
     l.fingerprint, l.attempts, l.deaths, l.replays, l.replay_id, l.first_seen, l.first_dead_at, l.dead_at, \
     l.closed_at, l.closed_by";

fn get<'r, T>(row: &'r PgRow, column: &'static str) -> Result<T, Error>
where
    T: sqlx::Decode<'r, sqlx::Postgres> + sqlx::Type<sqlx::Postgres>,
{
    row.try_get(column).map_err(store_error)
}

fn word<T: std::str::FromStr>(row: &PgRow, table: &'static str, column: &'static str) -> Result<T, Error>
where
    T::Err: std::fmt::Display,
{
    read(table, column, get::<&str>(row, column)?.parse())
}

fn number<T: TryFrom<i64>>(row: &PgRow, table: &'static str, column: &'static str) -> Result<T, Error> {
    narrow(table, column, get(row, column)?)
}

fn json<T: serde::de::DeserializeOwned>(
    row: &PgRow,
    table: &'static str,
    column: &'static str,
) -> Result<T, Error> {
    read(table, column, serde_json::from_str(get(row, column)?))
}

const LETTER: &str = "dead_letter";

pub(super) fn letter(row: &PgRow, whole: bool) -> Result<DeadLetter, Error> {
    Ok(DeadLetter {
        id: get(row, "id")?,
        status: word(row, LETTER, "status")?,
        message_id: get(row, "message_id")?,
        source: get(row, "source")?,
        subject: get(row, "subject")?,
        kind: get(row, "kind")?,
        queue: get(row, "queue")?,
        code: word(row, LETTER, "code")?,
        error: get(row, "error")?,
        fingerprint: get(row, "fingerprint")?,
        attempts: number(row, LETTER, "attempts")?,
        deaths: number(row, LETTER, "deaths")?,
        replays: number(row, LETTER, "replays")?,
        replay_id: get(row, "replay_id")?,
        first_seen: get(row, "first_seen")?,
        first_dead_at: get(row, "first_dead_at")?,
        dead_at: get(row, "dead_at")?,
        closed_at: get(row, "closed_at")?,
        closed_by: get(row, "closed_by")?,
        history: if whole { json(row, LETTER, "history")? } else { Vec::new() },
        headers: if whole { json(row, LETTER, "headers")? } else { Headers::new() },
        body: if whole { get(row, "body")? } else { Vec::new() },
    })
}

pub(super) fn known(row: &PgRow) -> Result<Known, Error> {
    let bytes = |column| {
        let bytes: Vec<u8> = get(row, column)?;
        read(LETTER, column, bytes.try_into().map_err(|_| "not 32 bytes"))
    };
    let replays = number(row, LETTER, "replays")?;
    Ok(Known {
        id: get(row, "id")?,
        key: bytes("key")?,
        queue: get(row, "queue")?,
        copy: bytes("copy")?,
        fingerprint: get(row, "fingerprint")?,
        status: word(row, LETTER, "status")?,
        replays,
        replay_id: get(row, "replay_id")?,
        deaths: number(row, LETTER, "deaths")?,
        death: Death {
            at: get(row, "dead_at")?,
            code: word(row, LETTER, "code")?,
            error: get(row, "error")?,
            attempts: number(row, LETTER, "attempts")?,
            replay: replays,
        },
        history: json(row, LETTER, "history")?,
    })
}

const REPLAY: &str = "replay";

pub(super) fn replay(row: &PgRow) -> Result<Replay, Error> {
    Ok(Replay {
        id: get(row, "id")?,
        filter: json(row, REPLAY, "filter")?,
        rate: number(row, REPLAY, "rate")?,
        progress: Progress {
            state: word(row, REPLAY, "state")?,
            stage: word(row, REPLAY, "stage")?,
            exhausted: get(row, "exhausted")?,
            published: number(row, REPLAY, "published")?,
            skipped: number(row, REPLAY, "skipped")?,
            done: number(row, REPLAY, "done")?,
            failed: number(row, REPLAY, "failed")?,
            recent: get(row, "recent")?,
        },
        total: get(row, "total")?,
        capped: get(row, "capped")?,
        actor: get(row, "actor")?,
        reason: get(row, "reason")?,
        created_at: get(row, "created_at")?,
        updated_at: get(row, "updated_at")?,
        due_at: get(row, "due_at")?,
    })
}

/// A count as a column holds it.
pub(super) fn count(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}
