//! The report of a day: counted from what came in, kept as it was when it was first made.

use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, NaiveDate, Utc};
use forebay_domain::daily::Purpose;
use forebay_domain::limits::Terms;
use forebay_domain::report::{DayFigures, QuotaDay, StockDay};

use crate::error::Error;
use crate::{Store, within};

/// For so long it is waited for the count of parcels.
const PARCELS_PATIENCE: Duration = Duration::from_secs(5);

/// What came in on a day.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct DayCounts {
    /// Counts: what (`volume` or `attendance`), the word, how many.
    pub counts: Vec<(String, String, i64)>,
    /// The stocks, and what was given out of them; at most [`PAGE_MAX`](crate::PAGE_MAX).
    pub stock: Vec<StockDay>,
}

/// Reports of days.
#[async_trait]
pub trait DayReports {
    /// Counts what came in from `from` on and before `until`, by indexes; for the pace of stocks since `lately`.
    async fn day_counts(
        &self,
        from: DateTime<Utc>,
        until: DateTime<Utc>,
        lately: DateTime<Utc>,
    ) -> Result<DayCounts, Error>;

    /// Parcels by status. It reads the whole of an index.
    async fn parcels_by_status(&self) -> Result<Vec<(String, i64)>, Error>;

    /// Dead letters that wait for somebody, all of them.
    async fn open_dead_letters(&self) -> Result<i64, Error>;

    /// Keeps the report of a day, unless there is one.
    async fn keep_report(
        &self,
        day: NaiveDate,
        figures: &DayFigures,
        now: DateTime<Utc>,
    ) -> Result<(), Error>;

    /// The report of a day, if it was made.
    async fn report(&self, day: NaiveDate) -> Result<Option<DayFigures>, Error>;
}

/// The figures of a day as they are now: what came in, and how things stand.
///
/// # Errors
/// When the store fails.
pub async fn day_figures(
    store: &dyn Store,
    span: (DateTime<Utc>, DateTime<Utc>),
    systems: &[(String, Terms)],
    now: DateTime<Utc>,
) -> Result<DayFigures, Error> {
    let mut figures = past(store, span).await?;
    figures.unshipped = Some(store.unshipped(now).await?.iter().map(|of| of.count).sum());
    figures.dead_open = Some(store.open_dead_letters().await?);
    let views = store.systems().await?;
    let spent = systems.iter().filter_map(|(key, terms)| {
        let view = views.iter().find(|view| view.key == *key)?;
        let most = terms.with(&view.live).most_for(Purpose::Person)?;
        Some(QuotaDay { system: key.clone(), used: view.day?.used, most })
    });
    figures.quotas = spent.collect();
    // There may be more than can be counted in time: the rest is told all the same.
    let parcels = within(PARCELS_PATIENCE, store.parcels_by_status()).await.ok();
    figures.parcels = parcels.map(|parcels| parcels.into_iter().collect());
    Ok(figures)
}

/// What came in on a day that was not reported: how things stood then is not known any more.
///
/// # Errors
/// When the store fails.
pub async fn past(
    store: &dyn Store,
    (from, until): (DateTime<Utc>, DateTime<Utc>),
) -> Result<DayFigures, Error> {
    let lately = until - chrono::TimeDelta::days(forebay_domain::report::PACE_DAYS);
    let DayCounts { counts, stock } = store.day_counts(from, until, lately).await?;
    let mut figures = DayFigures { stock, ..DayFigures::default() };
    for (of, word, count) in counts {
        let place = if of == "volume" { &mut figures.volumes } else { &mut figures.attendance };
        place.insert(word, count);
    }
    Ok(figures)
}
