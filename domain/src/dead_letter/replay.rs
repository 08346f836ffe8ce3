//! A replay of dead letters: one first, then ten, then the rest, at a pace, and no further when they die again.

use std::time::Duration;

use chrono::{DateTime, Utc};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Most letters a second.
pub const RATE_MAX: u32 = 5_000;
/// Letters a second when nothing is said.
pub const RATE_DEFAULT: u32 = 10;
/// Most letters that one step sends.
const STEP_MAX: u32 = 500;
/// How far apart steps are where the pace allows it.
const STEP: Duration = Duration::from_millis(500);
/// How many outcomes are looked back at.
const RECENT: usize = 20;
/// Of that many, one too many failures: more than 20 %.
const RECENT_FAILED_MAX: usize = 4;

/// How far the canary has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "ReplayStage")]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    /// One letter, to see what becomes of it.
    One,
    /// Ten more.
    Ten,
    /// All that is left.
    Rest,
}

/// What a replay is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "ReplayState")]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// It goes on by itself.
    Running,
    /// Every letter has its outcome.
    Done,
    /// Too many died again; the rest was left alone.
    Stopped,
    /// A person ended it; the rest was left alone.
    Aborted,
}

/// Reads and writes the words of a closed list.
macro_rules! words {
    ($name:ident { $($variant:ident = $word:literal),+ $(,)? }) => {
        impl $name {
            /// The word, as it stands in the store and on the wire.
            #[must_use]
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word),+ }
            }
        }

        impl std::str::FromStr for $name {
            type Err = UnknownWord;
            fn from_str(word: &str) -> Result<Self, UnknownWord> {
                match word { $($word => Ok(Self::$variant),)+ _ => Err(UnknownWord) }
            }
        }
    };
}

/// The word is not one of its list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UnknownWord;

impl std::fmt::Display for UnknownWord {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("not a word of the list")
    }
}

impl std::error::Error for UnknownWord {}

words!(Stage { One = "one", Ten = "ten", Rest = "rest" });
words!(State { Running = "running", Done = "done", Stopped = "stopped", Aborted = "aborted" });

impl Stage {
    /// How many letters were sent when it is over.
    fn ends_at(self) -> u64 {
        match self {
            Self::One => 1,
            Self::Ten => 11,
            Self::Rest => u64::MAX,
        }
    }

    fn next(self) -> Self {
        match self {
            Self::One => Self::Ten,
            Self::Ten | Self::Rest => Self::Rest,
        }
    }
}

/// How far a replay has come.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Progress {
    /// What it is doing.
    pub state: State,
    /// How far the canary has come.
    pub stage: Stage,
    /// Nothing more is left to send.
    pub exhausted: bool,
    /// Letters sent.
    pub published: u64,
    /// Letters that have no way back into a queue; they stay as they were.
    pub skipped: u64,
    /// Letters whose message had its effect.
    pub done: u64,
    /// Letters that died again.
    pub failed: u64,
    /// The last outcomes, newest last: `d` and `f`.
    #[serde(skip)]
    pub recent: String,
}

/// What a replay does next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// Send up to so many.
    Publish(u32),
    /// Wait for the outcome of what was sent.
    Wait,
    /// Take what [`Progress::advance`] makes of it.
    Advance,
}

impl Progress {
    /// At its beginning, with a canary or at once with all.
    #[must_use]
    pub fn new(canary: bool) -> Self {
        Self {
            state: State::Running,
            stage: if canary { Stage::One } else { Stage::Rest },
            exhausted: false,
            published: 0,
            skipped: 0,
            done: 0,
            failed: 0,
            recent: String::new(),
        }
    }

    /// Letters without an outcome so far.
    #[must_use]
    pub fn waiting(&self) -> u64 {
        self.published.saturating_sub(self.done + self.failed)
    }

    /// What a running replay does next at this pace.
    #[must_use]
    pub fn next(&self, rate: u32) -> Next {
        let room = self.stage.ends_at().saturating_sub(self.published);
        if !self.exhausted && room > 0 {
            let step = u64::from(step(rate));
            return Next::Publish(u32::try_from(room.min(step)).unwrap_or(STEP_MAX));
        }
        if self.waiting() > 0 { Next::Wait } else { Next::Advance }
    }

    /// Ends the stage, when every letter of it has its outcome: on to the next one, or to the end.
    pub fn advance(&mut self) {
        if self.exhausted {
            self.state = State::Done;
        } else if self.failures() * RECENT > self.recent.len() * RECENT_FAILED_MAX {
            self.state = State::Stopped;
        } else {
            self.stage = self.stage.next();
        }
    }

    /// Counts outcomes, and stops when too many of the last ones are failures.
    pub fn outcomes(&mut self, done: u64, failed: u64) {
        self.done += done;
        self.failed += failed;
        for (outcome, count) in [('d', done), ('f', failed)] {
            let count = usize::try_from(count).unwrap_or(RECENT).min(RECENT);
            self.recent.extend(std::iter::repeat_n(outcome, count));
        }
        self.recent = self.recent.split_off(self.recent.len().saturating_sub(RECENT));
        if self.state == State::Running && self.failures() > RECENT_FAILED_MAX {
            self.state = State::Stopped;
        }
    }

    fn failures(&self) -> usize {
        self.recent.bytes().filter(|outcome| *outcome == b'f').count()
    }
}

/// Letters of one step at this pace.
fn step(rate: u32) -> u32 {
    let of_pace = f64::from(rate) * STEP.as_secs_f64();
    (of_pace as u32).clamp(1, STEP_MAX)
}

/// When the next step is due after `sent` letters at this pace. Time that was missed is not made up for.
#[must_use]
pub fn due_after(due: DateTime<Utc>, now: DateTime<Utc>, sent: u32, rate: u32) -> DateTime<Utc> {
    let spent = Duration::from_secs_f64(f64::from(sent) / f64::from(rate.max(1)));
    due.max(now - STEP) + spent
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sent(progress: &mut Progress, rate: u32) -> u32 {
        let Next::Publish(count) = progress.next(rate) else { return 0 };
        progress.published += u64::from(count);
        count
    }

    #[test]
    fn a_canary_goes_first_and_each_stage_waits_for_the_outcomes_of_the_one_before() {
        let mut replay = Progress::new(true);
        assert_eq!(sent(&mut replay, 1000), 1);
        assert_eq!(replay.next(1000), Next::Wait);
        replay.outcomes(1, 0);
        assert_eq!(replay.next(1000), Next::Advance);
        replay.advance();
        assert_eq!((sent(&mut replay, 8), sent(&mut replay, 1000)), (4, 6));
        replay.outcomes(9, 0);
        assert_eq!(replay.next(1000), Next::Wait);
        replay.outcomes(0, 1);
        replay.advance();
        assert_eq!((replay.stage, sent(&mut replay, 1000)), (Stage::Rest, 500));
    }

    #[test]
    fn a_canary_that_dies_ends_the_replay() {
        let mut replay = Progress::new(true);
        sent(&mut replay, 10);
        replay.outcomes(0, 1);
        replay.advance();
        assert_eq!(replay.state, State::Stopped);
    }

    #[test]
    fn more_than_a_fifth_of_the_last_twenty_ends_the_replay_and_a_fifth_does_not() {
        let mut replay = Progress::new(false);
        replay.published = 1000;
        for _ in 0..10 {
            replay.outcomes(16, 4);
        }
        assert_eq!((replay.state, replay.recent.len()), (State::Running, RECENT));
        replay.outcomes(0, 1);
        assert_eq!(replay.state, State::Stopped);
        replay.outcomes(5, 0);
        assert_eq!((replay.state, replay.done), (State::Stopped, 165), "outcomes are still counted");
    }

    #[test]
    fn a_replay_is_done_when_nothing_is_left_and_nothing_is_waited_for() {
        let mut replay = Progress::new(true);
        sent(&mut replay, 10);
        replay.exhausted = true;
        assert_eq!(replay.next(10), Next::Wait);
        replay.outcomes(0, 1);
        assert_eq!(replay.next(10), Next::Advance);
        replay.advance();
        assert_eq!(replay.state, State::Done);
    }

    #[test]
    fn the_pace_is_kept_and_missed_time_is_not_made_up_for() {
        let now = DateTime::from_timestamp(1_700_000_000, 0).unwrap();
        assert_eq!((step(1), step(10), step(RATE_MAX)), (1, 5, STEP_MAX));
        assert_eq!(due_after(now, now, 5, 10), now + Duration::from_millis(500));
        let late = now + Duration::from_secs(3600);
        assert_eq!(due_after(now, late, 5, 10), late);
    }
}
