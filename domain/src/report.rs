//! The report of a day: what it brought, against the day before it.

use std::collections::BTreeMap;

use chrono::{DateTime, NaiveDate, NaiveTime, TimeDelta, TimeZone as _, Utc};
use chrono_tz::Tz;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::incident::{AlertRule, Raise, Severity};

/// Days over which it is told how fast a stock goes.
pub const PACE_DAYS: i64 = 7;
/// Most stocks that a report names: those that end first.
const STOCKS: usize = 5;
/// A stock that lasts longer is not told of.
const FAR_DAYS: i64 = 365;

/// What a day brought, and how things stood when that was counted; nothing of how they stood where it was counted long
/// after. Readers pass over what they do not know.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct DayFigures {
    /// What came on the day, by a word: `returns`, `check_ins` and so on.
    pub volumes: BTreeMap<String, i64>,
    /// Check-ins of the day, by programme.
    pub attendance: BTreeMap<String, i64>,
    /// Parcels by status, when it was counted.
    pub parcels: Option<BTreeMap<String, i64>>,
    /// Granted products that waited to be shipped, then.
    pub unshipped: Option<i64>,
    /// Dead letters that waited for somebody, then.
    pub dead_open: Option<i64>,
    /// Stocks, then.
    pub stock: Vec<StockDay>,
    /// Calls of a day with a budget, then.
    pub quotas: Vec<QuotaDay>,
}

/// A stock.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct StockDay {
    /// The reward.
    pub reward_id: String,
    /// What is left.
    pub left: i64,
    /// All there ever was.
    pub total: i64,
    /// Given out on the day.
    pub given: i64,
    /// Given out in the [`PACE_DAYS`] up to the day's end.
    pub given_lately: i64,
}

/// A budget of calls.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct QuotaDay {
    /// The outside system.
    pub system: String,
    /// Calls so far of its present day.
    pub used: u32,
    /// Most calls of its day.
    pub most: u32,
}

impl StockDay {
    /// The day on which nothing is left at the pace of the last days; none when it goes by no pace or lasts for long.
    #[must_use]
    pub fn runs_out(&self, day: NaiveDate) -> Option<NaiveDate> {
        if self.left <= 0 {
            return Some(day);
        }
        let days = self.left.checked_mul(PACE_DAYS)?.checked_div(self.given_lately.max(0))?;
        (days <= FAR_DAYS).then(|| day.checked_add_signed(TimeDelta::days(days + 1))).flatten()
    }
}

/// A day of this zone: its first instant, and that of the next one.
#[must_use]
pub fn span(day: NaiveDate, tz: Tz) -> (DateTime<Utc>, DateTime<Utc>) {
    let begins = |day: NaiveDate| {
        let midnight = day.and_time(NaiveTime::MIN);
        // Where the clock leaps over midnight the day begins an hour later.
        let at = |local| tz.from_local_datetime(&local).earliest();
        at(midnight)
            .or_else(|| at(midnight + TimeDelta::hours(1)))
            .map_or_else(|| midnight.and_utc(), |at| at.to_utc())
    };
    (begins(day), begins(day.succ_opt().unwrap_or(day)))
}

/// The report in lines, against the day before where that is known.
#[must_use]
pub fn lines(day: NaiveDate, of: &DayFigures, before: Option<&DayFigures>) -> Vec<String> {
    let volume = |figures: &DayFigures, word: &str| figures.volumes.get(word).copied().unwrap_or_default();
    let figure = |word: &str| against(volume(of, word), before.map(|before| volume(before, word)));
    let mut lines = vec![
        format!("Returns: {}; results sent: {}", figure("returns"), figure("results")),
        format!("Check-ins: {} by {} members", figure("check_ins"), figure("members")),
    ];
    if of.attendance.len() > 1 {
        lines.push(format!(
            "Check-ins by programme: {}",
            parts(&of.attendance, before.map(|b| &b.attendance))
        ));
    }
    let stood =
        |n: Option<i64>, before: Option<i64>| n.map_or("not known".to_owned(), |n| against(n, before));
    lines.extend([
        format!(
            "Claims: {} granted, {} refused; to be shipped: {}",
            figure("claims_granted"),
            figure("claims_refused"),
            stood(of.unshipped, before.and_then(|before| before.unshipped))
        ),
        format!(
            "Orders: {}; refunds: {}; spendings: {}",
            figure("orders"),
            figure("refunds"),
            figure("spends")
        ),
    ]);
    if let Some(parcels) = of.parcels.as_ref().filter(|parcels| !parcels.is_empty()) {
        let before = before.and_then(|before| before.parcels.as_ref());
        lines.push(format!("Parcels: {}", parts(parcels, before)));
    }
    let open = stood(of.dead_open, before.and_then(|before| before.dead_open));
    lines.push(format!("Dead letters: {} died; open: {open}", figure("dead_letters")));
    let mut stock: Vec<(NaiveDate, &StockDay)> =
        of.stock.iter().filter_map(|stock| Some((stock.runs_out(day)?, stock))).collect();
    stock.sort_by(|a, b| (a.0, &a.1.reward_id).cmp(&(b.0, &b.1.reward_id)));
    let told = stock.iter().take(STOCKS).map(|(end, stock)| {
        let end = if stock.left <= 0 { "used up".to_owned() } else { format!("until {end}") };
        format!("{} {} of {} ({end})", stock.reward_id, stock.left, stock.total)
    });
    let told: Vec<String> = told.collect();
    if !told.is_empty() {
        lines.push(format!("Stock that ends first: {}", told.join(", ")));
    }
    let quotas: Vec<String> =
        of.quotas.iter().map(|quota| format!("{} {} of {}", quota.system, quota.used, quota.most)).collect();
    if !quotas.is_empty() {
        lines.push(format!("Calls of the day: {}", quotas.join(", ")));
    }
    lines
}

fn parts(of: &BTreeMap<String, i64>, before: Option<&BTreeMap<String, i64>>) -> String {
    let part = |(word, n): (&String, &i64)| {
        let was = before.map(|before| before.get(word).copied().unwrap_or_default());
        format!("{word} {}", against(*n, was))
    };
    of.iter().map(part).collect::<Vec<_>>().join(", ")
}

fn against(n: i64, before: Option<i64>) -> String {
    match before {
        Some(before) => format!("{n} ({:+})", n - before),
        None => n.to_string(),
    }
}

/// Nothing came on the day nor on the one before it, and nothing waits for somebody: nobody need hear of it. One day
/// alone without anything is news.
#[must_use]
pub fn is_empty(of: &DayFigures, before: Option<&DayFigures>) -> bool {
    let waits = [of.dead_open, of.unshipped].into_iter().flatten().any(|n| n > 0);
    let came = |figures: &DayFigures| figures.volumes.values().any(|n| *n > 0);
    !waits && !came(of) && !before.is_some_and(came)
}

/// The report as people are told it.
#[must_use]
pub fn raise(day: NaiveDate, of: &DayFigures, before: Option<&DayFigures>) -> Raise {
    Raise {
        fingerprint: format!("daily_report/{day}"),
        rule: AlertRule::DailyReport,
        about: None,
        severity: Severity::Info,
        title: format!("The day {day}"),
        impact: lines(day, of, before).join("\n"),
        action: format!("forebay report --day {day}"),
        sample: String::new(),
        count: 1,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn day() -> NaiveDate {
        "2026-11-20".parse().unwrap()
    }

    fn stock(left: i64, given_lately: i64) -> StockDay {
        StockDay { reward_id: format!("r-{left}"), left, total: 100, given: 1, given_lately }
    }

    #[test]
    fn a_stock_runs_out_by_the_pace_of_the_last_week() {
        let end = |left, lately| stock(left, lately).runs_out(day()).map(|end| end.to_string());
        assert_eq!(end(10, 14).as_deref(), Some("2026-11-26"), "two a day: five whole days");
        assert_eq!(end(0, 0).as_deref(), Some("2026-11-20"));
        assert_eq!((end(10, 0), end(100_000, 1)), (None, None));
    }

    #[test]
    fn a_report_tells_each_figure_against_the_day_before() {
        let volumes = |n: i64| [("returns", n), ("check_ins", 10 * n)].map(|(w, n)| (w.to_owned(), n)).into();
        let of = DayFigures {
            volumes: volumes(12),
            parcels: Some([("in_transit".to_owned(), 7)].into()),
            stock: vec![stock(10, 14), stock(0, 3), stock(50, 0)],
            quotas: vec![QuotaDay { system: "carrier/dhl".into(), used: 30, most: 250 }],
            ..DayFigures::default()
        };
        let before = DayFigures { volumes: volumes(10), ..DayFigures::default() };
        let raise = raise(day(), &of, Some(&before));
        for part in [
            "Returns: 12 (+2); results sent: 0 (+0)",
            "Check-ins: 120 (+20) by 0 (+0) members",
            "Parcels: in_transit 7",
            "to be shipped: not known",
            "Stock that ends first: r-0 0 of 100 (used up), r-10 10 of 100 (until 2026-11-26)",
            "Calls of the day: carrier/dhl 30 of 250",
        ] {
            assert!(raise.impact.contains(part), "{part} is not in {}", raise.impact);
        }
        assert!(!raise.impact.contains("r-50"));
        let nothing = DayFigures::default();
        assert!(is_empty(&nothing, Some(&nothing)) && !is_empty(&nothing, Some(&before)));
        let waits = |dead_open, unshipped| DayFigures { dead_open, unshipped, ..DayFigures::default() };
        assert!(is_empty(&waits(Some(0), Some(0)), None));
        assert!(!is_empty(&waits(Some(2), Some(0)), None) && !is_empty(&waits(Some(0), Some(1)), None));
        assert!(lines(day(), &of, None)[0].starts_with("Returns: 12; results"));
    }

    #[test]
    fn a_day_has_the_length_that_its_zone_gives_it() {
        let hours = |day: &str, tz| {
            let (from, until) = span(day.parse().unwrap(), tz);
            (until - from).num_hours()
        };
        assert_eq!(hours("2026-11-20", chrono_tz::Asia::Seoul), 24);
        assert_eq!(hours("2026-10-25", chrono_tz::Europe::Lisbon), 25);
        assert_eq!(hours("2026-03-29", chrono_tz::Europe::Lisbon), 23);
        assert_eq!(span(day(), chrono_tz::Asia::Seoul).0.to_rfc3339(), "2026-11-19T15:00:00+00:00");
    }

    #[test]
    fn figures_read_back_and_those_of_a_later_release_too() {
        let figures = DayFigures { unshipped: Some(3), stock: vec![stock(1, 1)], ..DayFigures::default() };
        let text = serde_json::to_string(&figures).unwrap();
        assert_eq!(serde_json::from_str::<DayFigures>(&text).unwrap(), figures);
        let later: DayFigures = serde_json::from_str("{\"unshipped\":3,\"weather\":\"fair\"}").unwrap();
        assert_eq!(later.unshipped, Some(3));
    }
}
