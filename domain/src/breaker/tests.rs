use proptest::prelude::*;

use super::*;

fn at(seconds: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(1_700_000_000 + seconds, 0).unwrap()
}

fn tally(ends: &[CallEnd]) -> Tally {
    let mut tally = Tally::default();
    ends.iter().for_each(|end| tally.count(*end));
    tally
}

fn many(well: u32, failed: u32) -> Tally {
    let mut tally = Tally::default();
    (0..failed).for_each(|_| tally.count(CallEnd::Failed));
    (0..well).for_each(|_| tally.count(CallEnd::Well));
    tally
}

const POLICY: fn() -> BreakerPolicy = BreakerPolicy::default;

fn told(breaker: &mut Breaker, tally: Tally, seconds: i64) -> Change {
    breaker.report(&tally, "503", &POLICY(), at(seconds))
}

fn opened() -> Breaker {
    let mut breaker = Breaker::default();
    assert_eq!(told(&mut breaker, tally(&[CallEnd::Failed; 5]), 0), Change::Opened);
    breaker
}

#[test]
fn half_of_many_calls_within_a_minute_open_it() {
    let mut breaker = Breaker::default();
    assert_eq!(told(&mut breaker, many(11, 9), 0), Change::None, "45 %");
    assert_eq!(told(&mut breaker, many(0, 1), 59), Change::None, "10 of 21");
    assert_eq!(told(&mut breaker, many(0, 1), 59), Change::Opened, "11 of 22");
    let mut breaker = Breaker::default();
    told(&mut breaker, many(11, 9), 0);
    assert_eq!(told(&mut breaker, many(1, 2), 70), Change::None, "what is older does not count");
}

#[test]
fn few_calls_open_it_when_they_fail_one_after_the_other() {
    let mut breaker = Breaker::default();
    for _ in 0..3 {
        assert_eq!(told(&mut breaker, many(0, 4), 0), Change::None);
        assert_eq!(told(&mut breaker, many(1, 0), 0), Change::None);
        breaker.recent.clear();
    }
    assert_eq!(told(&mut breaker, many(0, 4), 1000), Change::None);
    assert_eq!(told(&mut breaker, many(0, 1), 5000), Change::Opened, "however rare they are");
}

#[test]
fn one_probe_is_let_through_after_the_pause_and_a_good_one_closes_it() {
    let mut breaker = opened();
    assert_eq!(breaker.phase(at(29)), Phase::Open);
    assert!(!breaker.probe(&POLICY(), at(29)));
    assert_eq!(told(&mut breaker, many(3, 3), 10), Change::None, "calls that were under way");
    assert!(breaker.probe(&POLICY(), at(30)));
    assert_eq!(breaker.phase(at(31)), Phase::HalfOpen);
    assert!(!breaker.probe(&POLICY(), at(31)), "one at a time");
    assert_eq!(told(&mut breaker, many(1, 0), 32), Change::Closed);
    assert_eq!((breaker.phase(at(32)), breaker.recovered_at), (Phase::Closed, Some(at(32))));
}

#[test]
fn a_probe_that_never_comes_back_is_given_up() {
    let mut breaker = opened();
    assert!(breaker.probe(&POLICY(), at(30)));
    assert!(!breaker.probe(&POLICY(), at(89)));
    assert!(breaker.probe(&POLICY(), at(90)));
}

#[test]
fn each_probe_that_fails_doubles_the_pause_up_to_its_bound() {
    let mut breaker = opened();
    let mut now = 0;
    for pause in [30, 60, 120, 240, 300, 300] {
        now += pause;
        assert!(!breaker.probe(&POLICY(), at(now - 1)), "{pause}");
        assert!(breaker.probe(&POLICY(), at(now)), "{pause}");
        assert_eq!(told(&mut breaker, many(0, 1), now), Change::Reopened);
    }
    assert_eq!(breaker.bar.as_ref().map(|bar| bar.since), Some(at(0)), "down since then");
}

#[test]
fn over_a_weekend_it_is_tried_each_five_minutes() {
    let (mut breaker, mut probes) = (opened(), 0);
    for second in 0..60 * 3600 {
        if breaker.probe(&POLICY(), at(second)) {
            probes += 1;
            told(&mut breaker, many(0, 1), second);
        }
    }
    assert!((715..=725).contains(&probes), "{probes} probes in 60 hours");
    let monday = breaker.bar.as_ref().map(|bar| (bar.until - at(0)).num_seconds()).unwrap();
    assert!(breaker.probe(&POLICY(), at(monday)));
    assert_eq!(told(&mut breaker, many(1, 0), monday), Change::Closed);
}

#[test]
fn one_that_fails_while_it_comes_back_was_not_well() {
    let mut breaker = opened();
    assert!(breaker.probe(&POLICY(), at(30)));
    told(&mut breaker, many(1, 0), 30);
    assert_eq!(told(&mut breaker, many(0, 5), 40), Change::Opened);
    assert!(!breaker.probe(&POLICY(), at(99)));
    assert!(breaker.probe(&POLICY(), at(100)), "twice the first pause");
    told(&mut breaker, many(1, 0), 100);
    assert_eq!(told(&mut breaker, many(0, 5), 400), Change::Opened);
    assert!(breaker.probe(&POLICY(), at(430)), "the first pause again");
}

#[test]
fn refused_credentials_open_it_at_once_until_they_are_others() {
    let mut breaker = Breaker::default();
    told(&mut breaker, many(1000, 0), 0);
    assert_eq!(told(&mut breaker, tally(&[CallEnd::Denied]), 1), Change::Opened);
    assert!(!breaker.probe(&POLICY(), at(600)));
    assert!(breaker.probe(&POLICY(), at(601)));
    assert_eq!(told(&mut breaker, tally(&[CallEnd::Denied]), 602), Change::Reopened);
    breaker.renewed(at(700));
    assert!(breaker.probe(&POLICY(), at(700)));
}

#[test]
fn one_that_stays_open_for_another_cause_is_told_of() {
    let mut breaker = opened();
    assert_eq!(told(&mut breaker, tally(&[CallEnd::Denied]), 1), Change::Opened, "somebody has to mend that");
    assert!(breaker.probe(&POLICY(), at(601)));
    assert_eq!(told(&mut breaker, tally(&[CallEnd::Denied]), 602), Change::Reopened);
    let ordered = Force {
        open: true,
        until: Some(at(700)),
        since: at(0),
        actor: "ops".into(),
        reason: "moving".into(),
    };
    assert_eq!(breaker.order(Some(ordered), at(650)), Change::None);
    assert!(breaker.probe(&POLICY(), at(700)));
    assert_eq!(told(&mut breaker, many(0, 1), 701), Change::Opened, "it was to be back by then");
}

#[test]
fn people_keep_it_open_or_closed_for_a_while() {
    let force = |open, until: Option<i64>| {
        Some(Force { open, until: until.map(at), since: at(0), actor: "ops".into(), reason: "moving".into() })
    };
    let mut breaker = Breaker::default();
    assert_eq!(breaker.order(force(true, Some(100)), at(0)), Change::Opened);
    assert!(!breaker.probe(&POLICY(), at(99)));
    assert!(breaker.probe(&POLICY(), at(100)), "afterwards it is tried");
    assert_eq!(breaker.order(force(false, Some(200)), at(101)), Change::Closed);
    assert_eq!(told(&mut breaker, many(0, 100), 150), Change::None, "whatever happens");
    assert_eq!(told(&mut breaker, tally(&[CallEnd::Denied]), 199), Change::None);
    assert_eq!(told(&mut breaker, many(0, 1), 201), Change::Opened, "it goes by itself again");
    breaker.order(force(true, None), at(300));
    assert!(!breaker.probe(&POLICY(), at(1_000_000_000)));
    breaker.order(None, at(400));
    assert!(breaker.probe(&POLICY(), at(400)));
}

#[test]
fn it_is_read_as_it_was_written() {
    let mut breaker = opened();
    breaker.probe(&POLICY(), at(30));
    let text = serde_json::to_string(&breaker).unwrap();
    assert_eq!(serde_json::from_str::<Breaker>(&text).unwrap(), breaker);
    assert_eq!(serde_json::from_str::<Breaker>("{\"bar\":null}").unwrap(), Breaker::default());
}

/// What may happen to a breaker.
#[derive(Debug, Clone, Copy)]
enum Step {
    Wait(i64),
    Call(CallEnd),
    Probe,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        (1i64..200).prop_map(Step::Wait),
        Just(Step::Call(CallEnd::Well)),
        Just(Step::Call(CallEnd::Failed)),
        Just(Step::Call(CallEnd::Failed)),
        Just(Step::Probe),
    ];
    prop::collection::vec(step, 1..300)
}

/// The same machine as simply as it can be said: every call remembered with its time.
#[derive(Default)]
struct Model {
    calls: Vec<(i64, bool)>,
    open_until: Option<i64>,
    probing: bool,
    pause: i64,
    recovered: Option<i64>,
}

impl Model {
    fn call(&mut self, well: bool, now: i64) {
        if self.open_until.is_some() {
            if self.probing {
                self.probing = false;
                if well {
                    (self.open_until, self.recovered) = (None, Some(now));
                } else {
                    self.pause = (self.pause * 2).min(300);
                    self.open_until = Some(now + self.pause);
                }
                self.calls.clear();
            }
            return;
        }
        self.calls.push((now, well));
        if well {
            return;
        }
        let window = |(at, _): &&(i64, bool)| (1_700_000_000 + at) / 10 > (1_700_000_000 + now) / 10 - 6;
        let (calls, failed) =
            self.calls.iter().filter(window).fold((0, 0), |n, (_, well)| (n.0 + 1, n.1 + i64::from(!well)));
        let in_row = self.calls.iter().rev().take_while(|(_, well)| !well).count();
        if if calls < 20 { in_row >= 5 } else { failed * 2 >= calls } {
            let relapse = self.recovered.is_some_and(|at| now - at <= 60);
            self.pause = if relapse { (self.pause * 2).min(300) } else { 30 };
            self.open_until = Some(now + self.pause);
            self.calls.clear();
        }
    }

    fn probe(&mut self, now: i64) -> bool {
        let due = self.open_until.is_some_and(|until| until <= now);
        if due {
            (self.open_until, self.probing) = (Some(now + 60), true);
        }
        due
    }
}

proptest! {
    #[test]
    fn it_does_what_the_simple_model_does(steps in steps()) {
        let (mut breaker, mut model, mut now) = (Breaker::default(), Model::default(), 0);
        for step in steps {
            match step {
                Step::Wait(seconds) => now += seconds,
                Step::Call(end) => {
                    breaker.report(&tally(&[end]), "x", &POLICY(), at(now));
                    model.call(end == CallEnd::Well, now);
                }
                Step::Probe => prop_assert_eq!(breaker.probe(&POLICY(), at(now)), model.probe(now)),
            }
            let until = breaker.bar.as_ref().map(|bar| (bar.until - at(0)).num_seconds());
            prop_assert_eq!(until, model.open_until, "at {}: {:?}", now, breaker);
        }
    }

    #[test]
    fn calls_told_one_by_one_or_together_open_it_alike_once_they_all_fail(batches in prop::collection::vec(1u32..8, 1..10)) {
        let (mut together, mut one_by_one) = (Breaker::default(), Breaker::default());
        for batch in batches {
            told(&mut together, many(0, batch), 0);
            (0..batch).for_each(|_| { told(&mut one_by_one, many(0, 1), 0); });
        }
        prop_assert_eq!(together.bar.is_some(), one_by_one.bar.is_some());
    }
}
