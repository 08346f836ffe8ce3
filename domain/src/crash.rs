//! Which message crashes its worker, when a crash tells only who was in the worker's hands.
//!
//! Back ends count the deliveries of a message that went unsettled, and a crash raises that count for all that the
//! worker held. So a message that was there twice is set aside: a copy of it, which remembers the count in a header
//! of ours, waits in one of two delay queues, at random. Whoever was there by chance comes back at another time than
//! the culprit, is run alone, and is done; the culprit crashes its worker again. What was there at
//! [`CrashPolicy::limit`] crashes is dead. An innocent one would have to draw the lot of the culprit each time.

use chrono::{DateTime, Utc};
use forebay_schemas::{Tier, Trail};

/// A message whose deliveries go unsettled is run at once so often, alone from the second time on; after that it is
/// set aside first.
const AT_ONCE: u32 = 2;
/// Where it waits; each as likely as the other.
const ASIDE: [Tier; 2] = [Tier::S5, Tier::S30];

/// When a message counts as the one that crashes its workers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CrashPolicy {
    /// In the hands of so many workers when they went away.
    pub limit: u32,
}

impl Default for CrashPolicy {
    fn default() -> Self {
        Self { limit: 20 }
    }
}

/// What is done with a message before any handler sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Admission {
    /// It is run with others.
    Run,
    /// It is run alone: whoever held it before may have crashed on it.
    Alone,
    /// It waits in this tier, with this past.
    Aside(Tier, Trail),
    /// It is dead: so many workers went away with it in their hands.
    Guilty(u32),
}

impl CrashPolicy {
    /// Decides about a message of this past that was delivered `unsettled` times before, as the back end counts this
    /// copy of it. `redelivered` is the back end's word where it doesn't count. `lot` is in 0..1.
    #[must_use]
    pub fn admit(
        &self,
        trail: &Trail,
        unsettled: u32,
        redelivered: bool,
        now: DateTime<Utc>,
        lot: f64,
    ) -> Admission {
        let crashes = trail.crashes.saturating_add(unsettled);
        if crashes >= self.limit {
            return Admission::Guilty(crashes);
        }
        let at_once = if trail.crashes == 0 { AT_ONCE } else { 1 };
        if unsettled >= at_once {
            let mut trail = trail.clone();
            trail.crashes = crashes;
            // Like a deferral: it costs no attempt, and the time does not count to its age.
            trail.parked_at = Some(now);
            let tier = if lot < 0.5 { ASIDE[0] } else { ASIDE[1] };
            return Admission::Aside(tier, trail);
        }
        if redelivered || crashes > 0 { Admission::Alone } else { Admission::Run }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn now() -> DateTime<Utc> {
        DateTime::from_timestamp(1_700_000_000, 0).unwrap()
    }

    fn admit(crashes: u32, unsettled: u32, lot: f64) -> Admission {
        let trail = Trail { crashes, ..Trail::default() };
        CrashPolicy::default().admit(&trail, unsettled, unsettled > 0, now(), lot)
    }

    #[test]
    fn the_first_time_it_is_run_alone_after_that_it_is_set_aside_first_and_at_last_it_is_dead() {
        assert_eq!(admit(0, 0, 0.0), Admission::Run);
        assert_eq!(admit(0, 1, 0.0), Admission::Alone);
        for (lot, tier) in [(0.49, Tier::S5), (0.5, Tier::S30)] {
            let aside = Trail { crashes: 2, parked_at: Some(now()), ..Trail::default() };
            assert_eq!(admit(0, 2, lot), Admission::Aside(tier, aside));
        }
        assert_eq!(admit(2, 0, 0.0), Admission::Alone, "it came back");
        assert!(matches!(admit(2, 1, 0.0), Admission::Aside(_, Trail { crashes: 3, .. })));
        assert_eq!(admit(19, 0, 0.0), Admission::Alone);
        assert_eq!(admit(19, 1, 0.0), Admission::Guilty(20));
        assert_eq!(admit(0, 20, 0.0), Admission::Guilty(20));
        assert_eq!(admit(u32::MAX, u32::MAX, 0.0), Admission::Guilty(u32::MAX));
    }

    /// A message in the simulation: its past, and the count of its present copy.
    #[derive(Debug, Clone, Default)]
    struct Simulated {
        trail: Trail,
        unsettled: u32,
        /// Seconds from now until it is back.
        back_in: u64,
    }

    /// One worker that prefetches all there is, and a culprit that kills it the moment it is run. In each round
    /// the worker starts, and takes what is there in an order of its own until it dies. Returns the dead.
    fn simulate(innocent: usize, lots: &mut impl FnMut() -> f64) -> (Vec<usize>, u32) {
        const CULPRIT: usize = 0;
        let policy = CrashPolicy::default();
        let mut waiting: Vec<Option<Simulated>> = vec![Some(Simulated::default()); innocent + 1];
        let (mut dead, mut crashes) = (Vec::new(), 0);
        while waiting.iter().any(Option::is_some) {
            let rest = waiting.iter().flatten().map(|m| m.back_in).min().unwrap_or(0);
            waiting.iter_mut().flatten().for_each(|m| m.back_in -= rest);
            let mut held: Vec<usize> =
                (0..waiting.len()).filter(|n| waiting[*n].as_ref().is_some_and(|m| m.back_in == 0)).collect();
            held.sort_by_cached_key(|_| (lots() * 1e9) as u64);
            let mut ready = Vec::new();
            for &n in &held {
                let Some(message) = &mut waiting[n] else { continue };
                let redelivered = message.unsettled > 0;
                match policy.admit(&message.trail, message.unsettled, redelivered, now(), lots()) {
                    Admission::Guilty(_) => {
                        dead.push(n);
                        waiting[n] = None;
                    }
                    Admission::Aside(tier, trail) => {
                        *message = Simulated { trail, unsettled: 0, back_in: tier.duration().as_secs() };
                    }
                    Admission::Run => ready.insert(0, (n, false)),
                    Admission::Alone => ready.push((n, true)),
                }
            }
            // Those that may run together are one batch: the culprit among them takes all along.
            let batch_dies = ready.iter().any(|(n, alone)| *n == CULPRIT && !alone);
            let mut died = false;
            for (n, alone) in &ready {
                died |= *n == CULPRIT || (batch_dies && !alone);
                if died {
                    break;
                }
                waiting[*n] = None;
            }
            if died {
                crashes += 1;
                for (n, _) in ready {
                    if let Some(message) = &mut waiting[n] {
                        message.unsettled += 1;
                    }
                }
            }
        }
        (dead, crashes)
    }

    proptest! {
        #[test]
        fn the_culprit_is_found_out_and_nobody_else(seed in any::<u64>(), innocent in 0usize..200) {
            let mut state = seed;
            let mut lots = || {
                // splitmix64
                state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
                let mut z = state;
                z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
                z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
                ((z ^ (z >> 31)) >> 11) as f64 / (1u64 << 53) as f64
            };
            prop_assert_eq!(simulate(innocent, &mut lots), (vec![0], 20));
        }
    }
}
