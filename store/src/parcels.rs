//! Parcels: planned, asked about, merged.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use forebay_domain::due::Stopped;
use forebay_domain::parcel::{Checkpoint, Lookup};
use forebay_domain::{Ids, NewOutbox};
use forebay_schemas::events::{CheckParcels, ParcelRef, ParcelStatus};
use forebay_schemas::{AdapterId, CarrierCode, Queue, Route, TrackingNumber};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::Handled;
use crate::audit_log::{AuditEntry, By};
use crate::error::Error;
use crate::inbox::Identity;

/// Most parcels in one check command.
const BATCH_MAX: u32 = 100;

/// The commands to check these parcels, each with the trace context of who registered it, so many at once. A command
/// goes on with the trace of its parcels if that is one; else it is linked to each of theirs.
#[must_use]
pub fn check_commands(
    adapter: &AdapterId,
    parcels: &[(ParcelRef, Option<String>)],
    batch: u32,
    now: DateTime<Utc>,
    ids: &dyn Ids,
) -> Vec<NewOutbox> {
    let command = |taken: &[(ParcelRef, Option<String>)]| {
        let parcels = taken.iter().map(|(parcel, _)| parcel.clone()).collect();
        let check = CheckParcels { adapter: adapter.clone(), parcels, for_person: false };
        let route = Route::Work(Queue::Tracking(adapter.clone()));
        let mut command = NewOutbox::command(ids.next().to_string(), route, now, &check);
        let causes: BTreeSet<Option<&String>> = taken.iter().map(|(_, cause)| cause.as_ref()).collect();
        if causes.len() == 1 {
            command.event.traceparent = causes.into_iter().flatten().next().cloned();
        } else {
            command.links = causes.into_iter().flatten().cloned().collect();
        }
        command
    };
    parcels.chunks(batch.clamp(1, BATCH_MAX) as usize).map(command).collect()
}

/// The answers to one check message.
#[derive(Debug, Clone)]
pub struct CheckDone {
    /// The message.
    pub identity: Identity,
    /// What the carrier said of each parcel.
    pub lookups: Vec<(Uuid, Lookup)>,
}

/// What one push of a carrier's system said.
#[derive(Debug, Clone)]
pub struct PushDone {
    /// The message.
    pub identity: Identity,
    /// What it said of parcels.
    pub told: Vec<(CarrierCode, TrackingNumber, Lookup)>,
    /// The parcels of which it said only that something changed.
    pub changed: Vec<(CarrierCode, TrackingNumber)>,
}

/// What became of a set of pushes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PushesApplied {
    /// Of each message.
    pub handled: Vec<Handled>,
    /// Of the parcels that the new ones named.
    pub tally: PushTally,
}

/// How many parcels pushes named, by what became of that.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct PushTally {
    /// Merged.
    pub merged: u64,
    /// Merged, and older than what was known: the parcel stays where it is.
    pub late: u64,
    /// To be asked about now.
    pub to_look_up: u64,
    /// Passed over: nobody asked us to follow them.
    pub not_followed: u64,
}

/// A checkpoint, for reading.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct CheckpointView {
    /// What happened.
    #[serde(flatten)]
    pub checkpoint: Checkpoint,
    /// When we learned of it.
    pub learned_at: DateTime<Utc>,
}

/// A parcel, for reading.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[expect(missing_docs, reason = "plain fields")]
pub struct ParcelView {
    pub parcel_id: Uuid,
    pub carrier: String,
    pub tracking_number: String,
    pub adapter: String,
    pub status: String,
    pub status_at: Option<DateTime<Utc>>,
    pub picked_up_at: Option<DateTime<Utc>>,
    pub next_check_at: Option<DateTime<Utc>>,
    /// Why it is not asked about any more: finished, never_used, silent, refused.
    pub stopped: Option<String>,
    /// When its carrier expects to hand it over, as it last said.
    pub eta: Option<DateTime<Utc>>,
    pub checks: i64,
    /// Oldest first as we learned of them, at most 200; in a list the last one alone.
    pub checkpoints: Vec<CheckpointView>,
}

/// Which parcels; an absent field is no condition.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ParcelFilter {
    /// Of this carrier.
    pub carrier: Option<CarrierCode>,
    /// Asked about at this carrier's system.
    pub adapter: Option<AdapterId>,
    /// In this state.
    pub status: Option<ParcelStatus>,
    /// Not asked about any more, for this reason.
    pub stopped: Option<Stopped>,
}

/// What became of a person's wish to have a parcel checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CheckAsked {
    /// No such parcel is followed.
    NotThere,
    /// Nothing more is to be expected of it.
    Finished,
    /// A check that a person asked for is on its way already.
    OnItsWay,
    /// The command is written.
    Written,
}

impl CheckAsked {
    /// What the audit log says of it; nothing when nothing was written. `stopped` is why it was not asked about any
    /// more before.
    #[must_use]
    pub fn told(
        self,
        parcel: (&CarrierCode, &TrackingNumber),
        stopped: Option<&str>,
        by: &By,
        now: DateTime<Utc>,
    ) -> Option<AuditEntry> {
        let (carrier, number) = parcel;
        (self == Self::Written).then(|| AuditEntry {
            subject: format!("{carrier}/{number}"),
            count: 1,
            before: serde_json::json!({ "stopped": stopped }),
            ..AuditEntry::of(by, "parcels.check", now)
        })
    }
}

/// Parcels.
#[async_trait]
pub trait Parcels {
    /// Takes up to `most` due parcels of a carrier's system that have no check outstanding, marks a check as
    /// outstanding for `lease`, and writes check commands of up to `batch` parcels each to the outbox (route
    /// `work:forebay.tracking.<adapter>`), first who can wait the shortest. Returns how many parcels were taken. One transaction;
    /// safe from several planners at once.
    async fn plan_checks(
        &self,
        adapter: &AdapterId,
        batch: u32,
        most: u32,
        lease: Duration,
        now: DateTime<Utc>,
    ) -> Result<u32, Error>;

    /// Which of these carriers' systems have parcels that are due and have no check outstanding: how many (counted up to
    /// the number that stands beside the system), and since when the first of those is.
    async fn checks_due(
        &self,
        systems: &[(AdapterId, u32)],
        now: DateTime<Utc>,
    ) -> Result<BTreeMap<AdapterId, (u32, DateTime<Utc>)>, Error>;

    /// How many checks of a carrier's system are outstanding.
    async fn checks_outstanding(&self, adapter: &AdapterId, now: DateTime<Utc>) -> Result<u32, Error>;

    /// Merges the answers of a set of check messages in one transaction, with their inbox rows: checkpoints, status,
    /// next due time (`domain::parcel::Progress::advance`), `parcel.status.changed` facts; an answer that is older than
    /// what was pushed meanwhile (`domain::lateness`) only adds its checkpoints, and a parcel of which something changed
    /// since its check was planned is due again at once; for a first pick-up the
    /// returns of the parcel become picked up, with the fact and the command to send the result. The parcel's
    /// outstanding mark is cleared. A parcel that is not there any more is passed over.
    async fn apply_checks(&self, checks: Vec<CheckDone>, now: DateTime<Utc>) -> Result<Vec<Handled>, Error>;

    /// Merges what carriers' systems pushed in one transaction, with the inbox rows, as [`Parcels::apply_checks`] does.
    /// What is older than what is known (`domain::lateness`) only adds its checkpoints. A parcel of which something only
    /// changed becomes due. A parcel that is pushed is asked about less (`domain::due`); a check that is outstanding
    /// stays so. A parcel that is not followed is passed over.
    async fn apply_pushes(&self, pushes: Vec<PushDone>, now: DateTime<Utc>) -> Result<PushesApplied, Error>;

    /// Of these parcels those that are followed and whose pushes, where a system has to be asked for them, end before
    /// `before` or were never asked for.
    async fn unsubscribed(&self, parcels: &[Uuid], before: DateTime<Utc>) -> Result<Vec<Uuid>, Error>;

    /// Notes until when the system of these parcels pushes what becomes of them.
    async fn subscribed(&self, parcels: &[Uuid], until: DateTime<Utc>) -> Result<(), Error>;

    /// Makes a parcel due at `now`, unless it is finished (a check that is outstanding stays so, and is followed by
    /// another one). Answers whether there is such a parcel. Here and wherever a parcel is named, its number may be
    /// spelt in any way.
    async fn check_now(
        &self,
        carrier: &CarrierCode,
        number: &TrackingNumber,
        now: DateTime<Utc>,
    ) -> Result<bool, Error>;

    /// Writes a check of one parcel to the outbox for a person who waits for it, and the audit entry; the parcel is
    /// asked about again if it was not any more. The check is outstanding for `lease`. One that goes by the plan may be
    /// outstanding beside it, since that one may have to wait for the plan's share of the day. One transaction.
    async fn ask_check(
        &self,
        carrier: &CarrierCode,
        number: &TrackingNumber,
        lease: Duration,
        by: &By,
        now: DateTime<Utc>,
    ) -> Result<CheckAsked, Error>;

    /// Parcels, those that were registered last first, after the one named; each with the last of its checkpoints.
    async fn list_parcels(
        &self,
        filter: &ParcelFilter,
        after: Option<Uuid>,
        limit: u32,
    ) -> Result<Vec<ParcelView>, Error>;

    /// One parcel with its checkpoints.
    async fn parcel(
        &self,
        carrier: &CarrierCode,
        number: &TrackingNumber,
    ) -> Result<Option<ParcelView>, Error>;
}

#[cfg(test)]
mod tests {
    use forebay_domain::RandomIds;

    use super::*;

    #[test]
    fn checks_go_on_with_the_trace_of_their_parcels_or_are_linked_to_each() {
        let parcel = |n: u128, cause: Option<&str>| {
            let parcel = ParcelRef {
                parcel_id: Uuid::from_u128(n),
                carrier: "cj".parse().unwrap(),
                tracking_number: "600000000001".parse().unwrap(),
            };
            (parcel, cause.map(str::to_owned))
        };
        let adapter = "sweettracker".parse().unwrap();
        let commands = |causes: &[Option<&str>]| {
            let parcels: Vec<_> = (0..).zip(causes).map(|(n, cause)| parcel(n, *cause)).collect();
            let commands = check_commands(&adapter, &parcels, 30, DateTime::UNIX_EPOCH, &RandomIds);
            let [command] = <[NewOutbox; 1]>::try_from(commands).unwrap();
            (command.event.traceparent, command.links)
        };
        let one = (Some("a".to_owned()), Vec::new());
        assert_eq!(commands(&[Some("a")]), one);
        assert_eq!(commands(&[Some("a"), Some("a")]), one);
        assert_eq!(commands(&[None, None]), (None, Vec::new()));
        assert_eq!(commands(&[Some("a"), None]), (None, vec!["a".to_owned()]));
        let both = vec!["a".to_owned(), "b".to_owned()];
        assert_eq!(commands(&[Some("b"), Some("a"), Some("b")]), (None, both));
    }
}
