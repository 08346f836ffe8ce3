//! The life of a message beside a simple model of it: what each answer of a handler leads to, attempt by attempt, with
//! the message's past going through its headers as it does on the wire.

use std::time::Duration;

use chrono::{DateTime, Utc};
use forebay_domain::Outcome;
use forebay_domain::retry::{RetryPolicy, Verdict, unpark};
use forebay_schemas::trail::Headers;
use forebay_schemas::{Code, Tier, Trail};
use proptest::prelude::*;
use proptest::test_runner::FileFailurePersistence;

const DAY_S: u64 = 24 * 3600;
const LADDER: [Tier; 7] = [Tier::S5, Tier::S30, Tier::M2, Tier::M10, Tier::H1, Tier::H1, Tier::H1];

#[derive(Debug, Clone)]
enum Answer {
    Done,
    Duplicate,
    Reject,
    Retry { after_s: Option<u64> },
    Unknown,
    Defer { for_s: u64 },
}

fn answer() -> impl Strategy<Value = Answer> {
    prop_oneof![
        1 => Just(Answer::Done),
        1 => Just(Answer::Duplicate),
        1 => Just(Answer::Reject),
        20 => prop::option::weighted(0.3, 0u64..10_000).prop_map(|after_s| Answer::Retry { after_s }),
        5 => Just(Answer::Unknown),
        20 => (0u64..20_000).prop_map(|for_s| Answer::Defer { for_s }),
    ]
}

fn outcome(answer: &Answer, now: DateTime<Utc>) -> Outcome {
    match answer {
        Answer::Done => Outcome::Done,
        Answer::Duplicate => Outcome::Duplicate,
        Answer::Reject => Outcome::reject(Code::Rejected, "no"),
        Answer::Retry { after_s } => Outcome::Retry {
            code: Code::Timeout,
            error: "late".to_owned(),
            after: after_s.map(Duration::from_secs),
        },
        Answer::Unknown => Outcome::Unknown { error: "no answer".to_owned() },
        Answer::Defer { for_s } => Outcome::Defer { until: now + Duration::from_secs(*for_s), why: "paced" },
    }
}

/// What the model remembers of a message.
#[derive(Debug, Default)]
struct Model {
    failed: usize,
    /// Seconds since it was first held, and how many of them it was deferred or waited for its turn.
    age_s: u64,
    deferred_s: u64,
}

/// What the model expects.
#[derive(Debug, PartialEq)]
enum Expected {
    Ack,
    Dead(Code),
    /// In one of these tiers.
    Delay(Vec<Tier>),
}

fn next_longer(tier: Tier) -> Tier {
    Tier::ALL.iter().copied().find(|other| other.duration() > tier.duration()).unwrap_or(tier)
}

/// The shortest tier that is long enough, or the longest there is.
fn long_enough(seconds: u64) -> Tier {
    let enough = Tier::ALL.iter().copied().find(|tier| tier.duration() >= Duration::from_secs(seconds));
    enough.unwrap_or(Tier::H1)
}

impl Model {
    fn too_old(&self) -> bool {
        self.age_s - self.deferred_s > DAY_S
    }

    fn expect(&mut self, answer: &Answer) -> Expected {
        let (code, after_s) = match answer {
            Answer::Done | Answer::Duplicate => return Expected::Ack,
            Answer::Reject => return Expected::Dead(Code::Rejected),
            Answer::Defer { .. } if self.too_old() => return Expected::Dead(Code::Expired),
            Answer::Defer { for_s } => return Expected::Delay(vec![long_enough(*for_s)]),
            Answer::Retry { after_s } => (Code::AttemptsExhausted, *after_s),
            Answer::Unknown => (Code::OutcomeUnknown, None),
        };
        let Some(step) = LADDER.get(self.failed).copied() else { return Expected::Dead(code) };
        self.failed += 1;
        if self.too_old() {
            return Expected::Dead(Code::Expired);
        }
        Expected::Delay(match after_s {
            Some(seconds) if long_enough(seconds).duration() > step.duration() => vec![long_enough(seconds)],
            Some(_) => vec![step],
            None => vec![step, next_longer(step)],
        })
    }
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 2_000,
        failure_persistence: Some(Box::new(FileFailurePersistence::WithSource("regressions"))),
        ..ProptestConfig::default()
    })]

    #[test]
    fn every_answer_leads_where_the_model_says(
        life in prop::collection::vec((answer(), 0u64..20_000, 0.0f64..1.0), 1..60),
    ) {
        let policy = RetryPolicy::default();
        let mut now = DateTime::from_timestamp(1_700_000_000, 0).unwrap();
        let (mut model, mut headers) = (Model::default(), Headers::new());
        for (answer, late_s, jitter) in life {
            let trail = unpark(Trail::read(&headers), now);
            prop_assert_eq!(trail.attempts as usize, model.failed);
            let verdict = policy.decide(&outcome(&answer, now), &trail, now, jitter);
            let expected = model.expect(&answer);
            match (&verdict, &expected) {
                (Verdict::Ack, Expected::Ack) => return Ok(()),
                (Verdict::Dead(trail), Expected::Dead(code)) => {
                    prop_assert_eq!(trail.code, Some(*code));
                    prop_assert_eq!((trail.not_before, trail.parked_at), (None, None));
                    return Ok(());
                }
                (Verdict::Delay(tier, trail), Expected::Delay(tiers)) => {
                    prop_assert!(tiers.contains(tier), "{:?} is none of {:?}", tier, tiers);
                    // What asked to be left alone for longer than the tier is not tried before.
                    let wait = match &answer {
                        Answer::Retry { after_s } => after_s.unwrap_or(0),
                        Answer::Defer { for_s } => *for_s,
                        _ => 0,
                    };
                    if Duration::from_secs(wait) > tier.duration() {
                        prop_assert_eq!(trail.not_before, Some(now + Duration::from_secs(wait)));
                    }
                    trail.write(&mut headers);
                    prop_assert_eq!(&Trail::read(&headers), trail);
                    let passed_s = tier.duration().as_secs() + late_s;
                    now += Duration::from_secs(passed_s);
                    model.age_s += passed_s;
                    // After a delay it waits for its turn, and that is no failure of its own.
                    let deferred = matches!(answer, Answer::Defer { .. });
                    model.deferred_s += if deferred { passed_s } else { late_s };
                }
                _ => prop_assert!(false, "{:?} led to {:?}, not to {:?}", answer, verdict, expected),
            }
        }
        prop_assert!(model.failed <= LADDER.len());
    }

    #[test]
    fn a_past_made_up_by_somebody_else_is_answered(
        attempts in any::<u32>(),
        crashes in any::<u32>(),
        deferred_ms in any::<u64>(),
        instants in prop::array::uniform3(prop::option::of(-62_000_000_000i64..253_000_000_000)),
        answer in answer(),
        jitter in any::<f64>(),
    ) {
        let instant = |n: usize| instants[n].and_then(|seconds: i64| DateTime::from_timestamp(seconds, 0));
        let trail = Trail {
            attempts,
            crashes,
            deferred_ms,
            first_seen: instant(0),
            not_before: instant(1),
            parked_at: instant(2),
            ..Trail::default()
        };
        let mut headers = Headers::new();
        trail.write(&mut headers);
        let now = DateTime::from_timestamp(1_700_000_000, 0).unwrap();
        let trail = unpark(Trail::read(&headers), now);
        let _ = RetryPolicy::default().decide(&outcome(&answer, now), &trail, now, jitter);
    }
}
