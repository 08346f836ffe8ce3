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

/// That of a system's incident.
pub(crate) fn fingerprint(key: &str) -> String {
    format!("budget/{key}")
}

/// A system's day, as far as people hear of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Seen {
    from: DateTime<Utc>,
    /// The calls that may be planned.
    most: u32,
    nearly_spent: bool,
}

/// What was seen last of each system's day; nothing while no budget is kept.
#[derive(Debug, Default)]
pub(crate) struct Budgets(Mutex<BTreeMap<String, Option<Seen>>>);

impl Budgets {
    /// Raises an incident when the budget is nearly spent, once a day and budget, and resolves it when a new day begins,
    /// or the budget grows or is given up.
    pub(crate) async fn look(
        &self,
        store: &dyn Store,
        adapter: &AdapterId,
        view: &SystemView,
        terms: &Terms,
        now: DateTime<Utc>,
    ) -> Result<(), Error> {
        let budget = view.day.zip(terms.with(&view.live).most_for(Purpose::Routine));
        let seen = budget.map(|(day, most)| Seen {
            from: day.from,
            most,
            nearly_spent: day.until > view.now && day.used >= most - most / NEARLY,
        });
        let before = self.0.lock().unwrap_or_else(PoisonError::into_inner).get(&view.key).copied();
        if before == Some(seen) {
            return Ok(());
        }
        let fingerprint = fingerprint(&view.key);
        if let Some((day, most)) = budget.filter(|_| seen.is_some_and(|seen| seen.nearly_spent)) {
            let spent = match day.used {
                used if used >= most => format!("All {most} planned calls are made: its"),
                used => format!("{used} of {most} planned calls are made. When all are, its"),
            };
            let raise = Raise {
                fingerprint,
                rule: AlertRule::BudgetNearlySpent,
                about: Some(About::system_of(&view.key)),
                severity: Severity::Warning,
                title: format!("{adapter}: the calls of the day are nearly spent"),
                impact: format!(
                    "{spent} parcels are asked about again from {} on; nothing of them is lost.",
                    utc(day.until)
                ),
                action: format!(
                    "forebay carrier show {adapter}\n# If its contract bears more:\n\
                     forebay carrier limit {adapter} --daily CALLS --reason 'WHY'"
                ),
                sample: format!("the next day begins at {}", utc(day.until)),
                count: 1,
            };
            let slot = format!("{}/{}/{most}", view.key, day.from.timestamp());
            let firing = Firing { job: "budget-nearly-spent", slot, outbox: vec![], raises: vec![raise] };
            store.fire_once(firing, now).await?;
        } else {
            store.resolve(&[fingerprint], now).await?;
        }
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(view.key.clone(), seen);
        Ok(())
    }
}

fn utc(at: DateTime<Utc>) -> String {
    at.format("%Y-%m-%d %H:%M UTC").to_string()
}
