//! The report of a day.

use std::time::Duration;

use forebay_domain::report::{DayFigures, PACE_DAYS, StockDay};

use super::dead_letters::letter;
use super::{Harness, check_in, claim, later, now, paid, programme, settle};
use crate::day_figures;

const DAY: Duration = Duration::from_secs(86_400);

pub async fn a_day_is_counted_from_its_first_instant_to_the_next_days(harness: &dyn Harness) {
    let store = harness.store().await;
    let empty = day_figures(store.as_ref(), (now(), now() + DAY), &[], now()).await.unwrap();
    assert!(empty.volumes.values().all(|n| *n == 0) && empty.stock.is_empty(), "{empty:?}");
    store.put_programme(&programme(), now()).await.unwrap();
    let claims = (0..3).map(|n| claim(n + 1, 1, "one-day"));
    let messages =
        claims.chain([paid("o-1", Some(1), 1_000), check_in("c-1", 1, now()), check_in("c-2", 2, now())]);
    settle(store.as_ref(), messages.collect()).await;
    store.archive(vec![letter("m-1"), letter("m-2")], now()).await.unwrap();
    let figures = day_figures(store.as_ref(), (later(0) - DAY, later(0) + DAY), &[], later(1)).await.unwrap();
    let volume = |word: &str| figures.volumes.get(word).copied().unwrap_or_default();
    let claims = volume("claims_granted") + volume("claims_refused");
    assert_eq!(
        (claims, volume("orders"), volume("check_ins"), volume("members")),
        (3, 1, 2, 2),
        "{figures:?}"
    );
    assert_eq!(
        (figures.attendance.values().sum::<i64>(), volume("dead_letters"), figures.dead_open),
        (2, 2, Some(2))
    );
    let parcels: i64 = figures.parcels.iter().flat_map(|parcels| parcels.values()).sum();
    let counted: i64 = store.counts().await.unwrap().parcels.iter().map(|(_, n)| n).sum();
    assert_eq!((parcels, figures.parcels.is_some()), (counted, true));
    let given: i64 = figures.stock.iter().map(|stock| stock.given).sum();
    let lately: i64 = figures.stock.iter().map(|stock| stock.given_lately).sum();
    assert_eq!((given, figures.stock.is_empty()), (lately, false), "{figures:?}");
    let next =
        day_figures(store.as_ref(), (later(0) + DAY, later(0) + 2 * DAY), &[], later(1)).await.unwrap();
    assert!(next.volumes.values().all(|n| *n == 0), "{next:?}");
    assert!(next.stock.iter().all(|stock| stock.given == 0) && PACE_DAYS > 1);
    assert_eq!(next.stock.iter().map(|stock| stock.given_lately).sum::<i64>(), lately, "days before count");
}

pub async fn a_report_is_kept_as_it_was_first_made(harness: &dyn Harness) {
    let store = harness.store().await;
    let day = "2026-11-20".parse().unwrap();
    assert_eq!(store.report(day).await.unwrap(), None);
    let stock = StockDay { reward_id: "mug".into(), left: 3, total: 9, given: 1, given_lately: 2 };
    let first = DayFigures { unshipped: Some(7), stock: vec![stock], ..DayFigures::default() };
    store.keep_report(day, &first, now()).await.unwrap();
    store.keep_report(day, &DayFigures::default(), later(60)).await.unwrap();
    assert_eq!(store.report(day).await.unwrap(), Some(first));
    assert_eq!(store.report("2026-11-21".parse().unwrap()).await.unwrap(), None);
}
