//! Outside systems that are not configured any more: nobody calls them, so nobody else would end their incidents.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use forebay_domain::incident::AlertRule;
use forebay_store::breakers::breaker_fingerprint;
use forebay_store::{Error, Store};

use crate::budget;
use crate::planner::Tracked;

/// The rules whose incidents are ended by calls.
const RULES: [AlertRule; 2] = [AlertRule::BreakerOpen, AlertRule::BudgetNearlySpent];

/// Ends what is open of systems other than these.
pub(crate) async fn end(store: &dyn Store, tracked: &[Tracked], now: DateTime<Utc>) -> Result<(), Error> {
    let called: BTreeSet<String> =
        tracked.iter().flat_map(|of| [breaker_fingerprint(&of.key), budget::fingerprint(&of.key)]).collect();
    let open = store.open_of(&RULES.map(|rule| rule.as_str())).await?;
    let mut dropped: Vec<String> = open.into_iter().map(|open| open.fingerprint).collect();
    dropped.retain(|fingerprint| !called.contains(fingerprint));
    if dropped.is_empty() {
        return Ok(());
    }
    tracing::info!(incidents = dropped.len(), "of systems that are not configured any more: ended");
    store.resolve(&dropped, now).await
}
