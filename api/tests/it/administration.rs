//! Incidents listed.

use forebay_domain::incident::{Raise, Severity};
use forebay_intake::Scope;

use crate::world::{World, now};

#[tokio::test]
async fn open_incidents_are_listed() {
    let world = World::start().await;
    let raise = Raise {
        fingerprint: "stock/mug".into(),
        rule: "stock_low",
        severity: Severity::Warning,
        title: "Low".into(),
        impact: "few left".into(),
        action: "restock".into(),
        sample: String::new(),
        count: 1,
    };
    world.store.raise(vec![raise], now()).await.unwrap();
    let incidents = world.get(Scope::Admin, "/v1/incidents").send().await.json();
    assert_eq!(incidents["items"][0]["fingerprint"], "stock/mug");
    assert_eq!(incidents["items"][0]["severity"], "warning");
}
