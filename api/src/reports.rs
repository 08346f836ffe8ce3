//! The report of a day.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use chrono::NaiveDate;
use forebay_domain::limits::Terms;
use forebay_domain::report::{DayFigures, lines, span};
use forebay_intake::{Kind, Problem};
use forebay_store::day_figures;
use forebay_store::report::past;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::api::Api;
use crate::callers::Reports;
use crate::dates::Day;
use crate::extract::Asked;

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ReportAsk {
    /// The day, by the shop's clock; yesterday when there is none.
    day: Option<Day>,
}

/// What a day brought.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct ReportView {
    day: NaiveDate,
    /// It was reported, and these are the figures of then; else they were counted now.
    reported: bool,
    /// As people are told it.
    lines: Vec<String>,
    figures: DayFigures,
    /// Those of the day before.
    before: DayFigures,
}

pub(crate) async fn daily(
    State(api): State<Arc<Api>>,
    _: Reports,
    Asked(ReportAsk { day }): Asked<ReportAsk>,
) -> Result<Json<ReportView>, Problem> {
    let (now, tz) = (api.clock.now(), api.options.tz);
    let today = now.with_timezone(&tz).date_naive();
    let yesterday = today.pred_opt().unwrap_or(today);
    let day = day.map_or(yesterday, |day| day.0);
    if day > today {
        return Err(Problem::new(Kind::InvalidRequest, "That day has not begun."));
    }
    let kept = api.ask(api.store.report(day)).await?;
    let reported = kept.is_some();
    let figures = match kept {
        Some(figures) => figures,
        // How things stand now belongs to a day that has just been.
        None if day >= yesterday => {
            let systems: Vec<(String, Terms)> =
                api.carriers.iter().map(|system| (system.key.clone(), system.terms)).collect();
            api.ask(day_figures(api.store.as_ref(), span(day, tz), &systems, now)).await?
        }
        None => api.ask(past(api.store.as_ref(), span(day, tz))).await?,
    };
    let before = day.pred_opt().unwrap_or(day);
    let before = match api.ask(api.store.report(before)).await? {
        Some(figures) => figures,
        None => api.ask(past(api.store.as_ref(), span(before, tz))).await?,
    };
    Ok(Json(ReportView { day, reported, lines: lines(day, &figures, Some(&before)), figures, before }))
}
