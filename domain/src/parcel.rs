//! Parcels: what a carrier said, and what that makes of a parcel.
//!
//! The outcome of a look-up and the status of a parcel are kept apart: "not yet known" says nothing about where a
//! parcel is.

use std::collections::BTreeSet;
use std::time::Duration;

use chrono::{DateTime, NaiveDate, NaiveDateTime, Utc};
use forebay_schemas::events::ParcelStatus;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::due::{Course, Due, Stopped};

/// When something happened, as sure as the carrier says it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "kind", content = "at", rename_all = "snake_case")]
pub enum EventTime {
    /// An instant: the carrier gave UTC, an offset, or a zone that is implied.
    Exact(DateTime<Utc>),
    /// A local time without a zone: orders events of one carrier, no more.
    Local(NaiveDateTime),
    /// A day.
    Date(NaiveDate),
    /// Not said.
    Missing,
}

impl EventTime {
    /// The instant, when there is one.
    #[must_use]
    pub fn exact(self) -> Option<DateTime<Utc>> {
        match self {
            Self::Exact(at) => Some(at),
            _ => None,
        }
    }

    fn minute(self) -> String {
        match self {
            Self::Exact(at) => at.format("%Y-%m-%dT%H:%MZ").to_string(),
            Self::Local(at) => at.format("%Y-%m-%dT%H:%M").to_string(),
            Self::Date(day) => day.to_string(),
            Self::Missing => String::new(),
        }
    }
}

/// One thing that happened to a parcel.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Checkpoint {
    /// When.
    pub at: EventTime,
    /// What state it means.
    pub status: ParcelStatus,
    /// The carrier's own code for it.
    pub raw_code: Option<String>,
    /// The carrier's words, without people's names and numbers; at most 200 characters.
    pub text: Option<String>,
    /// Where; at most 100 characters.
    pub place: Option<String>,
}

impl Checkpoint {
    /// What makes it the same checkpoint when it is told again: minute, code and place (and the words, when there
    /// is no code). A rewording is the same checkpoint. The first 32 hexadecimal digits of a SHA-256.
    #[must_use]
    pub fn key(&self) -> String {
        let words = if self.raw_code.is_none() { self.text.as_deref().unwrap_or("") } else { "" };
        let text = format!(
            "{}\n{}\n{}\n{}",
            self.at.minute(),
            self.raw_code.as_deref().unwrap_or(""),
            self.place.as_deref().unwrap_or(""),
            words.split_whitespace().collect::<Vec<_>>().join(" ")
        );
        Sha256::digest(text.as_bytes()).iter().take(16).map(|b| format!("{b:02x}")).collect()
    }
}

/// What a carrier said of one parcel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Lookup {
    /// It knows the parcel.
    Found(Snapshot),
    /// It does not know the number yet, or never will: it can't be told.
    NotYetKnown,
    /// It says that the number is not one of its own.
    InvalidNumber,
    /// It was asked and did not say.
    NotTold,
}

/// A parcel as its carrier sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Snapshot {
    /// The carrier's overall status, when it gives one.
    pub status: Option<ParcelStatus>,
    /// What happened, oldest first, each once.
    pub checkpoints: Vec<Checkpoint>,
    /// When the carrier expects to hand it over, if it says so.
    pub eta: Option<DateTime<Utc>>,
}

/// A parcel as the store keeps it, as far as a look-up changes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Progress {
    /// Where it is.
    pub status: ParcelStatus,
    /// When it entered that state, if the carrier was exact.
    pub status_at: Option<DateTime<Utc>>,
    /// When it was picked up.
    pub picked_up_at: Option<DateTime<Utc>>,
    /// When the carrier last said something new, or when the parcel was registered.
    pub news_at: DateTime<Utc>,
    /// The states that it has been in.
    pub entered: BTreeSet<ParcelStatus>,
    /// When the carrier expects to hand it over, as it last said.
    pub eta: Option<DateTime<Utc>>,
}

/// What a look-up makes of a parcel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Advance {
    /// The parcel afterwards.
    pub progress: Progress,
    /// Checkpoints that are new.
    pub fresh: Vec<Checkpoint>,
    /// The state that it entered for the first time, if it did.
    pub entered: Option<ParcelStatus>,
    /// It was picked up, and was not before.
    pub picked_up: bool,
    /// When to ask again, or why never.
    pub next_check: Result<Due, Stopped>,
}

/// Whose progress it is, as far as the time of the next look depends on it.
#[derive(Debug, Clone, Copy)]
pub struct Followed<'f> {
    /// Its number.
    pub number: &'f str,
    /// How often it was asked about.
    pub checks: u64,
    /// Its carrier tells us of it by itself.
    pub pushed: bool,
}

impl Progress {
    /// A parcel that was just registered.
    #[must_use]
    pub fn registered(now: DateTime<Utc>) -> Self {
        Self {
            status: ParcelStatus::Unknown,
            status_at: None,
            picked_up_at: None,
            news_at: now,
            entered: BTreeSet::new(),
            eta: None,
        }
    }

    /// Merges what a carrier said. `known` are the keys of the checkpoints that are stored. A final state never
    /// moves back; delivered may still become returning or returned.
    #[must_use]
    pub fn advance(
        &self,
        followed: &Followed<'_>,
        lookup: &Lookup,
        known: &BTreeSet<String>,
        now: DateTime<Utc>,
    ) -> Advance {
        let mut progress = self.clone();
        let mut fresh = Vec::new();
        let mut picked_up = false;
        let mut entered = None;
        if let Lookup::Found(snapshot) = lookup {
            progress.eta = snapshot.eta.or(progress.eta);
            let mut seen = known.clone();
            fresh = snapshot.checkpoints.iter().filter(|c| seen.insert(c.key())).cloned().collect();
            let said = snapshot.status.unwrap_or_else(|| latest(&snapshot.checkpoints));
            if allowed(self.status, said) && said != self.status {
                progress.status = said;
                progress.status_at = time_of(&snapshot.checkpoints, said);
                entered = progress.entered.insert(said).then_some(said);
            }
            if !fresh.is_empty() || entered.is_some() {
                progress.news_at = now;
            }
            if self.picked_up_at.is_none() && progress.status.implies_picked_up() {
                picked_up = true;
                progress.picked_up_at = Some(picked_up_at(&snapshot.checkpoints).unwrap_or(now));
            }
        }
        let quiet = (now - progress.news_at).to_std().unwrap_or(Duration::ZERO);
        let next_check = match lookup {
            Lookup::InvalidNumber if !progress.status.is_final() => Err(Stopped::Refused),
            _ => {
                let Followed { number, checks, pushed } = *followed;
                let (status, since_news, eta) = (progress.status, quiet, progress.eta);
                Course { number, checks, status, since_news, eta, pushed }.next(now)
            }
        };
        Advance { progress, fresh, entered, picked_up, next_check }
    }
}

fn allowed(from: ParcelStatus, to: ParcelStatus) -> bool {
    match from {
        ParcelStatus::Delivered => matches!(to, ParcelStatus::Returning | ParcelStatus::Returned),
        s if s.is_final() => false,
        _ => to != ParcelStatus::Unknown,
    }
}

fn latest(checkpoints: &[Checkpoint]) -> ParcelStatus {
    checkpoints
        .iter()
        .rev()
        .map(|c| c.status)
        .find(|s| *s != ParcelStatus::Unknown)
        .unwrap_or(ParcelStatus::Unknown)
}

fn time_of(checkpoints: &[Checkpoint], status: ParcelStatus) -> Option<DateTime<Utc>> {
    checkpoints.iter().find(|c| c.status == status).and_then(|c| c.at.exact())
}

fn picked_up_at(checkpoints: &[Checkpoint]) -> Option<DateTime<Utc>> {
    let exact = |picked: fn(ParcelStatus) -> bool| {
        checkpoints.iter().filter(move |c| picked(c.status)).find_map(|c| c.at.exact())
    };
    exact(|s| s == ParcelStatus::PickedUp).or_else(|| exact(ParcelStatus::implies_picked_up))
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: Followed<'static> = Followed { number: "1", checks: 0, pushed: false };

    fn now() -> DateTime<Utc> {
        DateTime::from_timestamp(1_700_000_000, 0).unwrap()
    }

    fn checkpoint(minutes: i64, status: ParcelStatus) -> Checkpoint {
        Checkpoint {
            at: EventTime::Exact(now() + chrono::Duration::minutes(minutes)),
            status,
            raw_code: Some(status.as_str().to_owned()),
            text: None,
            place: None,
        }
    }

    fn found(status: ParcelStatus, checkpoints: Vec<Checkpoint>) -> Lookup {
        Lookup::Found(Snapshot { status: Some(status), checkpoints, eta: None })
    }

    #[test]
    fn a_final_state_never_moves_back_but_delivered_may_turn_out_returned() {
        for from in ParcelStatus::ALL.iter().copied().filter(|s| s.is_final()) {
            for to in ParcelStatus::ALL.iter().copied() {
                let before = Progress { status: from, ..Progress::registered(now()) };
                let after = before.advance(&ONE, &found(to, vec![]), &BTreeSet::new(), now()).progress.status;
                let turned = from == ParcelStatus::Delivered
                    && matches!(to, ParcelStatus::Returning | ParcelStatus::Returned);
                assert_eq!(after, if turned { to } else { from }, "{from:?} to {to:?}");
            }
        }
    }

    #[test]
    fn a_repeated_answer_brings_nothing_new() {
        let lookup = found(
            ParcelStatus::InTransit,
            vec![checkpoint(0, ParcelStatus::PickedUp), checkpoint(5, ParcelStatus::InTransit)],
        );
        let first = Progress::registered(now()).advance(&ONE, &lookup, &BTreeSet::new(), now());
        assert!(first.picked_up && first.fresh.len() == 2);
        assert_eq!(first.progress.picked_up_at, Some(now()));
        let known = first.fresh.iter().map(Checkpoint::key).collect();
        let second = first.progress.advance(&ONE, &lookup, &known, now());
        assert_eq!((second.fresh.len(), second.entered, second.picked_up), (0, None, false));
    }

    #[test]
    fn checkpoints_may_come_in_any_order_and_end_the_same() {
        let steps = [ParcelStatus::PickedUp, ParcelStatus::InTransit, ParcelStatus::Delivered];
        let all: Vec<Checkpoint> = (0i64..).zip(steps).map(|(i, s)| checkpoint(i, s)).collect();
        for last_first in [false, true] {
            let mut progress = Progress::registered(now());
            let mut known = BTreeSet::new();
            let mut order: Vec<usize> = vec![1, 2, 3];
            if last_first {
                order.reverse();
            }
            for upto in order {
                let lookup = found(steps[upto - 1], all[..upto].to_vec());
                let advance = progress.advance(&ONE, &lookup, &known, now());
                known.extend(advance.fresh.iter().map(Checkpoint::key));
                progress = advance.progress;
            }
            assert_eq!((progress.status, known.len()), (ParcelStatus::Delivered, 3));
        }
    }

    #[test]
    fn what_is_not_known_changes_no_status() {
        let advance =
            Progress::registered(now()).advance(&ONE, &Lookup::NotYetKnown, &BTreeSet::new(), now());
        assert_eq!(advance.progress.status, ParcelStatus::Unknown);
        assert!(advance.next_check.is_ok());
        let invalid =
            Progress::registered(now()).advance(&ONE, &Lookup::InvalidNumber, &BTreeSet::new(), now());
        assert_eq!(invalid.next_check, Err(Stopped::Refused));
    }

    #[test]
    fn a_look_that_told_nothing_changes_nothing_and_the_parcel_comes_again_in_its_turn() {
        let before = Progress { status: ParcelStatus::OutForDelivery, ..Progress::registered(now()) };
        let after = before.advance(&ONE, &Lookup::NotTold, &BTreeSet::new(), now());
        assert_eq!((&after.progress, after.fresh.len(), after.entered), (&before, 0, None));
        assert!(after.next_check.unwrap().at < now() + chrono::Duration::minutes(90));
    }
}
