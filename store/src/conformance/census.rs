//! The census: how much there is of everything.

use forebay_domain::incident::{AlertRule, Raise, Severity};

use super::{Harness, claim, now, paid, programme, settle};
use crate::census::Counts;

fn raise(n: u32, severity: Severity) -> Raise {
    Raise {
        fingerprint: format!("stock/{n}"),
        rule: AlertRule::StockLow,
        about: None,
        severity,
        title: "Low".into(),
        impact: String::new(),
        action: String::new(),
        sample: String::new(),
        count: 1,
    }
}

pub async fn an_empty_store_counts_nothing(harness: &dyn Harness) {
    let store = harness.store().await;
    assert_eq!(store.counts().await.unwrap(), Counts::default());
    assert_eq!(store.pulse().await.unwrap(), Counts::default());
}

pub async fn claims_stock_and_open_incidents_are_counted_by_their_words(harness: &dyn Harness) {
    let store = harness.store().await;
    store.put_programme(&programme(), now()).await.unwrap();
    let claims = (0..3).map(|n| claim(n + 1, 1, "one-day"));
    settle(store.as_ref(), claims.chain([paid("o-1", Some(1), 1_000)]).collect()).await;
    let raises = vec![raise(1, Severity::Warning), raise(2, Severity::Warning), raise(3, Severity::Critical)];
    store.raise(raises, now()).await.unwrap();
    store.resolve(&["stock/2".to_owned()], now()).await.unwrap();
    let counts = store.counts().await.unwrap();
    assert_eq!(counts.claims.iter().map(|(_, count)| count).sum::<i64>(), 3, "{counts:?}");
    let incident = |severity: &str| ("stock_low".to_owned(), severity.to_owned(), 1);
    let pulse = store.pulse().await.unwrap();
    assert!(!pulse.stock.is_empty() && pulse.stock.is_sorted(), "{pulse:?}");
    assert_eq!(pulse.incidents, [incident("critical"), incident("warning")]);
    assert!(counts.returns.is_empty() && counts.parcels.is_empty(), "{counts:?}");
}
