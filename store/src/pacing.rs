//! Permits for calls to the outside, shared by every worker.

use std::time::Duration;

use async_trait::async_trait;
use forebay_domain::daily::Purpose;
use forebay_domain::limits::{LiveLimits, Terms};
use forebay_domain::pacing::Grant;
use uuid::Uuid;

use crate::error::Error;

/// A gate that is closed: nobody calls.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Closed {
    /// For how long still.
    pub left: Duration,
    /// Why, in words.
    pub reason: String,
}

/// A wish for permits.
#[derive(Debug, Clone, Copy)]
pub struct Wish<'a> {
    /// The system, e.g. `carrier/sweettracker`.
    pub key: &'a str,
    /// What it bears, with the limits of `version`.
    pub terms: &'a Terms,
    /// The limits that people set and that the caller knows; 0 when it knows of none.
    pub version: i64,
    /// At most so many.
    pub want: u32,
    /// For whom.
    pub purpose: Purpose,
    /// Of which process's calls under way it is, where they are bounded over the fleet.
    pub places: Option<Places>,
}

/// The calls that a process has under way at a system, and how many there may be at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Places {
    /// The process.
    pub holder: Uuid,
    /// So many calls it has under way or was granted, as it knows; what it held and does not name any more is free.
    pub held: u32,
    /// So many there may be of all processes.
    pub most: u32,
    /// When a process does not ask again within this time, its calls are over, whatever became of it.
    pub lease: Duration,
}

impl Wish<'_> {
    /// Why nothing is granted when the day's count has come to what is granted for the purpose.
    #[must_use]
    pub fn day_full(&self) -> &'static str {
        let all = self.terms.most_for(Purpose::Person);
        if self.terms.most_for(self.purpose) < all { DAY_KEPT } else { DAY_USED_UP }
    }
}

/// The answer to a wish for permits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Permits {
    /// Calls may be made as the grant says; times run from the answer.
    Granted(Grant),
    /// As many calls are under way as there may be. Those of the asking process make room first when they end.
    Full,
    /// One call may be made, at once: the only one of the whole fleet. Its end decides whether the system is back.
    Probe,
    /// The gate is closed, the breaker open, or the budget of the day used up.
    Closed(Closed),
    /// People have set other limits; ask again with these.
    Changed {
        /// Their version.
        version: i64,
        /// The limits.
        live: LiveLimits,
    },
}

/// Why a gate is closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Closing {
    /// The system says that it is called too often: a rate that is found out is halved.
    TooFast,
    /// For another reason.
    Other,
}

/// Why nothing is granted to anybody.
pub const DAY_USED_UP: &str = "the budget of the day is used up";
/// Why nothing is granted to what is only planned.
const DAY_KEPT: &str = "what is left of the day is kept for people's requests";

/// Pacing over the fleet. All times are the store's own clock's, so that workers' clocks do not matter.
#[async_trait]
pub trait Pacing {
    /// Asks for calls under a key: one statement on the key's row, which is created when missing. It applies the
    /// gate, the breaker, the budget of the day and `domain::pacing::Rhythm::grant`, in this order, and charges what
    /// it grants; and grants no more than there is room for (`domain::places`). A wish for 0 only tells what is held.
    async fn permits(&self, wish: &Wish<'_>) -> Result<Permits, Error>;

    /// Takes `calls` off what the day of `key` has used: they were granted at most `ago` before now, and not made. Not
    /// when the day began later than that, since they were another day's.
    async fn give_back_calls(&self, key: &str, calls: u32, ago: Duration) -> Result<(), Error>;

    /// Closes the gate of `key` for everybody, for at least this long from now; a longer closing stays. Afterwards
    /// the rate comes back step by step.
    async fn close_gate(
        &self,
        key: &str,
        length: Duration,
        reason: &str,
        closing: Closing,
    ) -> Result<(), Error>;

    /// The gate of `key`, if it is closed.
    async fn gate(&self, key: &str) -> Result<Option<Closed>, Error>;
}
