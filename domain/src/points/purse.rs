//! A member's lots, and what is taken from them.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::{Lot, NOTICE};

/// How much a transaction took of a lot; below 0 for what it put back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LotUse {
    /// The transaction.
    pub txn_id: Uuid,
    /// The lot.
    pub lot_id: Uuid,
    /// How much; never 0.
    pub amount: i64,
}

/// Lots of one member, the next to end first.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Purse {
    lots: Vec<Lot>,
    granted: BTreeSet<Uuid>,
    changed: BTreeSet<Uuid>,
}

impl Purse {
    /// A purse of the lots that are there.
    #[must_use]
    pub fn of(mut lots: Vec<Lot>) -> Self {
        lots.sort_by_key(Lot::rank);
        Self { lots, ..Self::default() }
    }

    /// A lot more that is there already.
    pub fn hold(&mut self, lot: Lot) {
        if self.lots.iter().all(|held| held.id != lot.id) {
            self.insert(lot);
        }
    }

    /// Every lot.
    #[must_use]
    pub fn lots(&self) -> &[Lot] {
        &self.lots
    }

    /// Lots that this purse was given since it was made.
    pub fn granted(&self) -> impl Iterator<Item = &Lot> {
        self.lots.iter().filter(|lot| self.granted.contains(&lot.id))
    }

    /// Lots that were there and of which something else is left now.
    pub fn changed(&self) -> impl Iterator<Item = &Lot> {
        self.lots.iter().filter(|lot| self.changed.contains(&lot.id) && !self.granted.contains(&lot.id))
    }

    /// What can be spent now.
    #[must_use]
    pub fn usable(&self, now: DateTime<Utc>) -> i64 {
        self.lots.iter().filter(|lot| lot.is_usable(now)).map(|lot| lot.remaining).sum()
    }

    /// A new lot.
    pub(crate) fn grant(&mut self, lot: Lot) {
        self.granted.insert(lot.id);
        self.insert(lot);
    }

    /// Takes all of these points from lots that can be spent now, or nothing.
    pub(crate) fn spend(&mut self, txn_id: Uuid, points: i64, now: DateTime<Utc>) -> Option<Vec<LotUse>> {
        if self.usable(now) < points {
            return None;
        }
        Some(self.take(txn_id, points, |lot| lot.is_usable(now)))
    }

    /// Takes points back, as many as there are: first of what `own` had granted, then of the others, even of those that
    /// can't be spent any more.
    pub(crate) fn take_back(&mut self, txn_id: Uuid, points: i64, own: Option<Uuid>) -> Vec<LotUse> {
        let is_own = |lot: &Lot| own.is_some() && lot.txn_id == own;
        let mut uses = self.take(txn_id, points, is_own);
        let taken: i64 = uses.iter().map(|u| u.amount).sum();
        uses.extend(self.take(txn_id, points - taken, |lot| !is_own(lot)));
        uses
    }

    /// Takes what is left of one lot.
    pub(crate) fn empty(&mut self, txn_id: Uuid, lot_id: Uuid) -> Option<LotUse> {
        self.take(txn_id, i64::MAX, |lot| lot.id == lot_id).pop()
    }

    /// Puts back what was taken from a lot. What ended meanwhile, or is about to, comes as a new lot that is good for
    /// [`NOTICE`] from now on.
    pub(crate) fn put_back(
        &mut self,
        txn_id: Uuid,
        lot_id: Uuid,
        amount: i64,
        now: DateTime<Utc>,
        new_id: impl FnOnce() -> Uuid,
    ) -> Option<LotUse> {
        let least = now + NOTICE;
        let lot = self.lots.iter_mut().find(|lot| lot.id == lot_id);
        if let Some(lot) = lot.filter(|lot| lot.expires_at.is_none_or(|end| end >= least)) {
            lot.remaining += amount;
            self.changed.insert(lot_id);
            return Some(LotUse { txn_id, lot_id, amount: -amount });
        }
        self.grant(Lot {
            id: new_id(),
            txn_id: Some(txn_id),
            granted: amount,
            remaining: amount,
            usable_from: now,
            expires_at: Some(least),
        });
        None
    }

    fn insert(&mut self, lot: Lot) {
        let place = self.lots.partition_point(|other| other.rank() <= lot.rank());
        self.lots.insert(place, lot);
    }

    fn take(&mut self, txn_id: Uuid, points: i64, of: impl Fn(&Lot) -> bool) -> Vec<LotUse> {
        let mut left = points;
        let mut uses = Vec::new();
        for lot in self.lots.iter_mut().filter(|lot| lot.remaining > 0 && of(lot)) {
            if left <= 0 {
                break;
            }
            let amount = lot.remaining.min(left);
            lot.remaining -= amount;
            left -= amount;
            self.changed.insert(lot.id);
            uses.push(LotUse { txn_id, lot_id: lot.id, amount });
        }
        uses
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::programme::tests::at;

    const TXN: Uuid = Uuid::from_u128(100);

    fn now() -> DateTime<Utc> {
        at("2026-11-20T03:00:00Z")
    }

    fn lot(id: u128, remaining: i64, end: Option<&str>) -> Lot {
        Lot {
            id: Uuid::from_u128(id),
            txn_id: Some(Uuid::from_u128(1000 + id)),
            granted: 100,
            remaining,
            usable_from: at("2026-11-01T00:00:00Z"),
            expires_at: end.map(at),
        }
    }

    fn purse() -> Purse {
        Purse::of(vec![
            lot(1, 10, None),
            lot(2, 10, Some("2026-12-31T00:00:00Z")),
            lot(3, 10, Some("2026-12-01T00:00:00Z")),
            lot(4, 10, Some("2026-11-20T03:00:00Z")),
        ])
    }

    fn told(uses: &[LotUse]) -> Vec<(u128, i64)> {
        uses.iter().map(|u| (u.lot_id.as_u128(), u.amount)).collect()
    }

    #[test]
    fn points_that_end_first_are_spent_first_and_ended_ones_not_at_all() {
        let mut purse = purse();
        assert_eq!(purse.usable(now()), 30);
        assert_eq!(purse.spend(TXN, 31, now()), None);
        assert_eq!(purse.changed().count(), 0, "all or nothing");
        assert_eq!(told(&purse.spend(TXN, 25, now()).unwrap()), [(3, 10), (2, 10), (1, 5)]);
        assert_eq!(purse.changed().map(|lot| lot.remaining).collect::<Vec<_>>(), [0, 0, 5]);
    }

    #[test]
    fn a_lot_that_can_be_spent_later_is_not_spent_now() {
        let mut later = lot(5, 10, None);
        later.usable_from = at("2026-11-20T03:00:01Z");
        assert_eq!(Purse::of(vec![later]).spend(TXN, 1, now()), None);
    }

    #[test]
    fn what_is_taken_back_comes_from_its_own_lot_first_and_stops_at_nothing() {
        let mut purse = purse();
        let own = Some(Uuid::from_u128(1002));
        assert_eq!(told(&purse.take_back(TXN, 12, own)), [(2, 10), (4, 2)]);
        assert_eq!(told(&purse.take_back(TXN, 100, own)), [(4, 8), (3, 10), (1, 10)]);
    }

    #[test]
    fn what_is_put_back_keeps_its_end_but_lasts_a_week() {
        let mut purse = purse();
        purse.spend(TXN, 30, now()).unwrap();
        let back = |purse: &mut Purse, id: u128, when: &str| {
            purse.put_back(TXN, Uuid::from_u128(id), 10, at(when), || Uuid::from_u128(9))
        };
        assert_eq!(back(&mut purse, 3, "2026-11-24T00:00:00Z").unwrap().amount, -10);
        assert_eq!(back(&mut purse, 2, "2026-12-30T00:00:00Z"), None);
        let new = purse.granted().next().unwrap();
        assert_eq!((new.remaining, new.expires_at), (10, Some(at("2027-01-06T00:00:00Z"))));
    }
}
