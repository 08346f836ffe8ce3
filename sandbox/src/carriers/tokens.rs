//! Bearer tokens that a carrier gives against a client's id and secret.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use parking_lot::Mutex;

/// Most tokens that are good at once; the oldest go first.
const TOKENS_MAX: usize = 10_000;

/// How often a token endpoint may be called before it shuts.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Flood {
    pub(crate) calls: usize,
    pub(crate) within: Duration,
}

/// The tokens of one carrier.
#[derive(Debug)]
pub(crate) struct Tokens {
    prefix: &'static str,
    given: AtomicU64,
    good: Mutex<VecDeque<(String, Instant)>>,
    door: Mutex<Door>,
}

#[derive(Debug, Default)]
struct Door {
    calls: VecDeque<Instant>,
    shut_at: Option<Instant>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    Good,
    Expired,
    Unknown,
}

impl Tokens {
    pub(crate) fn new(prefix: &'static str) -> Self {
        Self { prefix, given: AtomicU64::new(0), good: Mutex::default(), door: Mutex::default() }
    }

    pub(crate) fn give(&self, now: Instant) -> String {
        let number = self.given.fetch_add(1, Ordering::Relaxed) + 1;
        let token = format!("{}-{number:08}", self.prefix);
        let mut good = self.good.lock();
        if good.len() == TOKENS_MAX {
            good.pop_front();
        }
        good.push_back((token.clone(), now));
        token
    }

    /// What a token is worth when tokens live this long.
    pub(crate) fn judge(&self, token: &str, life: Duration, now: Instant) -> Verdict {
        let good = self.good.lock();
        match good.iter().rev().find(|(given, _)| given == token) {
            Some((_, at)) if now.saturating_duration_since(*at) < life => Verdict::Good,
            Some(_) => Verdict::Expired,
            None => Verdict::Unknown,
        }
    }

    /// No token is good any more, whatever was promised.
    pub(crate) fn forget(&self) {
        self.good.lock().clear();
    }

    /// Counts a call of the token endpoint; `false` when it is shut, or this call shuts it for so long.
    pub(crate) fn may_come(&self, floods: &[Flood], shut_for: Duration, now: Instant) -> bool {
        let longest = floods.iter().map(|flood| flood.calls).max().unwrap_or(0);
        let mut door = self.door.lock();
        if door.shut_at.is_some_and(|at| now.saturating_duration_since(at) < shut_for) {
            return false;
        }
        door.shut_at = None;
        door.calls.push_back(now);
        while door.calls.len() > longest {
            door.calls.pop_front();
        }
        let is_flood = |flood: &Flood| {
            let first = door.calls.len().checked_sub(flood.calls).and_then(|index| door.calls.get(index));
            first.is_some_and(|at| now.saturating_duration_since(*at) < flood.within)
        };
        let shut = floods.iter().any(is_flood);
        if shut {
            door.shut_at = Some(now);
            door.calls.clear();
        }
        !shut
    }
}

/// The value of a form's field.
pub(crate) fn form_field(body: &[u8], name: &str) -> Option<String> {
    let mut pairs = url::form_urlencoded::parse(body);
    pairs.find(|(key, _)| key == name).map(|(_, value)| value.into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_good_for_its_life_and_until_it_is_forgotten() {
        let (tokens, now) = (Tokens::new("t"), Instant::now());
        let token = tokens.give(now);
        let life = Duration::from_secs(60);
        assert_eq!(tokens.judge(&token, life, now + Duration::from_secs(59)), Verdict::Good);
        assert_eq!(tokens.judge(&token, life, now + life), Verdict::Expired);
        assert_eq!(tokens.judge("t-9", life, now), Verdict::Unknown);
        tokens.forget();
        assert_eq!(tokens.judge(&token, life, now), Verdict::Unknown);
        assert_ne!(tokens.give(now), token);
    }

    #[test]
    fn a_flood_shuts_the_door_for_a_while() {
        let (tokens, begun) = (Tokens::new("t"), Instant::now());
        let floods = [
            Flood { calls: 3, within: Duration::from_secs(1) },
            Flood { calls: 5, within: Duration::from_secs(100) },
        ];
        let may = |ms| tokens.may_come(&floods, Duration::from_secs(600), begun + Duration::from_millis(ms));
        assert_eq!([may(0), may(500), may(1_000)], [true, true, true]);
        assert_eq!([may(1_400), may(300_000), may(600_000)], [false, false, false]);
        assert!(may(601_500));
        assert_eq!([602_600, 603_700, 604_800, 605_900].map(may), [true, true, true, false]);
    }
}
