//! The demo's summary: for people, or one JSON object.

use std::time::Duration;

use serde_json::{Value, json};

use crate::burst::client::Sent;
use crate::burst::invariants::Invariant;
use crate::burst::watch::Finish;
use crate::commands::{people, table};
use crate::exit::Exit;

/// What the demo found.
#[derive(Debug)]
pub(crate) struct Report {
    accepted: usize,
    sent_again: usize,
    accepted_in: Duration,
    p50: Duration,
    p99: Duration,
    finish: Finish,
    straight: usize,
    invariants: Vec<Invariant>,
}

impl Report {
    pub(crate) fn new(
        sent: &Sent,
        accepted_in: Duration,
        finish: Finish,
        straight: usize,
        invariants: Vec<Invariant>,
    ) -> Self {
        let mut latencies = sent.latencies.clone();
        latencies.sort_unstable();
        Self {
            accepted: sent.accepted.len(),
            sent_again: sent.again,
            accepted_in,
            p50: percentile(&latencies, 50),
            p99: percentile(&latencies, 99),
            finish,
            straight,
            invariants,
        }
    }

    /// Everything settled in time, and every invariant holds.
    pub(crate) fn sound(&self) -> bool {
        self.finish.archived_in.is_some() && self.invariants.iter().all(|i| i.holds)
    }

    pub(crate) fn show(&self, as_json: bool) -> Result<(), Exit> {
        if as_json { people::print_json(&self.json()) } else { people::print(&self.text()) }
    }

    fn json(&self) -> Value {
        let done = &self.finish.done;
        let seconds = |d: Option<Duration>| d.map(|d| d.as_secs_f64());
        let rate = |n: usize, d: Option<Duration>| d.map(|d| n as f64 / d.as_secs_f64().max(0.001));
        json!({
            "ok": self.sound(),
            "counts": {
                "accepted": self.accepted,
                "requests_sent_again": self.sent_again,
                "published_straight": self.straight,
                "attendance": done.attendance,
                "claims": done.claims,
                "orders": done.orders,
                "returns_reported": done.returns.2,
                "carrier_calls": self.finish.carrier_calls,
                "dead_letters": done.dead_letters,
                "slack_messages": self.finish.notices.0,
                "mails": self.finish.notices.1,
            },
            "seconds": {
                "accepting": self.accepted_in.as_secs_f64(),
                "first_request_to_last_effect": seconds(self.finish.settled_in),
                "first_request_to_last_dead_letter": seconds(self.finish.archived_in),
                "accept_p50": self.p50.as_secs_f64(),
                "accept_p99": self.p99.as_secs_f64(),
            },
            "rates": {
                "accepted_per_second": rate(self.accepted, Some(self.accepted_in)),
                "settled_per_second": rate(self.accepted, self.finish.settled_in),
            },
            "invariants": self.invariants,
        })
    }

    fn text(&self) -> String {
        let done = &self.finish.done;
        let rows = [
            ("accepted", self.accepted.to_string(), format!("{:.2} s", self.accepted_in.as_secs_f64())),
            ("accept p50 / p99", millis(self.p50), millis(self.p99)),
            (
                "check-ins, claims, orders",
                (done.attendance + done.claims + done.orders).to_string(),
                String::new(),
            ),
            (
                "parcels tracked",
                done.parcels_checked.to_string(),
                format!("{} carrier calls", self.finish.carrier_calls),
            ),
            ("results at the shop", done.returns.2.to_string(), String::new()),
            ("dead letters", done.dead_letters.to_string(), String::new()),
            (
                "notices",
                format!("{} in Slack", self.finish.notices.0),
                format!("{} mails", self.finish.notices.1),
            ),
            ("first request to last effect", spent(self.finish.settled_in), String::new()),
        ];
        let figures = table::plain(&[], rows.map(|(a, b, c)| vec![a.to_owned(), b, c]));
        let invariants = self.invariants.iter().map(|i| {
            let sign = if i.holds { "ok" } else { "BROKEN" };
            vec![sign.to_owned(), i.name.to_owned(), i.detail.clone()]
        });
        format!("{figures}\n\n{}", table::plain(&[], invariants))
    }
}

fn percentile(sorted: &[Duration], percent: usize) -> Duration {
    let index = (sorted.len() * percent).div_ceil(100).saturating_sub(1);
    sorted.get(index).copied().unwrap_or_default()
}

fn millis(d: Duration) -> String {
    format!("{:.1} ms", d.as_secs_f64() * 1000.0)
}

fn spent(d: Option<Duration>) -> String {
    d.map_or_else(|| "not within the patience".to_owned(), |d| format!("{:.2} s", d.as_secs_f64()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_percentile_is_one_of_the_values() {
        let values: Vec<Duration> = (1..=200).map(Duration::from_millis).collect();
        assert_eq!(percentile(&values, 50), Duration::from_millis(100));
        assert_eq!(percentile(&values, 99), Duration::from_millis(198));
        assert_eq!(percentile(&[], 99), Duration::ZERO);
    }
}
