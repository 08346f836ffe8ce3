//! What must hold after the burst, computed from the client's own list, the sandbox's own record and sums in SQL:
//! never from Forebay's counters.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use forebay_sandbox::Sandbox;
use forebay_schemas::Code;
use forebay_store::{DeadLetter, DeadLetterFilter, EffectKind, PAGE_MAX, Store};
use serde::Serialize;

use crate::burst::mix::{Leaves, Planned, Straight, Tag};
use crate::exit::Exit;

/// One thing that must hold.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Invariant {
    /// Its name.
    pub(crate) name: &'static str,
    /// It holds.
    pub(crate) holds: bool,
    /// The figures, and at most a few offenders.
    pub(crate) detail: String,
    /// What was accepted and left nothing behind.
    pub(crate) lost: usize,
    /// What left more behind than it should.
    pub(crate) doubled: usize,
}

/// What the checks rest on.
pub(crate) struct Evidence<'e> {
    /// The events that the client saw accepted, with repeats.
    pub(crate) accepted: Vec<&'e Planned>,
    /// The messages that were published straight to the queues.
    pub(crate) straight: &'e [Straight],
    /// The store, for sums in SQL.
    pub(crate) store: &'e dyn Store,
    /// Begins the ids of the burst; what others sent is none of its business.
    pub(crate) tag: &'e Tag,
    /// What the outside world saw; absent when the burst had no returns.
    pub(crate) outside: Option<Outside>,
}

/// What the outside world saw.
#[derive(Debug)]
pub(crate) struct Outside {
    /// The distinct (idempotency key, return id) of the results that the shop took.
    pub(crate) results: BTreeSet<(String, String)>,
    /// Most calls that the carrier counted in any second.
    pub(crate) busiest_second: usize,
    /// Most calls that it takes in any second.
    pub(crate) quota: usize,
}

impl Outside {
    /// What a sandbox in this process saw.
    pub(crate) fn of(sandbox: &Sandbox) -> Self {
        Self {
            results: sandbox.record().distinct_results(),
            busiest_second: sandbox.record().max_carrier_calls_in(Duration::from_secs(1)),
            quota: sandbox.options().carrier_quota_per_second as usize,
        }
    }
}

impl Evidence<'_> {
    /// Checks everything.
    pub(crate) async fn check(&self) -> Result<Vec<Invariant>, Exit> {
        let mut invariants = vec![
            self.one_effect_each("check-ins", Leaves::Attendance, EffectKind::Attendance).await?,
            self.one_effect_each("claims", Leaves::Claim, EffectKind::Claims).await?,
            self.one_effect_each("orders", Leaves::Order, EffectKind::Orders).await?,
            self.one_effect_each("returns", Leaves::Return, EffectKind::Returns).await?,
        ];
        invariants.extend(self.books().await?);
        if let Some(outside) = &self.outside {
            invariants.extend([self.each_result_once(outside), quota(outside)]);
        }
        invariants.push(self.poison().await?);
        Ok(invariants)
    }

    /// The ids of the accepted events that leave this behind, each once: a repeat is the same event.
    fn wanted(&self, leaves: Leaves) -> BTreeMap<&str, usize> {
        self.accepted.iter().filter(|e| e.leaves == leaves).map(|e| (e.id.as_str(), 1)).collect()
    }

    async fn one_effect_each(
        &self,
        name: &'static str,
        leaves: Leaves,
        kind: EffectKind,
    ) -> Result<Invariant, Exit> {
        let mut found: BTreeMap<String, usize> = BTreeMap::new();
        let mut after: Option<String> = None;
        loop {
            let (ids, cursor) = self.store.effects(kind, after.as_deref(), PAGE_MAX).await?;
            for id in ids.into_iter().filter(|id| self.tag.marks(id)) {
                *found.entry(id).or_default() += 1;
            }
            match cursor {
                Some(cursor) => after = Some(cursor),
                None => break,
            }
        }
        Ok(compared(name, &self.wanted(leaves), &found))
    }

    /// Each accepted return's result arrived at the shop under exactly one key.
    fn each_result_once(&self, outside: &Outside) -> Invariant {
        let wanted: BTreeMap<&str, usize> = self
            .accepted
            .iter()
            .filter(|e| e.leaves == Leaves::Return)
            .filter_map(|e| Some((e.return_id.as_deref()?, 1)))
            .collect();
        let mut found: BTreeMap<String, usize> = BTreeMap::new();
        for (_, return_id) in outside.results.iter().filter(|(_, return_id)| self.tag.marks(return_id)) {
            *found.entry(return_id.clone()).or_default() += 1;
        }
        compared("results at the shop", &wanted, &found)
    }

    async fn books(&self) -> Result<[Invariant; 2], Exit> {
        let tally = self.store.tally().await?;
        let oversold: Vec<&str> = tally
            .rewards
            .iter()
            .filter(|r| match (r.total, r.issued) {
                (Some(total), Some(issued)) => {
                    r.granted > total || issued != r.granted || r.movements != r.granted
                }
                _ => false,
            })
            .map(|r| r.reward_id.as_str())
            .collect();
        let scarce: Vec<String> = tally
            .rewards
            .iter()
            .filter_map(|r| Some(format!("{}: {} of {} given out", r.reward_id, r.granted, r.total?)))
            .collect();
        let stock = Invariant {
            name: "nothing oversold",
            holds: oversold.is_empty(),
            detail: if oversold.is_empty() {
                scarce.join("; ")
            } else {
                format!("wrong: {}", oversold.join(", "))
            },
            lost: 0,
            doubled: 0,
        };
        let faults = [
            ("sum of all entries", tally.ledger_sum),
            ("unbalanced transactions", tally.ledger_unbalanced),
            ("balances that are not their entries", tally.balances_off),
            ("balances below zero", tally.balances_negative),
        ];
        let wrong: Vec<String> =
            faults.iter().filter(|(_, n)| *n != 0).map(|(what, n)| format!("{what}: {n}")).collect();
        let ledger = Invariant {
            name: "ledger sums to zero",
            holds: wrong.is_empty(),
            detail: if wrong.is_empty() {
                format!("{} points in members' hands", tally.points)
            } else {
                wrong.join("; ")
            },
            lost: 0,
            doubled: 0,
        };
        Ok([stock, ledger])
    }

    /// Each poison message is a dead letter with its code, and nothing else is one.
    async fn poison(&self) -> Result<Invariant, Exit> {
        let mut wanted: BTreeMap<String, usize> = BTreeMap::new();
        let through = self.accepted.iter().filter_map(|e| match e.leaves {
            Leaves::DeadLetter(code) => Some((e.id.as_str(), code)),
            _ => None,
        });
        let straight = self.straight.iter().map(|s| (s.id.as_str(), s.code));
        for (id, code) in through.chain(straight) {
            *wanted.entry(label(id, code)).or_default() += 1;
        }
        let mut found: BTreeMap<String, usize> = BTreeMap::new();
        let mut after = None;
        loop {
            let page = self.store.dead_letters(&DeadLetterFilter::default(), after, PAGE_MAX).await?;
            after = page.last().map(DeadLetter::cursor);
            for letter in page.iter().filter(|letter| self.tag.marks(&letter.message_id)) {
                *found.entry(label(&letter.message_id, letter.code)).or_default() += 1;
            }
            if page.len() < PAGE_MAX as usize {
                break;
            }
        }
        let wanted: BTreeMap<&str, usize> = wanted.iter().map(|(id, n)| (id.as_str(), *n)).collect();
        Ok(compared("poison is dead letters", &wanted, &found))
    }
}

/// The carrier counted arrivals itself.
fn quota(outside: &Outside) -> Invariant {
    let Outside { busiest_second, quota, .. } = outside;
    Invariant {
        name: "quota never exceeded",
        holds: busiest_second <= quota,
        detail: format!("at most {busiest_second} calls in any second, {quota} allowed"),
        lost: 0,
        doubled: 0,
    }
}

fn label(id: &str, code: Code) -> String {
    format!("{code} {id}")
}

fn compared(
    name: &'static str,
    wanted: &BTreeMap<&str, usize>,
    found: &BTreeMap<String, usize>,
) -> Invariant {
    let lost: Vec<&str> = wanted.keys().copied().filter(|id| !found.contains_key(*id)).collect();
    let doubled: Vec<&str> = found
        .iter()
        .filter(|(id, n)| wanted.get(id.as_str()).is_some_and(|w| *n > w))
        .map(|(id, _)| id.as_str())
        .collect();
    let unasked: Vec<&str> = found.keys().map(String::as_str).filter(|id| !wanted.contains_key(id)).collect();
    let mut detail = format!("{} wanted, {} found", wanted.len(), found.len());
    for (what, ids) in [("lost", &lost), ("doubled", &doubled), ("unasked for", &unasked)] {
        if !ids.is_empty() {
            let some: Vec<&str> = ids.iter().copied().take(3).collect();
            detail.push_str(&format!("; {} {what}, e.g. {}", ids.len(), some.join(", ")));
        }
    }
    Invariant {
        name,
        holds: lost.is_empty() && doubled.is_empty() && unasked.is_empty(),
        detail,
        lost: lost.len(),
        doubled: doubled.len(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(ids: &[(&str, usize)]) -> BTreeMap<String, usize> {
        ids.iter().map(|(id, n)| ((*id).to_owned(), *n)).collect()
    }

    #[test]
    fn a_lost_a_doubled_and_an_unasked_for_effect_each_break_the_invariant() {
        let wanted = BTreeMap::from([("a", 1), ("b", 1)]);
        assert!(compared("x", &wanted, &found(&[("a", 1), ("b", 1)])).holds);
        for wrong in [&[("a", 1)][..], &[("a", 1), ("b", 2)], &[("a", 1), ("b", 1), ("c", 1)]] {
            assert!(!compared("x", &wanted, &found(wrong)).holds, "{wrong:?}");
        }
    }
}
