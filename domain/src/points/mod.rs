//! Points in lots: each grant is one, with an end of its own, and who takes points takes them from lots.

mod ending;
mod purse;

pub use ending::{GOOD_FOR_DAYS_MAX, end_of_day_after, start_of_day};
pub use purse::{LotUse, Purse};

use chrono::{DateTime, TimeDelta, Utc};
use uuid::Uuid;

/// How long before their end a member is told of points, and how long points that are given back are good for at
/// least.
pub const NOTICE: TimeDelta = TimeDelta::days(7);
/// Most points that one transaction may move: far from where sums overflow.
pub const MOST: i64 = 1_000_000_000_000;

/// What is left of a grant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lot {
    /// Its id.
    pub id: Uuid,
    /// The transaction that granted it; none for what a member had before there were lots.
    pub txn_id: Option<Uuid>,
    /// How many points it had.
    pub granted: i64,
    /// How many are left.
    pub remaining: i64,
    /// It can be spent from then on.
    pub usable_from: DateTime<Utc>,
    /// It can't be spent from then on; none for never.
    pub expires_at: Option<DateTime<Utc>>,
}

impl Lot {
    /// It can be spent, whether or not the job that ends lots is late.
    #[must_use]
    pub fn is_usable(&self, now: DateTime<Utc>) -> bool {
        self.remaining > 0 && self.usable_from <= now && !self.has_ended(now)
    }

    /// Its end has come.
    #[must_use]
    pub fn has_ended(&self, now: DateTime<Utc>) -> bool {
        self.expires_at.is_some_and(|end| end <= now)
    }

    /// The next to end comes first, those without an end last; then the oldest.
    fn rank(&self) -> (bool, Option<DateTime<Utc>>, Uuid) {
        (self.expires_at.is_none(), self.expires_at, self.id)
    }
}
