//! Letters and replays as their rows hold them.

use forebay_domain::dead_letter::replay::Progress;
use forebay_schemas::trail::Headers;
use forebay_store::dead_letters::{Death, Known};
use forebay_store::{DeadLetter, Replay};
use sqlx::sqlite::SqliteRow;

use crate::error::Fault;
use crate::rows::{Reading, unreadable};

/// The columns of a letter in a list.
pub(super) const LISTED: &str = "l.id, l.status, l.message_id, l.source, l.subject, l.kind, l.queue, l.code, l.error, \
     l.fingerprint, l.attempts, l.deaths, l.replays, l.replay_id, l.first_seen, l.first_dead_at, l.dead_at, \
     l.closed_at, l.closed_by";

pub(super) fn letter(row: &SqliteRow, whole: bool) -> Result<DeadLetter, Fault> {
    let row = Reading::of("dead_letter", row);
    Ok(DeadLetter {
        id: row.get("id")?,
        status: row.parsed("status")?,
        message_id: row.get("message_id")?,
        source: row.get("source")?,
        subject: row.get("subject")?,
        kind: row.get("kind")?,
        queue: row.get("queue")?,
        code: row.parsed("code")?,
        error: row.get("error")?,
        fingerprint: row.get("fingerprint")?,
        attempts: row.narrow("attempts")?,
        deaths: row.narrow("deaths")?,
        replays: row.narrow("replays")?,
        replay_id: row.get("replay_id")?,
        first_seen: row.instant_if_any("first_seen")?,
        first_dead_at: row.instant("first_dead_at")?,
        dead_at: row.instant("dead_at")?,
        closed_at: row.instant_if_any("closed_at")?,
        closed_by: row.get("closed_by")?,
        history: if whole { row.json("history")? } else { Vec::new() },
        headers: if whole { row.json("headers")? } else { Headers::new() },
        body: if whole { row.get("body")? } else { Vec::new() },
    })
}

pub(super) fn known(row: &SqliteRow) -> Result<Known, Fault> {
    let row = Reading::of("dead_letter", row);
    let bytes = |column| -> Result<[u8; 32], Fault> {
        row.get::<&[u8]>(column)?.try_into().map_err(|error| unreadable("dead_letter", column, error))
    };
    let replays = row.narrow("replays")?;
    Ok(Known {
        id: row.get("id")?,
        key: bytes("key")?,
        queue: row.get("queue")?,
        copy: bytes("copy")?,
        fingerprint: row.get("fingerprint")?,
        status: row.parsed("status")?,
        replays,
        replay_id: row.get("replay_id")?,
        deaths: row.narrow("deaths")?,
        death: Death {
            at: row.instant("dead_at")?,
            code: row.parsed("code")?,
            error: row.get("error")?,
            attempts: row.narrow("attempts")?,
            replay: replays,
        },
        history: row.json("history")?,
    })
}

pub(super) fn replay(row: &SqliteRow) -> Result<Replay, Fault> {
    let row = Reading::of("replay", row);
    Ok(Replay {
        id: row.get("id")?,
        filter: row.json("filter")?,
        rate: row.narrow("rate")?,
        progress: Progress {
            state: row.parsed("state")?,
            stage: row.parsed("stage")?,
            exhausted: row.get("exhausted")?,
            published: row.narrow("published")?,
            skipped: row.narrow("skipped")?,
            done: row.narrow("done")?,
            failed: row.narrow("failed")?,
            recent: row.get("recent")?,
        },
        total: row.get("total")?,
        capped: row.get("capped")?,
        actor: row.get("actor")?,
        reason: row.get("reason")?,
        created_at: row.instant("created_at")?,
        updated_at: row.instant("updated_at")?,
        due_at: row.instant("due_at")?,
    })
}

/// A count as a column holds it.
pub(super) fn count(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}
