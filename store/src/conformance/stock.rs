//! Stock: never oversold, and people hear of it once.

use std::sync::Arc;

use forebay_domain::incident::Severity;
use forebay_domain::settlement::Answer;
use forebay_schemas::EventType;
use forebay_schemas::events::{ClaimState, RejectCode, StockChangeKind};
use uuid::Uuid;

use super::{Harness, check_in, claim, drain, later, now, programme_with_mugs, settle};
use crate::{By, Handled, RewardMessage, StockMovement, Store};

/// Workers that settle at once.
const WORKERS: usize = 8;
/// Members who want the reward.
const MEMBERS: u32 = 160;

pub async fn stock_is_never_oversold_by_workers_with_overlapping_sets(harness: &dyn Harness) {
    let store = harness.store().await;
    store.put_programme(&programme_with_mugs(25, 5), now()).await.unwrap();
    settle(store.as_ref(), (0..MEMBERS).map(|n| check_in(&format!("c{n}"), n, now())).collect()).await;
    let claims: Vec<RewardMessage> = (0..MEMBERS).map(|n| claim(u128::from(n) + 1, n, "one-day")).collect();
    let workers: Vec<_> = (0..WORKERS)
        .map(|worker| {
            let store = Arc::clone(&store);
            // Each worker has half of the claims, a quarter of which its neighbour has too, in sets of 16.
            let mut mine = claims.clone();
            mine.rotate_left(worker * claims.len() / WORKERS);
            mine.truncate(claims.len() / 2);
            tokio::spawn(async move {
                let mut answers = Vec::new();
                for set in mine.chunks(16) {
                    answers.extend(settle(store.as_ref(), set.to_vec()).await);
                }
                answers
            })
        })
        .collect();
    let mut answers = Vec::new();
    for worker in workers {
        answers.extend(worker.await.unwrap());
    }
    let count = |wanted: &Answer| answers.iter().filter(|(_, a)| a.as_ref() == Some(wanted)).count();
    assert_eq!(count(&Answer::Granted), 25);
    assert_eq!(count(&Answer::Refused(RejectCode::OutOfStock)), MEMBERS as usize - 25);
    let repeats = answers.iter().filter(|(handled, _)| *handled == Handled::Duplicate).count();
    assert_eq!(repeats, answers.len() - MEMBERS as usize);
    let mug = store.tally().await.unwrap().rewards.remove(0);
    assert_eq!((mug.reward_id.as_str(), mug.total), ("mug", Some(25)));
    assert_eq!((mug.issued, mug.granted, mug.movements), (Some(25), 25, 25));
    let mut granted = 0;
    for n in 0..MEMBERS {
        let view = store.claim(Uuid::from_u128(u128::from(n) + 1)).await.unwrap().unwrap();
        granted += usize::from(view.state == ClaimState::Granted.as_str());
    }
    assert_eq!(granted, 25);
}

pub async fn low_and_out_of_stock_are_told_once_each(harness: &dyn Harness) {
    let store = harness.store().await;
    store.put_programme(&programme_with_mugs(4, 2), now()).await.unwrap();
    settle(store.as_ref(), (0..8).map(|n| check_in(&format!("c{n}"), n, now())).collect()).await;
    drain(store.as_ref(), now()).await;
    let mut facts = Vec::new();
    for n in 0..8 {
        settle(store.as_ref(), vec![claim(u128::from(n) + 1, n, "one-day")]).await;
        let low = store.low_stock().await.unwrap();
        assert_eq!(low.len(), usize::from(n >= 1), "two of four are left once there are two claims");
        let rows = drain(store.as_ref(), now()).await;
        facts.extend(
            rows.into_iter().filter(|row| row.kind != EventType::ClaimSettled.name()).map(|row| row.kind),
        );
    }
    // The second incident change is worse than the first, so that its telling does not wait.
    let tell = EventType::TellIncident.name();
    assert_eq!(facts, [EventType::StockLow.name(), EventType::StockOut.name(), tell]);
    let incidents = store.open_incidents(10).await.unwrap();
    assert_eq!(incidents.len(), 1, "low and out are one incident");
    let raise = &incidents[0].raise;
    assert_eq!((raise.fingerprint.as_str(), raise.rule.as_str(), raise.count), ("stock/mug", "stock_out", 2));
    assert_eq!(raise.severity, Severity::Critical);
    let first = drain(store.as_ref(), later(30)).await;
    assert_eq!(
        first.iter().map(|row| row.kind.as_str()).collect::<Vec<_>>(),
        [tell],
        "the one that was planned first"
    );
    let stock = store.low_stock().await.unwrap().remove(0);
    assert_eq!((stock.remaining(), stock.issued, stock.name.as_str()), (0, 4, "A mug"));
    assert!(!stock.low_armed && !stock.out_armed);
}

/// The facts of stock, and the rule and the severity of the incident that is open, if any.
async fn told(store: &dyn Store) -> (Vec<String>, Option<(String, Severity)>) {
    let rows = drain(store, later(3600)).await;
    let facts = rows.into_iter().map(|row| row.kind).filter(|kind| kind.starts_with("reward.stock."));
    let open = store.open_incidents(10).await.unwrap();
    assert!(open.len() <= 1, "{open:?}");
    (facts.collect(), open.first().map(|incident| (incident.raise.rule.clone(), incident.raise.severity)))
}

pub async fn a_stock_that_begins_with_nothing_is_told_once_until_it_is_filled(harness: &dyn Harness) {
    let store = harness.store().await;
    let out = EventType::StockOut.name().to_owned();
    let is_out = Some(("stock_out".to_owned(), Severity::Critical));
    store.put_programme(&programme_with_mugs(0, 2), now()).await.unwrap();
    assert_eq!(told(store.as_ref()).await, (vec![out.clone()], is_out.clone()));
    let mut renamed = programme_with_mugs(0, 2);
    renamed.name = "Late autumn".into();
    store.put_programme(&renamed, now()).await.unwrap();
    settle(store.as_ref(), vec![check_in("c1", 1, now()), claim(1, 1, "one-day")]).await;
    assert_eq!(told(store.as_ref()).await, (vec![], is_out.clone()), "it is told once");
    let move_by = async |delta: i64, kind, n| {
        let movement =
            StockMovement { reward_id: "mug".parse().unwrap(), kind, delta, key: format!("key-{n}") };
        let by = By { id: Uuid::from_u128(n), actor: "manager".into(), reason: "counted".into() };
        store.move_stock(&movement, &by, now()).await.unwrap();
    };
    move_by(10, StockChangeKind::Receive, 1).await;
    let changed = EventType::StockChanged.name().to_owned();
    assert_eq!(told(store.as_ref()).await, (vec![changed.clone()], None));
    move_by(-10, StockChangeKind::Correct, 2).await;
    assert_eq!(told(store.as_ref()).await, (vec![changed, out], is_out), "it is told again");
}

pub async fn a_stock_that_begins_at_its_threshold_is_told_as_low(harness: &dyn Harness) {
    let store = harness.store().await;
    store.put_programme(&programme_with_mugs(2, 2), now()).await.unwrap();
    let is_low = Some(("stock_low".to_owned(), Severity::Warning));
    assert_eq!(told(store.as_ref()).await, (vec![EventType::StockLow.name().to_owned()], is_low.clone()));
    settle(store.as_ref(), vec![check_in("c1", 1, now()), claim(1, 1, "one-day")]).await;
    assert_eq!(told(store.as_ref()).await, (vec![], is_low));
}
