//! Orders earn points, refunds take them back: in proportion and cumulatively.

use chrono::{DateTime, Utc};
use forebay_schemas::events::{OrderPaid, OrderRefunded, PointsKind};

use super::claims::points_changed;
use super::{Answer, Books, NewRefund, NewTxn, Order, Settlement};
use crate::ids::Ids;
use crate::outbox::NewOutbox;

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
    let earned_points = if ask.member_id.is_some() { earned(books, ask) } else { 0 };
    let order = Order {
        id: ask.order_id.clone(),
        member_id: ask.member_id.clone(),
        amount_minor: ask.amount_minor,
        earned_points,
        reversed_points: 0,
    };
    if let Some(member_id) = ask.member_id.clone()
        && earned_points > 0
    {
        let balance_after = books.credit(&member_id, earned_points);
        settlement.balances.insert(member_id.clone(), balance_after);
        let txn = NewTxn {
            id: ids.next(),
            kind: PointsKind::Earn,
            idem_key: format!("order:{}:earn", ask.order_id),
            member_id,
            delta: earned_points,
            balance_after,
        };
        settlement.outbox.push(NewOutbox::fact(ids.next().to_string(), now, &points_changed(&txn)));
        settlement.ledger.push(txn);
    }
    books.orders.insert(ask.order_id.clone(), order.clone());
    settlement.orders.push((order, index));
    Answer::Earned(earned_points)
}

fn earned(books: &Books, ask: &OrderPaid) -> i64 {
    let of = |rate: i64| i128::from(ask.amount_minor) * i128::from(rate) / 1000;
    let all: i128 = books
        .programmes
        .values()
        .filter(|p| p.points_per_1000_minor > 0 && p.takes(p.day_of(ask.paid_at)))
        .map(|p| of(p.points_per_1000_minor))
        .sum();
    i64::try_from(all).unwrap_or(i64::MAX)
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
    settlement.refunds.push(NewRefund {
        order_id: ask.order_id.clone(),
        refund_id: ask.refund_id.clone(),
        ask: index,
    });
    let target = reversed_target(&order, ask.cumulative_refunded_minor);
    let wanted = (target - order.reversed_points).max(0);
    order.reversed_points = order.reversed_points.max(target);
    remember(&order, settlement);
    books.orders.insert(order.id.clone(), order.clone());
    let Some(member_id) = order.member_id.filter(|_| wanted > 0) else { return Answer::TakenBack(0) };
    // Within the balance: what the member has spent already is not taken back.
    let taken = wanted.min(books.members.get(&member_id).map_or(0, |m| m.balance.max(0)));
    if taken == 0 {
        return Answer::TakenBack(0);
    }
    let balance_after = books.credit(&member_id, -taken);
    settlement.balances.insert(member_id.clone(), balance_after);
    let txn = NewTxn {
        id: ids.next(),
        kind: PointsKind::Refund,
        idem_key: format!("order:{}:refund:{}", ask.order_id, ask.refund_id),
        member_id,
        delta: -taken,
        balance_after,
    };
    settlement.outbox.push(NewOutbox::fact(ids.next().to_string(), now, &points_changed(&txn)));
    settlement.ledger.push(txn);
    Answer::TakenBack(taken)
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
