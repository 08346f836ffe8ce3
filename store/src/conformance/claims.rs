//! Claims after they were settled: listed, shipped, taken back; and the stock that people change.

use std::sync::Arc;

use forebay_domain::settlement::{Answer, Hindrance, Reach, Shipment, Stage};
use forebay_schemas::EventType;
use forebay_schemas::events::{RejectCode, StockChangeKind};
use uuid::Uuid;

use super::{
    Harness, at, check_in, claim, drain, later, member, now, programme, programme_with_mugs, settle,
};
use crate::{
    By, ClaimChanged, ClaimFilter, ClaimView, StockCursor, StockMovement, StockOutcome, StockSetting, Store,
};

fn by(n: u128, reason: &str) -> By {
    By { id: Uuid::from_u128(0xb000 + n), actor: "manager".into(), reason: reason.into() }
}

fn id(claim: u128) -> Uuid {
    Uuid::from_u128(claim)
}

fn shipment(number: &str) -> Shipment {
    Shipment { carrier: "cj".parse().unwrap(), tracking_number: number.parse().unwrap() }
}

/// So many members with a granted mug each, of so many mugs; claim n is of member n.
async fn granted(harness: &dyn Harness, mugs: i64, members: u32) -> Arc<dyn Store> {
    let store = harness.store().await;
    store.put_programme(&programme_with_mugs(mugs, 0), now()).await.unwrap();
    let days = (1..=members).map(|n| check_in(&format!("c{n}"), n, now()));
    let claims = (1..=members).map(|n| claim(u128::from(n), n, "one-day"));
    let settled = settle(store.as_ref(), days.chain(claims).collect()).await;
    assert!(settled[members as usize..].iter().all(|(_, a)| *a == Some(Answer::Granted)), "{settled:?}");
    drain(store.as_ref(), later(3600)).await;
    store
}

fn done(changed: ClaimChanged) -> ClaimView {
    match changed {
        ClaimChanged::Done(view) => *view,
        other => panic!("not done: {other:?}"),
    }
}

async fn facts(store: &dyn Store) -> Vec<String> {
    drain(store, later(86_400))
        .await
        .into_iter()
        .map(|row| row.kind)
        .filter(|k| k != "incident.changed.v1")
        .collect()
}

async fn left(store: &dyn Store) -> i64 {
    store.reward(&"mug".parse().unwrap()).await.unwrap().unwrap().stock.unwrap().left
}

pub async fn a_granted_product_is_shipped_once_and_its_number_can_be_put_right(harness: &dyn Harness) {
    let store = granted(harness, 5, 1).await;
    let first = shipment("600000000001");
    let view = done(store.ship_claim(id(1), &first, false, &by(1, "packed"), later(5)).await.unwrap());
    assert_eq!((view.state.as_str(), view.fulfilled_at), ("fulfilled", Some(later(5))));
    assert_eq!(
        (view.carrier.as_deref(), view.tracking_number.as_deref()),
        (Some("cj"), Some("600000000001"))
    );
    let again = store.ship_claim(id(1), &first, false, &by(2, "packed"), later(6)).await.unwrap();
    assert_eq!(again, ClaimChanged::Before(Box::new(view)));
    assert_eq!(facts(store.as_ref()).await, [EventType::ClaimFulfilled.name()]);
    let other = shipment("600000000002");
    let otherwise = store.ship_claim(id(1), &other, false, &by(3, "typo"), later(7)).await.unwrap();
    assert_eq!(otherwise, ClaimChanged::Hindered(Hindrance::ShippedOtherwise));
    let view = done(store.ship_claim(id(1), &other, true, &by(4, "typo"), later(8)).await.unwrap());
    assert_eq!(view.tracking_number.as_deref(), Some("600000000002"));
    assert_eq!(facts(store.as_ref()).await.len(), 1);
    let nobody = store.ship_claim(id(9), &other, false, &by(5, "?"), later(9)).await.unwrap();
    assert_eq!(nobody, ClaimChanged::NotThere);
    let log = store.audit_log(None, 2).await.unwrap();
    let told: Vec<_> =
        log.iter().map(|e| (e.action.as_str(), e.reason.as_str(), &e.before["state"])).collect();
    assert_eq!(
        told,
        [("claims.ship", "typo", &"fulfilled".into()), ("claims.ship", "packed", &"granted".into())]
    );
    // It holds its slot, shipped as it is.
    let settled = settle(store.as_ref(), vec![claim(2, 1, "one-day")]).await;
    assert_eq!(settled[0].1, Some(Answer::Refused(RejectCode::AlreadyClaimed)));
}

pub async fn nothing_is_shipped_to_a_member_who_was_erased(harness: &dyn Harness) {
    let store = granted(harness, 5, 1).await;
    let number = shipment("600000000001");
    done(store.ship_claim(id(1), &number, false, &by(1, "packed"), later(5)).await.unwrap());
    store.erase_member(&member(1), &by(2, "asked for it"), later(6)).await.unwrap();
    for replace in [false, true] {
        let shipped = store.ship_claim(id(1), &number, replace, &by(3, "packed"), later(7)).await.unwrap();
        assert_eq!(shipped, ClaimChanged::Hindered(Hindrance::Erased));
    }
    assert_eq!(store.claim(id(1)).await.unwrap().unwrap().tracking_number, None);
}

pub async fn a_claim_that_is_taken_back_gives_its_stock_back_and_its_member_may_claim_again(
    harness: &dyn Harness,
) {
    let store = granted(harness, 1, 1).await;
    settle(store.as_ref(), vec![check_in("d2", 2, now()), claim(2, 2, "one-day")]).await;
    drain(store.as_ref(), later(3600)).await;
    assert_eq!(left(store.as_ref()).await, 0);
    let why = by(1, "they moved away");
    let view = done(store.reverse_claim(id(1), Reach::NotShipped, true, &why, later(5)).await.unwrap());
    assert_eq!((view.state.as_str(), view.reversed_at), ("reversed", Some(later(5))));
    let again = store.reverse_claim(id(1), Reach::NotShipped, true, &by(2, "again"), later(6)).await.unwrap();
    assert_eq!(again, ClaimChanged::Before(Box::new(view)));
    assert_eq!(
        facts(store.as_ref()).await,
        [EventType::StockChanged.name(), EventType::ClaimReversed.name()]
    );
    assert_eq!(left(store.as_ref()).await, 1);
    let refused = store.reverse_claim(id(2), Reach::Shipped, true, &by(3, "?"), later(7)).await.unwrap();
    assert_eq!(refused, ClaimChanged::Hindered(Hindrance::Rejected));
    let shipped =
        store.ship_claim(id(1), &shipment("600000000001"), true, &by(4, "?"), later(7)).await.unwrap();
    assert_eq!(shipped, ClaimChanged::Hindered(Hindrance::Reversed));
    let again = settle(store.as_ref(), vec![claim(3, 1, "one-day")]).await;
    assert_eq!(again[0].1, Some(Answer::Granted), "its slot is free");
    let mug = store.tally().await.unwrap().rewards.remove(0);
    assert_eq!((mug.issued, mug.granted, mug.movements), (Some(1), 1, 1));
    let history = store.stock_history(&"mug".parse().unwrap(), None, 10).await.unwrap();
    let told: Vec<_> = history.iter().map(|e| (e.kind.as_str(), e.delta, e.left, e.claim_id)).collect();
    assert_eq!(
        told,
        [
            ("reversal", 1, Some(1), Some(id(1))),
            ("claim", -1, None, Some(id(3))),
            ("claim", -1, None, Some(id(1))),
        ]
    );
    assert_eq!(history[0].actor.as_deref(), Some("manager"));
    assert_eq!(history[0].reason.as_deref(), Some("they moved away"));
}

pub async fn what_was_shipped_is_taken_back_only_by_who_may_and_what_is_lost_is_written_off(
    harness: &dyn Harness,
) {
    let store = granted(harness, 3, 1).await;
    done(
        store.ship_claim(id(1), &shipment("600000000001"), false, &by(1, "packed"), later(1)).await.unwrap(),
    );
    let why = by(2, "lost on its way");
    let hindered = store.reverse_claim(id(1), Reach::NotShipped, false, &why, later(2)).await.unwrap();
    assert_eq!(hindered, ClaimChanged::Hindered(Hindrance::Shipped));
    let view = done(store.reverse_claim(id(1), Reach::Shipped, false, &why, later(3)).await.unwrap());
    assert_eq!((view.state.as_str(), view.tracking_number.as_deref()), ("reversed", Some("600000000001")));
    let stock = store.reward(&"mug".parse().unwrap()).await.unwrap().unwrap().stock.unwrap();
    assert_eq!((stock.total, stock.issued, stock.left, stock.version), (2, 0, 2, 1));
    let mug = store.tally().await.unwrap().rewards.remove(0);
    assert_eq!((mug.issued, mug.granted, mug.movements), (Some(0), 0, 0));
}

pub async fn points_of_a_claim_that_is_taken_back_are_taken_back(harness: &dyn Harness) {
    let store = harness.store().await;
    store.put_programme(&programme(), now()).await.unwrap();
    let days = (16..=20).map(|d| check_in(&format!("d{d}"), 1, at(&format!("2026-11-{d}T02:00:00Z"))));
    settle(store.as_ref(), days.chain([claim(1, 1, "five-days")]).collect()).await;
    assert_eq!(store.member_balance(&member(1)).await.unwrap().balance, 5_000);
    let hindered =
        store.ship_claim(id(1), &shipment("600000000001"), false, &by(1, "?"), later(1)).await.unwrap();
    assert_eq!(hindered, ClaimChanged::Hindered(Hindrance::NotAProduct));
    done(store.reverse_claim(id(1), Reach::NotShipped, true, &by(2, "cheated"), later(2)).await.unwrap());
    assert_eq!(store.member_balance(&member(1)).await.unwrap().balance, 0);
    let again =
        store.reverse_claim(id(1), Reach::NotShipped, true, &by(3, "cheated"), later(3)).await.unwrap();
    assert!(matches!(again, ClaimChanged::Before(_)), "{again:?}");
    let tally = store.tally().await.unwrap();
    assert_eq!((tally.ledger_sum, tally.ledger_unbalanced, tally.balances_off, tally.points), (0, 0, 0, 0));
    let log = store.audit_log(None, 1).await.unwrap().remove(0);
    assert_eq!((log.action.as_str(), &log.after["points"]["delta"]), ("claims.cancel", &(-5_000).into()));
    let settled = settle(store.as_ref(), vec![claim(2, 1, "five-days")]).await;
    assert_eq!(settled[0].1, Some(Answer::Granted));
}

pub async fn people_who_take_a_claim_back_at_once_do_it_once(harness: &dyn Harness) {
    let store = granted(harness, 8, 8).await;
    let tasks: Vec<_> = (0..8_u128)
        .map(|n| {
            let store = Arc::clone(&store);
            tokio::spawn(async move {
                let mut done = 0;
                for claim in 1..=8 {
                    let by = by(100 * n + claim, "at once");
                    let changed = store.reverse_claim(id(claim), Reach::Shipped, true, &by, later(1)).await;
                    done += usize::from(matches!(changed.unwrap(), ClaimChanged::Done(_)));
                }
                done
            })
        })
        .collect();
    let mut all = 0;
    for task in tasks {
        all += task.await.unwrap();
    }
    assert_eq!((all, left(store.as_ref()).await), (8, 8));
    let mug = store.tally().await.unwrap().rewards.remove(0);
    assert_eq!((mug.issued, mug.granted, mug.movements), (Some(0), 0, 0));
}

/// Members of whom each has one mug.
const OWNERS: u32 = 8;
/// Members who want one.
const WANTING: u32 = 24;

pub async fn whoever_claims_ships_restocks_voids_and_takes_back_at_once_keeps_the_stock(
    harness: &dyn Harness,
) {
    let store = granted(harness, i64::from(OWNERS) + 2, OWNERS).await;
    let days = (OWNERS + 1..=WANTING).map(|n| check_in(&format!("c{n}"), n, now()));
    settle(store.as_ref(), days.collect()).await;
    let owned = || 1..=u128::from(OWNERS);
    let (shipping, cancelling, restocking, voiding) =
        (Arc::clone(&store), Arc::clone(&store), Arc::clone(&store), Arc::clone(&store));
    let shipping = tokio::spawn(async move {
        let mut shipped = Vec::new();
        for n in owned().rev() {
            let number = shipment(&format!("6000000000{n:02}"));
            let changed = shipping.ship_claim(id(n), &number, false, &by(n, "packed"), later(1)).await;
            shipped.push((n, changed.unwrap()));
        }
        shipped
    });
    let cancelling = tokio::spawn(async move {
        let mut cancelled = Vec::new();
        for n in owned() {
            let (by, reach) = (by(100 + n, "asked"), Reach::NotShipped);
            let changed = cancelling.reverse_claim(id(n), reach, n % 2 == 0, &by, later(1)).await;
            cancelled.push((n, changed.unwrap()));
        }
        cancelled
    });
    let restocking = tokio::spawn(async move {
        for n in 0..12 {
            let (kind, delta) =
                if n % 3 == 2 { (StockChangeKind::Correct, -1) } else { (StockChangeKind::Receive, 1) };
            let movement =
                StockMovement { reward_id: "mug".parse().unwrap(), kind, delta, key: format!("k-{n}") };
            restocking.move_stock(&movement, &by(200 + n, "counted"), later(1)).await.unwrap();
        }
    });
    let voiding = tokio::spawn(async move {
        let (programme, on_date) = (programme().id, programme().day_of(now()));
        for n in 1..=OWNERS {
            for void in [true, false] {
                let by = by(300 + u128::from(n) * 2 + u128::from(void), "a doubt");
                voiding.set_day(&programme, &member(n), on_date, void, &by, later(1)).await.unwrap();
            }
        }
    });
    let claiming: Vec<_> = (0..2_u128)
        .map(|worker| {
            let store = Arc::clone(&store);
            tokio::spawn(async move {
                for round in 0..3_u128 {
                    let set = (1..=WANTING)
                        .map(|n| claim(1_000 * (worker + 1) + 100 * round + u128::from(n), n, "one-day"));
                    settle(store.as_ref(), set.collect()).await;
                }
            })
        })
        .collect();
    for task in claiming {
        task.await.unwrap();
    }
    restocking.await.unwrap();
    voiding.await.unwrap();
    let shipped = shipping.await.unwrap();
    let mut cancelled: std::collections::BTreeMap<_, _> = cancelling.await.unwrap().into_iter().collect();
    for (n, shipped) in shipped {
        match (shipped, cancelled.remove(&n).unwrap()) {
            (ClaimChanged::Done(_), ClaimChanged::Hindered(Hindrance::Shipped))
            | (ClaimChanged::Hindered(Hindrance::Reversed), ClaimChanged::Done(_)) => {}
            both => panic!("claim {n} was shipped and cancelled: {both:?}"),
        }
    }
    let check = store.check_books().await.unwrap();
    assert_eq!(check.differences(), 0, "{check:?}");
    let mug = store.tally().await.unwrap().rewards.remove(0);
    assert_eq!(mug.issued, Some(mug.granted));
    assert!(left(store.as_ref()).await >= 0);
    for n in 1..=WANTING {
        let claims = store.member_claims(&member(n), 200).await.unwrap();
        let live = claims.iter().filter(|claim| ["granted", "fulfilled"].contains(&claim.state.as_str()));
        assert!(live.count() <= 1, "{claims:?}");
        assert!(claims.iter().all(|claim| claim.review.is_none()), "every day counts again: {claims:?}");
    }
}

/// The ids of all pages of two.
async fn listed(store: &dyn Store, filter: &ClaimFilter) -> Vec<u128> {
    let (mut all, mut after) = (Vec::new(), None);
    loop {
        let page = store.list_claims(filter, after, 2).await.unwrap();
        assert!(page.len() <= 2);
        let Some(last) = page.last() else { return all };
        after = Some(last.claim_id);
        all.extend(page.iter().map(|view| view.claim_id.as_u128()));
    }
}

pub async fn claims_are_listed_page_by_page_by_where_they_stand(harness: &dyn Harness) {
    let store = granted(harness, 5, 4).await;
    let message = vec![claim(5, 1, "five-days"), claim(6, 9, "one-day")];
    store.settle_rewards(message, later(60)).await.unwrap();
    done(
        store.ship_claim(id(2), &shipment("600000000001"), false, &by(1, "packed"), later(70)).await.unwrap(),
    );
    done(store.reverse_claim(id(3), Reach::NotShipped, true, &by(2, "asked"), later(80)).await.unwrap());
    let every = ClaimFilter::default();
    assert_eq!(listed(store.as_ref(), &every).await, [6, 5, 4, 3, 2, 1]);
    let staged = |stage| ClaimFilter { stage: Some(stage), ..ClaimFilter::default() };
    for (filter, expected) in [
        (staged(Stage::Granted), &[4, 1][..]),
        (staged(Stage::Fulfilled), &[2]),
        (staged(Stage::Reversed), &[3]),
        (staged(Stage::Rejected), &[6, 5]),
        (ClaimFilter { to_ship: true, ..every.clone() }, &[4, 1]),
        (ClaimFilter { to_ship: true, to: Some(now()), ..every.clone() }, &[]),
        (ClaimFilter { needs_review: true, ..every.clone() }, &[]),
        (ClaimFilter { member_id: Some(member(1)), ..every.clone() }, &[5, 1]),
        (ClaimFilter { rule_id: Some("five-days".parse().unwrap()), ..every.clone() }, &[5]),
        (ClaimFilter { reward_id: Some("mug".parse().unwrap()), ..staged(Stage::Granted) }, &[4, 1]),
        (ClaimFilter { programme_id: Some("spring".parse().unwrap()), ..every.clone() }, &[]),
        (ClaimFilter { from: Some(later(1)), ..every.clone() }, &[6, 5]),
        (ClaimFilter { to: Some(later(1)), ..every.clone() }, &[4, 3, 2, 1]),
    ] {
        assert_eq!(listed(store.as_ref(), &filter).await, expected, "{filter:?}");
    }
    let one = store.claim(id(2)).await.unwrap().unwrap();
    assert_eq!(
        store.list_claims(&staged(Stage::Fulfilled), None, 9).await.unwrap(),
        [one],
        "as it is by itself"
    );
    let most = store.list_claims(&every, None, u32::MAX).await.unwrap();
    assert_eq!(most.len(), 6);
}

pub async fn claims_that_wait_to_be_shipped_are_summed_up_by_reward(harness: &dyn Harness) {
    let store = granted(harness, 5, 3).await;
    assert_eq!(store.unshipped(now()).await.unwrap(), []);
    done(
        store.ship_claim(id(2), &shipment("600000000001"), false, &by(1, "packed"), later(70)).await.unwrap(),
    );
    let late = store.unshipped(later(1)).await.unwrap();
    assert_eq!(late.len(), 1, "{late:?}");
    assert_eq!((late[0].reward_id.as_str(), late[0].count, late[0].oldest), ("mug", 2, now()));
}

pub async fn a_stock_is_changed_once_a_key(harness: &dyn Harness) {
    let store = granted(harness, 2, 2).await;
    let movement = |delta, key: &str| StockMovement {
        reward_id: "mug".parse().unwrap(),
        kind: StockChangeKind::Receive,
        delta,
        key: key.into(),
    };
    let StockOutcome::Done(after) =
        store.move_stock(&movement(5, "k"), &by(1, "a pallet"), later(1)).await.unwrap()
    else {
        panic!("not done")
    };
    assert_eq!((after.delta, after.total, after.left, after.version), (5, 7, 5, 1));
    let again = store.move_stock(&movement(5, "k"), &by(2, "a pallet"), later(2)).await.unwrap();
    assert_eq!(again, StockOutcome::Before(after));
    for (other, reason) in [(movement(6, "k"), "a pallet"), (movement(5, "k"), "another pallet")] {
        let reused = store.move_stock(&other, &by(3, reason), later(3)).await.unwrap();
        assert_eq!(reused, StockOutcome::KeyReused);
    }
    let elsewhere = By { actor: "somebody else".into(), ..by(4, "a pallet") };
    assert!(matches!(
        store.move_stock(&movement(5, "k"), &elsewhere, later(4)).await.unwrap(),
        StockOutcome::Done(_)
    ));
    assert_eq!(left(store.as_ref()).await, 10);
    assert_eq!(facts(store.as_ref()).await, [EventType::StockChanged.name(); 2]);
    let none = StockMovement { reward_id: "points-5000".parse().unwrap(), ..movement(5, "p") };
    assert_eq!(store.move_stock(&none, &by(5, "?"), later(5)).await.unwrap(), StockOutcome::NotThere);
    let log = store.audit_log(None, 2).await.unwrap();
    let told: Vec<_> =
        log.iter().map(|e| (e.action.as_str(), &e.before["total"], &e.after["total"])).collect();
    assert_eq!(told, [("stock.move", &7.into(), &12.into()), ("stock.move", &2.into(), &7.into())]);
}

pub async fn a_stock_is_set_only_by_who_has_seen_it_and_never_below_what_was_given_out(
    harness: &dyn Harness,
) {
    let store = granted(harness, 5, 3).await;
    let setting =
        |total, low_at, version| StockSetting { reward_id: "mug".parse().unwrap(), total, low_at, version };
    let stale = store.set_stock(&setting(9, None, 7), &by(1, "count"), later(1)).await.unwrap();
    assert!(matches!(stale, StockOutcome::Stale(now) if now.version == 0));
    let below = store.set_stock(&setting(2, None, 0), &by(2, "count"), later(1)).await.unwrap();
    assert!(matches!(below, StockOutcome::BelowCommitted(now) if now.issued == 3));
    let set = store.set_stock(&setting(4, Some(1), 0), &by(3, "count"), later(2)).await.unwrap();
    let StockOutcome::Done(after) = set else { panic!("{set:?}") };
    assert_eq!((after.total, after.left, after.low_at, after.version), (4, 1, 1, 1));
    // One of four is left, told at one: the setting crossed it.
    assert_eq!(facts(store.as_ref()).await, [EventType::StockChanged.name(), EventType::StockLow.name()]);
    let again = store.set_stock(&setting(4, Some(1), 0), &by(4, "count"), later(3)).await.unwrap();
    assert!(matches!(again, StockOutcome::Stale(_)), "{again:?}");
    let down = StockMovement {
        reward_id: "mug".parse().unwrap(),
        kind: StockChangeKind::Correct,
        delta: -2,
        key: "k".into(),
    };
    let below = store.move_stock(&down, &by(5, "broken"), later(4)).await.unwrap();
    assert!(matches!(below, StockOutcome::BelowCommitted(_)), "{below:?}");
}

pub async fn a_restock_ends_the_incident_and_the_next_crossing_is_told_again(harness: &dyn Harness) {
    let store = harness.store().await;
    store.put_programme(&programme_with_mugs(2, 1), now()).await.unwrap();
    let claims = |range: std::ops::Range<u32>| -> Vec<_> {
        let days = range.clone().map(|n| check_in(&format!("c{n}"), n, now()));
        days.chain(range.map(|n| claim(u128::from(n), n, "one-day"))).collect()
    };
    settle(store.as_ref(), claims(1..4)).await;
    assert_eq!(store.open_incidents(10).await.unwrap().len(), 1);
    let receive = |n, key: &str| StockMovement {
        reward_id: "mug".parse().unwrap(),
        kind: StockChangeKind::Receive,
        delta: n,
        key: key.into(),
    };
    store.move_stock(&receive(2, "a"), &by(1, "two"), later(1)).await.unwrap();
    assert_eq!(store.open_incidents(10).await.unwrap().len(), 1, "two are not well above one");
    facts(store.as_ref()).await;
    store.move_stock(&receive(1, "b"), &by(2, "one more"), later(2)).await.unwrap();
    assert_eq!(store.open_incidents(10).await.unwrap(), []);
    settle(store.as_ref(), claims(10..14)).await;
    let told = facts(store.as_ref()).await;
    let count = |kind: EventType| told.iter().filter(|told| *told == kind.name()).count();
    assert_eq!((count(EventType::StockLow), count(EventType::StockOut)), (1, 1));
    assert_eq!(store.low_stock().await.unwrap().len(), 1);
}

pub async fn a_history_is_read_page_by_page_with_claims_and_changes_in_their_order(harness: &dyn Harness) {
    let store = granted(harness, 5, 3).await;
    let movement = |n: i64| StockMovement {
        reward_id: "mug".parse().unwrap(),
        kind: StockChangeKind::Receive,
        delta: n,
        key: format!("k{n}"),
    };
    for n in 1..=3 {
        let at = later(u64::try_from(n).unwrap());
        store.move_stock(&movement(n), &by(u128::try_from(n).unwrap(), "more"), at).await.unwrap();
    }
    let (mut all, mut after) = (Vec::new(), None);
    loop {
        let page = store.stock_history(&"mug".parse().unwrap(), after, 2).await.unwrap();
        assert!(page.len() <= 2);
        let Some(last) = page.last() else { break };
        after = Some(StockCursor::from(last));
        all.extend(page);
    }
    let deltas: Vec<i64> = all.iter().map(|entry| entry.delta).collect();
    assert_eq!(deltas, [3, 2, 1, -1, -1, -1]);
    assert!(all.is_sorted_by(|a, b| (a.at, a.id) > (b.at, b.id)), "{all:?}");
    assert_eq!(store.stock_history(&"points-5000".parse().unwrap(), None, 9).await.unwrap(), []);
    let rewards = store.rewards(None, 1).await.unwrap();
    let more = store.rewards(Some(&rewards[0].reward_id.parse().unwrap()), 9).await.unwrap();
    let names: Vec<_> =
        rewards.iter().chain(&more).map(|r| (r.reward_id.as_str(), r.stock.is_some())).collect();
    assert_eq!(names, [("mug", true), ("points-5000", false)]);
}
