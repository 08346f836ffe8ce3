//! Letters that need no effect, and letters of whose replay nothing was heard.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use forebay_store::dead_letters::Status;
use forebay_store::{By, DeadLetterFilter};
use sqlx::{PgConnection, QueryBuilder};
use uuid::Uuid;

use super::changes::{self, Groups};
use super::search::{Order, Search};
use crate::error::Stop;
use crate::rows::page;
use crate::{PostgresStore, audit_log};

impl PostgresStore {
    pub(super) async fn discard_once(
        &self,
        conn: &mut PgConnection,
        filter: &DeadLetterFilter,
        limit: u32,
        by: &By,
        now: DateTime<Utc>,
    ) -> Result<u32, Stop> {
        let filter = filter.only_open();
        let mut query = QueryBuilder::new("with found as (");
        Search::new(&filter, Order::Oldest, limit).push(&mut query);
        query.push(
            "), held as materialized (
                 select l.id from found f join dead_letter l on l.id = f.id where l.status = 'open'
                 order by l.dead_at, l.id for update of l
             )
             update dead_letter l set status = 'discarded', closed_at = ",
        );
        query.push_bind(now).push(", closed_by = ").push_bind(by.id);
        query.push(" from held where l.id = held.id returning l.fingerprint");
        let discarded: Vec<String> = query.build_query_scalar().fetch_all(&mut *conn).await?;
        let mut groups = Groups::new();
        for fingerprint in &discarded {
            groups.entry(fingerprint.clone()).or_default().step(Some(Status::Open), Status::Discarded);
        }
        self.change_groups(conn, &groups, now).await?;
        let entry = filter.discarded(discarded.len(), by, now);
        audit_log::note(conn, &entry).await?;
        Ok(u32::try_from(discarded.len()).unwrap_or(u32::MAX))
    }

    pub(super) async fn give_back_once(
        &self,
        conn: &mut PgConnection,
        before: DateTime<Utc>,
        limit: u32,
        now: DateTime<Utc>,
    ) -> Result<u32, Stop> {
        let late: Vec<(Uuid, Option<Uuid>)> = sqlx::query_as(
            "select id, replay_id from dead_letter where status = 'replaying' and replayed_at < $1
             order by replayed_at limit $2",
        )
        .bind(before)
        .bind(page(limit))
        .fetch_all(&mut *conn)
        .await?;
        if late.is_empty() {
            return Ok(0);
        }
        let replays: Vec<Uuid> = late.iter().filter_map(|(_, replay)| *replay).collect();
        changes::lock_replays(conn, &replays).await?;
        let given: Vec<(String, Option<Uuid>)> = sqlx::query_as(
            "update dead_letter set status = 'open'
             where id = any($1) and status = 'replaying' and replayed_at < $2
             returning fingerprint, replay_id",
        )
        .bind(late.iter().map(|(id, _)| *id).collect::<Vec<_>>())
        .bind(before)
        .fetch_all(&mut *conn)
        .await?;
        let mut groups = Groups::new();
        let mut outcomes: BTreeMap<Uuid, (u64, u64)> = BTreeMap::new();
        for (fingerprint, replay) in &given {
            groups.entry(fingerprint.clone()).or_default().step(Some(Status::Replaying), Status::Open);
            if let Some(replay) = replay {
                outcomes.entry(*replay).or_default().1 += 1;
            }
        }
        self.change_groups(conn, &groups, now).await?;
        changes::count_outcomes(conn, outcomes, now).await?;
        Ok(u32::try_from(given.len()).unwrap_or(u32::MAX))
    }
}
