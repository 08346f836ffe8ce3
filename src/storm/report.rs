//! The storm's report: for people, or one JSON object.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Value, json};

use crate::burst::invariants::Invariant;
use crate::commands::{people, table};
use crate::exit::Exit;
use crate::storm::faults::Fault;
use crate::storm::told::Told;

/// What the storm did and found.
#[derive(Debug)]
pub(crate) struct Report {
    pub(crate) seed: u64,
    /// Events that the client saw accepted, with repeats, and those published straight to the queues.
    pub(crate) accepted: usize,
    pub(crate) sent_again: usize,
    /// Messages of floods: each is a dead letter, which the sums know.
    pub(crate) poison: usize,
    /// The longest time for which a request was not accepted.
    pub(crate) longest_outage: Duration,
    /// Faults that struck.
    pub(crate) faults: BTreeMap<Fault, usize>,
    /// Processes that ended though nobody killed them.
    pub(crate) ended: Vec<String>,
    /// From the last acceptance to the last effect; none when patience ran out before.
    pub(crate) drained_in: Option<Duration>,
    pub(crate) invariants: Vec<Invariant>,
    /// What people heard of it.
    pub(crate) told: Told,
}

impl Report {
    fn lost(&self) -> usize {
        self.invariants.iter().map(|i| i.lost).sum()
    }

    fn doubled(&self) -> usize {
        self.invariants.iter().map(|i| i.doubled).sum()
    }

    /// Nothing was lost, doubled or otherwise wrong, and no process ended by itself.
    pub(crate) fn sound(&self) -> bool {
        self.drained_in.is_some() && self.ended.is_empty() && self.invariants.iter().all(|i| i.holds)
    }

    pub(crate) fn show(&self, as_json: bool) -> Result<(), Exit> {
        if as_json { people::print_json(&self.json()) } else { people::print(&self.text()) }
    }

    fn json(&self) -> Value {
        let faults: BTreeMap<String, usize> = self.faults.iter().map(|(f, n)| (f.to_string(), *n)).collect();
        json!({
            "ok": self.sound(),
            "seed": self.seed,
            "accepted": self.accepted,
            "requests_sent_again": self.sent_again,
            "poison": self.poison,
            "lost": self.lost(),
            "doubled": self.doubled(),
            "faults": faults,
            "ended_by_themselves": self.ended,
            "seconds": {
                "longest_outage": self.longest_outage.as_secs_f64(),
                "drained": self.drained_in.map(|d| d.as_secs_f64()),
            },
            "invariants": self.invariants,
            "told": self.told,
        })
    }

    fn text(&self) -> String {
        let faults: Vec<String> = self.faults.iter().map(|(fault, n)| format!("{n} {fault}")).collect();
        let seconds = |d: Duration| format!("{:.1} s", d.as_secs_f64());
        let mut rows = vec![
            vec!["seed".to_owned(), self.seed.to_string()],
            vec!["faults".to_owned(), faults.join(", ")],
            vec!["accepted".to_owned(), self.accepted.to_string()],
            vec!["requests sent again".to_owned(), self.sent_again.to_string()],
            vec!["poison of floods".to_owned(), self.poison.to_string()],
            vec!["lost".to_owned(), self.lost().to_string()],
            vec!["doubled".to_owned(), self.doubled().to_string()],
            vec!["longest outage".to_owned(), seconds(self.longest_outage)],
            vec![
                "drained after the burst in".to_owned(),
                self.drained_in.map_or_else(|| "not within the patience".to_owned(), seconds),
            ],
        ];
        rows.extend(self.ended.iter().map(|what| vec!["BROKEN".to_owned(), what.clone()]));
        let invariants = self.invariants.iter().map(|i| {
            let sign = if i.holds { "ok" } else { "BROKEN" };
            vec![sign.to_owned(), i.name.to_owned(), i.detail.clone()]
        });
        format!("{}\n\n{}\n\n{}", table::plain(&[], rows), table::plain(&[], invariants), self.told.text())
    }
}
