//! Stock: what is left, the two crossings that people hear of, and what people change.

use chrono::{DateTime, Utc};
use forebay_schemas::RewardId;
use forebay_schemas::events::{StockChangeKind, StockChanged, StockLow, StockOut};

use crate::ids::Ids;
use crate::incident::{AlertRule, Raise, Severity};
use crate::outbox::NewOutbox;
use crate::programme::{Reward, StockPlan};

/// The stock of one reward, as the store holds it locked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stock {
    /// The reward.
    pub reward_id: RewardId,
    /// Its name, for people.
    pub name: String,
    /// All there ever was.
    pub total: i64,
    /// Held back.
    pub reserved: i64,
    /// Given out.
    pub issued: i64,
    /// At or below how many left people are told.
    pub low_at: i64,
    /// The low alert has not been given since the last crossing.
    pub low_armed: bool,
    /// The out alert has not been given since the last crossing.
    pub out_armed: bool,
    /// Grows with every change that people make, and with no claim.
    pub version: i64,
}

/// A threshold that was crossed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Crossing {
    /// Down to the low threshold.
    Low,
    /// Nothing left.
    Out,
}

/// A change other than by a claim.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Change {
    /// What it is.
    pub kind: StockChangeKind,
    /// What is added to all there ever was.
    pub total: i64,
    /// What is added to what was given out.
    pub issued: i64,
    /// Another threshold.
    pub low_at: Option<i64>,
}

/// What a change leads to. The store writes it in the transaction in which it read the stock.
#[derive(Debug)]
pub struct Changed {
    /// The stock afterwards.
    pub stock: Stock,
    /// Facts.
    pub outbox: Vec<NewOutbox>,
    /// What people have to know.
    pub raises: Vec<Raise>,
    /// Fingerprints of incidents that are over.
    pub resolves: Vec<String>,
}

/// The change would leave less than was given out and is held back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("less than what was given out and is held back")]
pub struct BelowCommitted;

impl Stock {
    /// The stock that a reward begins with; none when it never runs out.
    #[must_use]
    pub fn set_up(reward: &Reward) -> Option<Self> {
        let StockPlan { total, low_at } = reward.stock?;
        Some(Self {
            reward_id: reward.id.clone(),
            name: reward.name.clone(),
            total,
            reserved: 0,
            issued: 0,
            low_at,
            low_armed: true,
            out_armed: true,
            version: 0,
        })
    }

    /// What is left.
    #[must_use]
    pub fn remaining(&self) -> i64 {
        self.total - self.reserved - self.issued
    }

    /// One can be given out.
    #[must_use]
    pub fn has_one(&self) -> bool {
        self.reserved + self.issued < self.total
    }

    /// Gives out one, if one is left.
    #[must_use]
    pub fn issue(&mut self) -> bool {
        let given = self.has_one();
        self.issued += i64::from(given);
        given
    }

    /// The crossing that the stock has made since the last call, if any; each is told once until re-armed.
    pub fn crossing(&mut self) -> Option<Crossing> {
        let left = self.remaining();
        if left <= 0 && self.out_armed {
            self.out_armed = false;
            self.low_armed = false;
            return Some(Crossing::Out);
        }
        if left <= self.low_at && self.low_armed && left > 0 {
            self.low_armed = false;
            return Some(Crossing::Low);
        }
        None
    }

    /// The crossing that the stock has made, as a fact and an incident.
    pub fn told_crossing(&mut self, now: DateTime<Utc>, ids: &dyn Ids) -> Option<(NewOutbox, Raise)> {
        let id = || ids.next().to_string();
        let fact = match self.crossing()? {
            Crossing::Low => NewOutbox::fact(
                id(),
                now,
                &StockLow {
                    reward_id: self.reward_id.clone(),
                    remaining: self.remaining(),
                    total: self.total,
                    low_at: self.low_at,
                },
            ),
            Crossing::Out => {
                let fact = StockOut { reward_id: self.reward_id.clone(), total: self.total };
                NewOutbox::fact(id(), now, &fact)
            }
        };
        Some((fact, self.incident()))
    }

    /// Far enough above the threshold for its alerts to be over, and to be given again: a little more than it, so
    /// that a stock that goes up and down by one is not told of each time.
    #[must_use]
    pub fn is_well(&self) -> bool {
        let (left, low_at) = (i128::from(self.remaining()), i128::from(self.low_at));
        left > low_at + 1 && left * 5 > low_at * 6
    }

    /// What a change leads to.
    ///
    /// # Errors
    /// [`BelowCommitted`] when it would leave less than was given out and is held back.
    pub fn changed(
        mut self,
        change: Change,
        now: DateTime<Utc>,
        ids: &dyn Ids,
    ) -> Result<Changed, BelowCommitted> {
        self.total = self.total.checked_add(change.total).ok_or(BelowCommitted)?;
        self.issued += change.issued;
        self.low_at = change.low_at.unwrap_or(self.low_at);
        if self.issued < 0 || self.reserved + self.issued > self.total {
            return Err(BelowCommitted);
        }
        self.version += 1;
        let fact = StockChanged {
            reward_id: self.reward_id.clone(),
            kind: change.kind,
            delta: change.total - change.issued,
            remaining: self.remaining(),
            total: self.total,
            version: self.version,
        };
        let mut outbox = vec![NewOutbox::fact(ids.next().to_string(), now, &fact)];
        let (mut raises, mut resolves) = (Vec::new(), Vec::new());
        if self.is_well() {
            (self.low_armed, self.out_armed) = (true, true);
            resolves.push(fingerprint(&self.reward_id));
        } else if let Some((fact, raise)) = self.told_crossing(now, ids) {
            outbox.push(fact);
            raises.push(raise);
        }
        Ok(Changed { stock: self, outbox, raises, resolves })
    }

    /// The incident that tells of it while it is low or used up.
    #[must_use]
    pub fn incident(&self) -> Raise {
        let left = self.remaining();
        let out = left <= 0;
        let id = &self.reward_id;
        Raise {
            fingerprint: fingerprint(id),
            rule: if out { AlertRule::StockOut } else { AlertRule::StockLow },
            about: None,
            severity: if out { Severity::Critical } else { Severity::Warning },
            title: if out {
                format!("{}: out of stock", self.name)
            } else {
                format!("{}: {left} of {} left", self.name, self.total)
            },
            impact: if out {
                "Claims for it are refused as out_of_stock; check-ins count on, and members may claim after a restock."
                    .to_owned()
            } else {
                "Claims go on until the last one is given out; nothing is oversold.".to_owned()
            },
            action: format!("forebay stock adjust {id} --kind receive --by N --reason '…'"),
            sample: format!("{} of {} given out, told at {} left", self.issued, self.total, self.low_at),
            count: 1,
        }
    }
}

fn fingerprint(reward_id: &RewardId) -> String {
    format!("stock/{reward_id}")
}

/// The daily report of what is at or below its threshold; none when nothing is. `of` names whose stock it is.
#[must_use]
pub fn digest(fingerprint: String, of: &str, low: &[&Stock]) -> Option<Raise> {
    let first = low.first()?;
    let out = low.iter().filter(|stock| stock.remaining() <= 0).count();
    let line = |stock: &&Stock| format!("{} {} of {}", stock.reward_id, stock.remaining(), stock.total);
    let left = low.iter().map(line).collect::<Vec<_>>().join(", ");
    let what = if low.len() == 1 { "reward" } else { "rewards" };
    Some(Raise {
        fingerprint,
        rule: AlertRule::StockDigest,
        about: None,
        severity: Severity::Info,
        title: format!("{of}: {} {what} low on stock, {out} of them out", low.len()),
        impact: format!("Left: {left}."),
        action: format!(
            "forebay stock list --low\nforebay stock adjust {} --kind receive --by N --reason '…'",
            first.reward_id
        ),
        sample: String::new(),
        count: i64::try_from(low.len()).unwrap_or(i64::MAX),
    })
}

#[cfg(test)]
mod tests {
    use forebay_schemas::EventType;

    use super::*;
    use crate::ids::SeededIds;

    fn stock(total: i64, issued: i64, low_at: i64) -> Stock {
        Stock {
            reward_id: RewardId::new("mug").unwrap(),
            name: "A mug".into(),
            total,
            reserved: 0,
            issued,
            low_at,
            low_armed: true,
            out_armed: true,
            version: 0,
        }
    }

    fn receive(delta: i64) -> Change {
        Change { kind: StockChangeKind::Receive, total: delta, issued: 0, low_at: None }
    }

    fn changed(stock: Stock, change: Change) -> Result<Changed, BelowCommitted> {
        stock.changed(change, DateTime::from_timestamp(1_700_000_000, 0).unwrap(), &SeededIds::new(1))
    }

    #[test]
    fn a_stock_gives_out_no_more_than_it_has_and_tells_each_crossing_once() {
        let mut stock = Stock { reserved: 1, ..stock(5, 0, 2) };
        let mut told = Vec::new();
        let given = (0..10)
            .filter(|_| {
                let given = stock.issue();
                told.extend(stock.crossing());
                given
            })
            .count();
        assert_eq!((given, stock.remaining()), (4, 0));
        assert_eq!(told, [Crossing::Low, Crossing::Out]);
    }

    #[test]
    fn alerts_are_given_again_once_a_restock_lifts_the_stock_well_above_its_threshold() {
        let mut out = stock(50, 50, 10);
        assert_eq!(out.crossing(), Some(Crossing::Out));
        let few = changed(out, receive(12)).unwrap();
        assert_eq!((few.stock.low_armed, few.stock.out_armed, few.resolves.len()), (false, false, 0));
        let more = changed(few.stock, receive(1)).unwrap();
        assert_eq!((more.stock.low_armed, more.stock.out_armed), (true, true), "13 are above 12");
        assert_eq!(more.resolves, ["stock/mug"]);
        assert_eq!((more.stock.version, more.stock.total), (2, 63));
    }

    #[test]
    fn a_correction_downwards_tells_what_it_crosses_and_never_goes_below_what_was_given_out() {
        let down = Change { kind: StockChangeKind::Correct, ..receive(-8) };
        let low = changed(stock(50, 35, 10), down).unwrap();
        let kinds: Vec<&str> = low.outbox.iter().map(|row| row.event.kind.as_str()).collect();
        assert_eq!(kinds, [EventType::StockChanged.name(), EventType::StockLow.name()]);
        assert_eq!((low.raises[0].rule, low.stock.low_armed), (AlertRule::StockLow, false));
        assert_eq!(changed(stock(50, 35, 10), Change { total: -16, ..down }).unwrap_err(), BelowCommitted);
        assert!(changed(stock(50, 35, 10), Change { total: i64::MAX, ..down }).is_err());
    }

    #[test]
    fn a_reversal_gives_one_back_or_writes_it_off() {
        let back = Change { kind: StockChangeKind::Reversal, total: 0, issued: -1, low_at: None };
        let stock = stock(5, 5, 0);
        let returned = changed(stock.clone(), back).unwrap().stock;
        assert_eq!((returned.total, returned.issued, returned.remaining()), (5, 4, 1));
        let lost = changed(stock, Change { total: -1, ..back }).unwrap().stock;
        assert_eq!((lost.total, lost.issued, lost.remaining()), (4, 4, 0));
    }

    #[test]
    fn the_daily_report_names_all_that_is_low_and_is_silent_when_nothing_is() {
        assert_eq!(digest("d".into(), "Autumn", &[]), None);
        let (low, out) = (stock(50, 45, 10), stock(5, 5, 0));
        let raise = digest("d".into(), "Autumn", &[&low, &out]).unwrap();
        assert_eq!(raise.title, "Autumn: 2 rewards low on stock, 1 of them out");
        assert_eq!(
            (raise.impact.as_str(), raise.severity),
            ("Left: mug 5 of 50, mug 0 of 5.", Severity::Info)
        );
    }
}
