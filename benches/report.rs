//! Medians, and the lines that the measurements end with.

use std::time::Duration;

/// Where a row has no such figure.
const NONE: &str = "-";
const RATIO_DECIMALS: usize = 2;

/// What one row found, as it is read by people.
#[derive(Debug)]
pub(crate) struct Row {
    pub(crate) what: String,
    pub(crate) measured: String,
    pub(crate) baseline: String,
    pub(crate) ratio: String,
    pub(crate) to_hold: String,
    pub(crate) held: Option<bool>,
}

impl Row {
    /// A pace beside a baseline's, and the least part of it that must be reached, if one is set.
    pub(crate) fn paces(
        what: impl Into<String>,
        unit: &str,
        rounds: &[(f64, f64)],
        baseline: &str,
        least: Option<f64>,
    ) -> Self {
        let (measured, bare): (Vec<f64>, Vec<f64>) = rounds.iter().copied().unzip();
        // Of each round, since both halves of a round saw the same machine.
        let ratio = median(rounds.iter().map(|(measured, bare)| measured / bare));
        Self {
            what: what.into(),
            measured: format!("{} {unit}", whole(median(measured))),
            baseline: format!("{} {unit} ({baseline})", whole(median(bare))),
            ratio: format!("{ratio:.RATIO_DECIMALS$}"),
            to_hold: least.map_or_else(|| NONE.to_owned(), |least| format!("ratio >= {least}")),
            held: least.map(|least| ratio >= least),
        }
    }

    /// Figures in words beside a baseline's, of which nothing is asked.
    pub(crate) fn found(what: String, measured: String, baseline: String, ratio: f64) -> Self {
        let ratio = format!("{ratio:.RATIO_DECIMALS$}");
        Self { what, measured, baseline, ratio, to_hold: NONE.to_owned(), held: None }
    }

    /// A figure without a baseline that must not be above a bound.
    pub(crate) fn bounded(
        what: impl Into<String>,
        unit: &str,
        decimals: usize,
        measured: f64,
        most: f64,
    ) -> Self {
        Self {
            what: what.into(),
            measured: format!("{measured:.decimals$} {unit}"),
            baseline: NONE.to_owned(),
            ratio: NONE.to_owned(),
            to_hold: format!("<= {most} {unit}"),
            held: Some(measured <= most),
        }
    }

    /// A figure of the baseline that must be reached, for the row to mean something.
    pub(crate) fn at_least(what: impl Into<String>, unit: &str, measured: f64, least: f64) -> Self {
        Self {
            what: what.into(),
            measured: format!("{} {unit}", whole(measured)),
            baseline: NONE.to_owned(),
            ratio: NONE.to_owned(),
            to_hold: format!(">= {} {unit}", whole(least)),
            held: Some(measured >= least),
        }
    }
}

/// Prints a line a row.
pub(crate) fn show(rows: &[Row]) {
    let mut table = comfy_table::Table::new();
    table.load_style(comfy_table::presets::NOTHING);
    table.set_content_arrangement(comfy_table::ContentArrangement::Disabled);
    table.set_header(["row", "measured", "baseline", "ratio", "to hold", "verdict"]);
    for row in rows {
        let verdict = match row.held {
            Some(true) => "held",
            Some(false) => "missed",
            None => NONE,
        };
        table.add_row([row.what.as_str(), &row.measured, &row.baseline, &row.ratio, &row.to_hold, verdict]);
    }
    println!();
    for line in table.to_string().lines() {
        println!("{}", line.trim());
    }
}

/// The middle value.
pub(crate) fn median(values: impl IntoIterator<Item = f64>) -> f64 {
    let mut sorted: Vec<f64> = values.into_iter().collect();
    sorted.sort_by(f64::total_cmp);
    let middle = sorted.len() / 2;
    if sorted.len().is_multiple_of(2) {
        f64::midpoint(sorted[middle - 1], sorted[middle])
    } else {
        sorted[middle]
    }
}

/// The smallest value that `percent` of all do not pass, in milliseconds.
pub(crate) fn percentile_ms(values: &mut [Duration], percent: usize) -> f64 {
    values.sort_unstable();
    let index = (values.len() * percent).div_ceil(100).saturating_sub(1);
    values[index].as_secs_f64() * 1_000.0
}

/// So many things in this time, a second.
pub(crate) fn pace(count: usize, elapsed: Duration) -> f64 {
    count as f64 / elapsed.as_secs_f64()
}

/// A whole number, its thousands apart.
fn whole(value: f64) -> String {
    let digits = format!("{value:.0}");
    let mut text = String::new();
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}
