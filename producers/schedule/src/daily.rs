//! The report of the day before: once a day, whoever of any number of processes comes first.

use chrono::{DateTime, NaiveDate, NaiveTime, Utc};
use forebay_domain::limits::Terms;
use forebay_domain::report::{DayFigures, is_empty, raise, span};
use forebay_store::report::past;
use forebay_store::{Error, day_figures};

use crate::jobs::Jobs;
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

    /// A report that was missed while nobody ran is made late on its day, with the figures of its making. They are kept
    /// before it is told, so that another process, or who asks later, tells the same.
    pub(crate) async fn report_day(
        &self,
        seen: &mut Option<String>,
        now: DateTime<Utc>,
    ) -> Result<(), Error> {
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
