//! Looks at what is left and at what waits to be shipped: the daily report of low stock in each programme's own zone,
//! and claims that wait too long.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, NaiveTime, TimeDelta, Utc};
use chrono_tz::Tz;
use forebay_domain::programme::{Programme, ProgrammeState};
use forebay_domain::settlement::unshipped_fingerprint;
use forebay_domain::stock::{Stock, digest};
use forebay_schemas::{ProgrammeId, RewardId};
use forebay_store::{Error, PAGE_MAX};

use crate::jobs::Jobs;

/// The rule of incidents that tell of claims that wait too long.
const UNSHIPPED: &str = "claims_unshipped";

/// What this process has looked at, so that it asks the store once a minute and once a slot.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    minute: Option<i64>,
    digests: BTreeMap<ProgrammeId, String>,
    unshipped: Option<String>,
}

impl Jobs {
    /// Once a minute, so that a look at a full hour comes within a second of it.
    pub(crate) async fn look_at_shelves(&self, seen: &mut Seen, now: DateTime<Utc>) -> Result<(), Error> {
        let minute = now.timestamp().div_euclid(60);
        if seen.minute == Some(minute) {
            return Ok(());
        }
        self.report_low_stock(seen, now).await?;
        self.look_for_unshipped(seen, now).await?;
        seen.minute = Some(minute);
        Ok(())
    }

    /// One report a programme and day, whoever sends it; where nothing is low the day is only noted.
    async fn report_low_stock(&self, seen: &mut Seen, now: DateTime<Utc>) -> Result<(), Error> {
        let at = self.options().stock_check_at;
        for programme in self.store().programmes().await?.iter().filter(|p| is_open(p, now)) {
            let Some(day) = day_slot(programme.tz, at, now) else { continue };
            let slot = format!("{}/{day}", programme.id);
            if seen.digests.get(&programme.id) == Some(&slot) {
                continue;
            }
            let low = self.store().low_stock().await?;
            let low = of_programme(programme, &low);
            let report = digest(format!("stock-digest/{slot}"), &programme.name, &low);
            self.fire("stock-digest", &slot, vec![], report.into_iter().collect(), now).await?;
            seen.digests.insert(programme.id.clone(), slot);
        }
        Ok(())
    }

    /// Told once a day while it lasts, over when the last one is shipped. Nothing is cancelled by itself.
    async fn look_for_unshipped(&self, seen: &mut Seen, now: DateTime<Utc>) -> Result<(), Error> {
        let options = self.options();
        let waits = || async {
            let days = i64::from(options.unshipped_after_days);
            self.store().unshipped(now - TimeDelta::days(days)).await
        };
        if let Some(slot) = day_slot(options.tz, options.stock_check_at, now)
            && seen.unshipped.as_ref() != Some(&slot)
        {
            let late = waits().await?;
            let raises = late.iter().map(|late| late.incident(options.unshipped_after_days)).collect();
            self.fire("claims-unshipped", &slot, vec![], raises, now).await?;
            seen.unshipped = Some(slot);
        }
        let open = self.store().open_incidents(PAGE_MAX).await?;
        let mut over: Vec<String> =
            open.into_iter().filter(|i| i.raise.rule == UNSHIPPED).map(|i| i.raise.fingerprint).collect();
        if !over.is_empty() {
            let late = waits().await?;
            over.retain(|open| !late.iter().any(|late| unshipped_fingerprint(&late.reward_id) == *open));
            self.store().resolve(&over, now).await?;
        }
        Ok(())
    }
}

/// Members can still claim in it, or will.
fn is_open(programme: &Programme, now: DateTime<Utc>) -> bool {
    programme.state != ProgrammeState::Draft
        && programme.rules.iter().any(|rule| programme.claim_until_of(rule) >= now)
}

fn of_programme<'s>(programme: &Programme, low: &'s [Stock]) -> Vec<&'s Stock> {
    let rewards: BTreeSet<&RewardId> = programme.rules.iter().map(|rule| &rule.reward.id).collect();
    low.iter().filter(|stock| rewards.contains(&stock.reward_id)).collect()
}

/// The day, in this zone, whose time to look has come; none before it, so that a process that starts in the night does
/// not send yesterday's look.
pub(crate) fn day_slot(tz: Tz, at: NaiveTime, now: DateTime<Utc>) -> Option<String> {
    let local = now.with_timezone(&tz);
    (local.time() >= at).then(|| local.date_naive().to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_look_comes_once_a_day_by_the_clock_of_its_zone() {
        let nine = NaiveTime::from_hms_opt(9, 0, 0).unwrap();
        let seoul = |text: &str| day_slot(chrono_tz::Asia::Seoul, nine, text.parse().unwrap());
        assert_eq!(seoul("2026-11-20T23:59:59Z"), None, "08:59:59 in Seoul");
        assert_eq!(seoul("2026-11-21T00:00:00Z").as_deref(), Some("2026-11-21"));
        assert_eq!(seoul("2026-11-21T14:59:59Z").as_deref(), Some("2026-11-21"));
        assert_eq!(seoul("2026-11-21T15:00:00Z"), None, "a new day began in Seoul");
        let lisbon = day_slot(chrono_tz::Europe::Lisbon, nine, "2026-11-21T00:00:00Z".parse().unwrap());
        assert_eq!(lisbon, None, "midnight in Lisbon");
    }
}
