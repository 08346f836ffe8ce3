//! What follows from a change of letters: the counts of their groups, the outcomes of their replays, incidents.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use forebay_store::Replay;
use forebay_store::dead_letters::{GroupChange, incident_of};
use sqlx::SqliteConnection;
use uuid::Uuid;

use super::rows;
use crate::error::Fault;
use crate::incidents;
use crate::rows::{Reading, micros};
use crate::store::Tools;

/// Changes of groups by fingerprint.
pub(super) type Groups = BTreeMap<String, GroupChange>;

/// Applies changes of groups, and resolves the incidents of those of which no letter is left to see to.
pub(super) async fn change_groups(
    conn: &mut SqliteConnection,
    groups: &Groups,
    now: DateTime<Utc>,
    tools: &Tools,
) -> Result<(), Fault> {
    let mut quiet = Vec::new();
    for (fingerprint, change) in groups {
        if apply(conn, fingerprint, change, now).await? {
            quiet.push(incident_of(fingerprint));
        }
    }
    if quiet.is_empty() {
        return Ok(());
    }
    incidents::resolve(conn, &quiet, now, tools).await
}

/// `true` when the group is left without an open letter.
async fn apply(
    conn: &mut SqliteConnection,
    fingerprint: &str,
    change: &GroupChange,
    now: DateTime<Utc>,
) -> Result<bool, Fault> {
    let [open, replaying, resolved, discarded] = change.delta;
    let there = sqlx::query(
        "update dead_letter_group
         set open = open + ?2, replaying = replaying + ?3, resolved = resolved + ?4, discarded = discarded + ?5,
             sample_error = coalesce(?6, sample_error),
             last_at = case when ?6 is null then last_at else max(last_at, ?7) end
         where fingerprint = ?1 returning open + replaying = 0 as quiet",
    )
    .bind(fingerprint)
    .bind(open)
    .bind(replaying)
    .bind(resolved)
    .bind(discarded)
    .bind(change.died.as_ref().map(|said| &said.sample_error))
    .bind(micros(now))
    .fetch_optional(&mut *conn)
    .await?;
    if let Some(row) = there {
        return Reading::of("dead_letter_group", &row).get("quiet");
    }
    // A group without a row has no letters, so that only a death brings it up.
    let Some(said) = &change.died else { return Ok(false) };
    sqlx::query(
        "insert into dead_letter_group (fingerprint, code, queue, kind, sample_error, masked, open, replaying,
                                        resolved, discarded, first_at, last_at)
         values (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?11)",
    )
    .bind(fingerprint)
    .bind(said.code.as_str())
    .bind(&said.queue)
    .bind(&said.kind)
    .bind(&said.sample_error)
    .bind(&said.masked)
    .bind(open)
    .bind(replaying)
    .bind(resolved)
    .bind(discarded)
    .bind(micros(now))
    .execute(conn)
    .await?;
    Ok(false)
}

/// Reads a replay.
pub(super) async fn replay(conn: &mut SqliteConnection, id: Uuid) -> Result<Option<Replay>, Fault> {
    let row = sqlx::query("select * from replay where id = ?").bind(id).fetch_optional(conn).await?;
    row.as_ref().map(rows::replay).transpose()
}

/// Counts outcomes: (done, failed) by replay.
pub(super) async fn count_outcomes(
    conn: &mut SqliteConnection,
    outcomes: BTreeMap<Uuid, (u64, u64)>,
    now: DateTime<Utc>,
) -> Result<(), Fault> {
    for (id, (done, failed)) in outcomes {
        if let Some(mut replay) = replay(conn, id).await? {
            replay.progress.outcomes(done, failed);
            write_replay(conn, &replay, now).await?;
        }
    }
    Ok(())
}

/// Writes how far a replay has come.
pub(super) async fn write_replay(
    conn: &mut SqliteConnection,
    replay: &Replay,
    now: DateTime<Utc>,
) -> Result<(), Fault> {
    let progress = &replay.progress;
    sqlx::query(
        "update replay set state = ?2, stage = ?3, exhausted = ?4, published = ?5, skipped = ?6, done = ?7,
             failed = ?8, recent = ?9, updated_at = ?10, due_at = ?11
         where id = ?1",
    )
    .bind(replay.id)
    .bind(progress.state.as_str())
    .bind(progress.stage.as_str())
    .bind(progress.exhausted)
    .bind(rows::count(progress.published))
    .bind(rows::count(progress.skipped))
    .bind(rows::count(progress.done))
    .bind(rows::count(progress.failed))
    .bind(&progress.recent)
    .bind(micros(now))
    .bind(micros(replay.due_at))
    .execute(conn)
    .await?;
    Ok(())
}
