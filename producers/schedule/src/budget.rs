//! Tells people when a carrier's budget of the day is nearly spent.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use chrono::{DateTime, Utc};
use forebay_domain::daily::Purpose;
use forebay_domain::incident::{About, AlertRule, Raise, Severity};
use forebay_domain::limits::Terms;
use forebay_schemas::AdapterId;
use forebay_store::{Error, Firing, Store, SystemView};

/// A tenth of what may be planned is left.
const NEARLY: u32 = 10;

/// What was told of each system's day: the day's beginning, and whether it was nearly spent.
#[derive(Debug, Default)]
pub(crate) struct Budgets(Mutex<BTreeMap<String, (DateTime<Utc>, bool)>>);

impl Budgets {
    /// Raises an incident once a day when the budget is nearly spent, and resolves it when a new day begins.
    pub(crate) async fn look(
        &self,
        store: &dyn Store,
        adapter: &AdapterId,
        view: &SystemView,
        terms: &Terms,
        now: DateTime<Utc>,
    ) -> Result<(), Error> {
        let Some((day, most)) = view.day.zip(terms.with(&view.live).most_for(Purpose::Routine)) else {
            return Ok(());
        };
        let nearly = day.until > view.now && day.used >= most - most / NEARLY;
        let seen = (day.from, nearly);
        let before = self.0.lock().unwrap_or_else(PoisonError::into_inner).get(&view.key).copied();
        if before == Some(seen) {
            return Ok(());
        }
        let fingerprint = format!("budget/{}", view.key);
        if nearly {
            let raise = Raise {
                fingerprint,
                rule: AlertRule::BudgetNearlySpent,
                about: Some(About::system_of(&view.key)),
                severity: Severity::Warning,
                title: format!("{adapter}: the calls of the day are nearly spent"),
                impact: format!(
                    "{} of {most} planned calls are made; parcels are asked about again when the next day begins.",
                    day.used
                ),
                action: format!("forebay carrier show {adapter}"),
                sample: format!("the next day begins at {}", day.until.to_rfc3339()),
                count: 1,
            };
            let slot = format!("{}/{}", view.key, day.from.timestamp());
            let firing = Firing { job: "budget-nearly-spent", slot, outbox: vec![], raises: vec![raise] };
            store.fire_once(firing, now).await?;
        } else {
            store.resolve(&[fingerprint], now).await?;
        }
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(view.key.clone(), seen);
        Ok(())
    }
}
