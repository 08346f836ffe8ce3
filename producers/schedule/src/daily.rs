//! The report of the day before: once a day, whoever of any number of processes comes first.

use std::time::Duration;

use chrono::{DateTime, NaiveDate, NaiveTime, Utc};
use forebay_domain::limits::Terms;
use forebay_domain::report::{DayFigures, is_empty, raise, span};
use forebay_store::report::past;
use forebay_store::{Error, day_figures, within};
use tokio_util::sync::CancellationToken;

use crate::jobs::{Jobs, TICK};
use crate::shelves::day_slot;

/// When it is reported, and on which budgets.
#[derive(Debug, Clone)]
pub(crate) struct Reporting {
    pub(crate) at: NaiveTime,
    /// Outside systems that have a budget of the day, by the key of their pacer.
    pub(crate) systems: Vec<(String, Terms)>,
}

impl Jobs {
    /// Reports the day before at this time of the shop's clock, with what is spent of these systems' budgets.
    #[must_use]
    pub fn reporting(mut self, at: NaiveTime, systems: Vec<(String, Terms)>) -> Self {
        self.reporting = Some(Reporting { at, systems });
        self
    }

    /// Makes the reports until `stop`.
    pub(crate) async fn run_reports(&self, stop: &CancellationToken) {
        if self.reporting.is_none() {
            return;
        }
        let (mut seen, mut failed) = (None, 0);
        while !stop.is_cancelled() {
            let report = within(REPORT_PATIENCE, self.report_day(&mut seen, self.clock.now()));
            // What was begun is begun again: nothing is told before all of it is kept.
            let Some(made) = stop.run_until_cancelled(report).await else { return };
            failed = made.as_ref().map_or(failed + 1, |()| 0);
            if let Err(error) = made {
                tracing::warn!(%error, "the day can't be reported at present");
            }
            tokio::select! {
                () = tokio::time::sleep(pause(failed)) => {}
                () = stop.cancelled() => {}
            }
        }
    }

    /// A report that was missed while nobody ran is made late on its day, with the figures of its making. They are kept
    /// before it is told, so that another process, or who asks later, tells the same.
    async fn report_day(&self, seen: &mut Option<String>, now: DateTime<Utc>) -> Result<(), Error> {
        let Some(Reporting { at, systems }) = &self.reporting else { return Ok(()) };
        let tz = self.options().tz;
        let Some(slot) = day_slot(tz, *at, now).filter(|slot| seen.as_ref() != Some(slot)) else {
            return Ok(());
        };
        let Some(day) = now.with_timezone(&tz).date_naive().pred_opt() else { return Ok(()) };
        if !self.store().fired(JOB, &slot).await? {
            let made = day_figures(self.store(), span(day, tz), systems, now).await?;
            self.store().keep_report(day, &made, now).await?;
            let figures = self.store().report(day).await?.unwrap_or(made);
            let before = self.before(day).await?;
            // Where there is nothing to tell, the day is only noted.
            let told = (!is_empty(&figures, before.as_ref())).then(|| raise(day, &figures, before.as_ref()));
            self.fire(JOB, &slot, vec![], told.into_iter().collect(), now).await?;
        }
        *seen = Some(slot);
        Ok(())
    }

    /// The figures of the day before that: as they were reported; what came in, where they were not.
    async fn before(&self, day: NaiveDate) -> Result<Option<DayFigures>, Error> {
        let Some(before) = day.pred_opt() else { return Ok(None) };
        if let Some(figures) = self.store().report(before).await? {
            return Ok(Some(figures));
        }
        past(self.store(), span(before, self.options().tz)).await.map(Some)
    }
}

const JOB: &str = "daily-report";
/// So long may a report take; each statement of it has the limit of all statements.
const REPORT_PATIENCE: Duration = Duration::from_secs(60);
/// Longest pause after a failure.
const PAUSE_MAX: Duration = Duration::from_secs(15 * 60);

/// After so many failures in a row: what is counted may be much, and is not begun again at once.
fn pause(failed: u32) -> Duration {
    match failed {
        0 => TICK,
        _ => (30 * TICK * 2_u32.saturating_pow(failed.min(5))).min(PAUSE_MAX),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_that_fails_is_tried_the_more_seldom_the_more_often_it_failed() {
        let pauses = [0, 1, 2, 3, 4, 5, 99].map(|failed| pause(failed).as_secs());
        assert_eq!(pauses, [1, 60, 120, 240, 480, 900, 900]);
    }
}
