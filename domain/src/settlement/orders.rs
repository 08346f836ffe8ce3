//! Orders earn points, refunds take them back: in proportion and cumulatively.

use chrono::{DateTime, Utc};
use forebay_schemas::events::{OrderPaid, OrderRefunded, PointsKind};
use forebay_schemas::{OrderId, RefundId};

use super::desk::{Desk, Share};
use super::{Answer, Books, NewRefund, Order, Settlement};
use crate::ids::Ids;
use crate::points::MOST;

pub(super) fn paid(
    books: &mut Books,
    ask: &OrderPaid,
    index: usize,
    now: DateTime<Utc>,
    ids: &dyn Ids,
    settlement: &mut Settlement,
) -> Answer {
    if books.orders.contains_key(&ask.order_id) {
        return Answer::SettledBefore;
    }
    let shares = if ask.member_id.is_some() { earned(books, ask, now) } else { Vec::new() };
    let earned_points = shares.iter().map(|share| share.points).sum();
    let mut order = Order {
        id: ask.order_id.clone(),
        member_id: ask.member_id.clone(),
        amount_minor: ask.amount_minor,
        earned_points,
        reversed_points: 0,
        earn_txn: None,
        expired_points: 0,
    };
    if let Some(member_id) = ask.member_id.clone()
        && earned_points > 0
    {
        let key = format!("order:{}:earn", ask.order_id);
        let mut desk = Desk { books, settlement, now, ids };
        order.earn_txn = Some(desk.grant(PointsKind::Earn, key, &member_id, &shares));
    }
    books.orders.insert(ask.order_id.clone(), order.clone());
    settlement.orders.push((order, index));
    Answer::Earned(earned_points)
}

/// What the order earns in each programme that runs: their points may end at different times.
fn earned(books: &Books, ask: &OrderPaid, now: DateTime<Utc>) -> Vec<Share> {
    let programmes = books.programmes.values();
    programmes
        .filter(|p| p.points_per_1000_minor > 0 && p.takes(p.day_of(ask.paid_at), ask.paid_at))
        .map(|p| {
            let points = i128::from(ask.amount_minor) * i128::from(p.points_per_1000_minor) / 1000;
            // No order is worth more than a member may have.
            let points = i64::try_from(points).unwrap_or(MOST).min(MOST);
            Share { points, expires_at: p.points_end(now) }
        })
        .filter(|share| share.points > 0)
        .collect()
}

pub(super) fn refunded(
    books: &mut Books,
    ask: &OrderRefunded,
    index: usize,
    now: DateTime<Utc>,
    ids: &dyn Ids,
    settlement: &mut Settlement,
) -> Answer {
    let Some(mut order) = books.orders.get(&ask.order_id).cloned() else { return Answer::NotYetKnown };
    if !books.refunds.insert((ask.order_id.clone(), ask.refund_id.clone())) {
        return Answer::SettledBefore;
    }
    let target = reversed_target(&order, ask.cumulative_refunded_minor);
    let wanted = still_wanted(&order, target);
    order.reversed_points = order.reversed_points.max(target);
    remember(&order, settlement);
    books.orders.insert(order.id.clone(), order.clone());
    // Within the balance: what the member has spent already is not taken back.
    let key = refund_key(&ask.order_id, &ask.refund_id);
    let taken = order.member_id.and_then(|member_id| {
        let mut desk = Desk { books, settlement, now, ids };
        desk.take_back(PointsKind::Refund, key, &member_id, wanted, order.earn_txn, None)
    });
    let taken = taken.map_or(0, |(_, taken)| taken);
    settlement.refunds.push(NewRefund {
        order_id: ask.order_id.clone(),
        refund_id: ask.refund_id.clone(),
        taken,
        shortfall: wanted - taken,
        ask: index,
    });
    Answer::TakenBack(taken)
}

/// The fact of a refund. An id may hold any sign: so that no two refunds, and no refund and no earning, are the same fact,
/// what follows the last colon is the refund's id and nothing else, and never the word of an earning.
fn refund_key(order: &OrderId, refund: &RefundId) -> String {
    let refund = match refund.as_str() {
        "earn" => "%65arn".to_owned(),
        plain => plain.replace('%', "%25").replace(':', "%3A"),
    };
    format!("order:{order}:refund:{refund}")
}

/// What earlier refunds have not taken back yet, of what did not end by itself.
fn still_wanted(order: &Order, target: i64) -> i64 {
    if order.member_id.is_none() {
        return 0;
    }
    let lasting = (order.earned_points - order.expired_points).max(0);
    (target.min(lasting) - order.reversed_points.min(lasting)).max(0)
}

/// floor(earned × refunded so far / paid), never more than was earned.
fn reversed_target(order: &Order, cumulative_refunded_minor: i64) -> i64 {
    if order.amount_minor <= 0 {
        return order.earned_points;
    }
    let share = i128::from(order.earned_points) * i128::from(cumulative_refunded_minor)
        / i128::from(order.amount_minor);
    i64::try_from(share).unwrap_or(i64::MAX).clamp(0, order.earned_points)
}

/// An order of this very set is inserted as it is at the end; an older one is updated.
fn remember(order: &Order, settlement: &mut Settlement) {
    if let Some((new, _)) = settlement.orders.iter_mut().find(|(o, _)| o.id == order.id) {
        *new = order.clone();
    } else if let Some(changed) = settlement.orders_changed.iter_mut().find(|o| o.id == order.id) {
        *changed = order.clone();
    } else {
        settlement.orders_changed.push(order.clone());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_refunds_and_no_earning_are_the_same_fact() {
        let orders = ["o", "o:refund:r", "o:refund", "o:refund:r:refund:r", "o:", "o%3A"];
        let refunds = ["r", "r:refund:r", "refund:r", "earn", "r:earn", ":earn", "%65arn", "r%3Aearn", "%"];
        let mut facts: Vec<String> = orders.iter().map(|order| format!("order:{order}:earn")).collect();
        for order in orders {
            for refund in refunds {
                facts.push(refund_key(&order.parse().unwrap(), &refund.parse().unwrap()));
            }
        }
        let all = facts.len();
        facts.sort();
        facts.dedup();
        assert_eq!(facts.len(), all);
        let plain = refund_key(&"4711".parse().unwrap(), &"gid-1".parse().unwrap());
        assert_eq!(plain, "order:4711:refund:gid-1");
    }
}
