//! What follows from a change of letters: the counts of their groups, the outcomes of their replays, incidents.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use forebay_store::dead_letters::{GroupChange, incident_of};
use forebay_store::{Error, Replay};
use sqlx::PgConnection;
use uuid::Uuid;

use super::rows;
use crate::error::Stop;
use crate::rows::storable;
use crate::{PostgresStore, incidents};

/// Counts of groups by fingerprint.
pub(super) type Groups = BTreeMap<String, GroupChange>;

impl PostgresStore {
    /// Applies changes of groups, and resolves the incidents of those of which no letter is left to see to.
    pub(super) async fn change_groups(
        &self,
        conn: &mut PgConnection,
        groups: &Groups,
        now: DateTime<Utc>,
    ) -> Result<(), Stop> {
        if groups.is_empty() {
            return Ok(());
        }
        let quiet = update(conn, groups, now).await?;
        let quiet: Vec<String> = quiet.iter().map(|group| incident_of(group)).collect();
        if !quiet.is_empty() {
            incidents::resolve(conn, &quiet, now, self).await?;
        }
        Ok(())
    }
}

/// Updates in one order for every process, inserts what is new, and answers the groups without an open letter.
async fn update(conn: &mut PgConnection, groups: &Groups, now: DateTime<Utc>) -> Result<Vec<String>, Stop> {
    let delta = |index: usize| groups.values().map(|g| g.delta[index]).collect::<Vec<i64>>();
    let sample = |g: &GroupChange| g.died.as_ref().map(|said| storable(&said.sample_error).into_owned());
    let there: Vec<(String, bool)> = sqlx::query_as(
        "with locked as materialized (
             select fingerprint from dead_letter_group where fingerprint = any($1) order by fingerprint for update
         )
         update dead_letter_group g
         set open = g.open + d.open, replaying = g.replaying + d.replaying, resolved = g.resolved + d.resolved,
             discarded = g.discarded + d.discarded, sample_error = coalesce(d.sample, g.sample_error),
             last_at = case when d.sample is null then g.last_at else greatest(g.last_at, $7) end
         from locked join unnest($1::text[], $2::int8[], $3::int8[], $4::int8[], $5::int8[], $6::text[])
              as d (fingerprint, open, replaying, resolved, discarded, sample) using (fingerprint)
         where g.fingerprint = locked.fingerprint
         returning g.fingerprint, g.open + g.replaying = 0",
    )
    .bind(groups.keys().map(String::as_str).collect::<Vec<_>>())
    .bind(delta(0))
    .bind(delta(1))
    .bind(delta(2))
    .bind(delta(3))
    .bind(groups.values().map(sample).collect::<Vec<_>>())
    .bind(now)
    .fetch_all(&mut *conn)
    .await?;
    let new: Vec<_> =
        groups.iter().filter(|(group, _)| !there.iter().any(|(there, _)| there == *group)).collect();
    for (fingerprint, change) in new {
        // A group without a row has no letters, so that only a death brings it up.
        let Some(said) = &change.died else { continue };
        sqlx::query(
            "insert into dead_letter_group (fingerprint, code, queue, kind, sample_error, masked, open, replaying,
                                            resolved, discarded, first_at, last_at)
             values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $11)",
        )
        .bind(fingerprint)
        .bind(said.code.as_str())
        .bind(storable(&said.queue))
        .bind(storable(&said.kind))
        .bind(storable(&said.sample_error))
        .bind(storable(&said.masked))
        .bind(change.delta[0])
        .bind(change.delta[1])
        .bind(change.delta[2])
        .bind(change.delta[3])
        .bind(now)
        .execute(&mut *conn)
        .await?;
    }
    Ok(there.into_iter().filter(|(_, quiet)| *quiet).map(|(group, _)| group).collect())
}

/// Locks replays, before any letter of theirs: whoever needs both takes them in this order.
pub(super) async fn lock_replays(
    conn: &mut PgConnection,
    ids: &[Uuid],
) -> Result<BTreeMap<Uuid, Replay>, Stop> {
    if ids.is_empty() {
        return Ok(BTreeMap::new());
    }
    let found = sqlx::query("select * from replay where id = any($1) order by id for update")
        .bind(ids)
        .fetch_all(conn)
        .await?;
    let replays = found.iter().map(|row| rows::replay(row).map(|replay| (replay.id, replay)));
    Ok(replays.collect::<Result<_, Error>>()?)
}

/// Counts outcomes: (done, failed) by replay.
pub(super) async fn count_outcomes(
    conn: &mut PgConnection,
    outcomes: BTreeMap<Uuid, (u64, u64)>,
    now: DateTime<Utc>,
) -> Result<(), Stop> {
    let ids: Vec<Uuid> = outcomes.keys().copied().collect();
    for (id, mut replay) in lock_replays(conn, &ids).await? {
        let (done, failed) = outcomes.get(&id).copied().unwrap_or_default();
        replay.progress.outcomes(done, failed);
        write_replay(conn, &replay, now).await?;
    }
    Ok(())
}

/// Writes how far a replay has come.
pub(super) async fn write_replay(
    conn: &mut PgConnection,
    replay: &Replay,
    now: DateTime<Utc>,
) -> Result<(), Stop> {
    let progress = &replay.progress;
    sqlx::query(
        "update replay set state = $2, stage = $3, exhausted = $4, published = $5, skipped = $6, done = $7,
             failed = $8, recent = $9, updated_at = $10, due_at = $11
         where id = $1",
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
    .bind(now)
    .bind(replay.due_at)
    .execute(conn)
    .await?;
    Ok(())
}
