use super::*;
use crate::drain::Drain;

const LIMITS: Limits = Limits {
    drain_late_s: 900.0,
    intake_refuses_s: 60.0,
    member_keys_unavailable_s: 60.0,
    no_consumers_s: 120.0,
    outbox_old_s: 60.0,
    queue_old_s: 900.0,
    schedule_missed_s: 120.0,
    spool_in_use_s: 60.0,
    token_not_renewed_s: 120.0,
    credentials_expire_days: 14.0,
    well_for_s: 60.0,
};
const MINUTE: Duration = Duration::from_secs(60);

fn at(s: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(1_795_143_600 + s, 0).unwrap()
}

fn queue() -> QueueSeen {
    QueueSeen {
        queue: "forebay.returns".to_owned(),
        ready: 1_000,
        oldest: None,
        nonempty: Duration::ZERO,
        was_empty: true,
        pace: 10.0,
        drain: Drain::In(Duration::from_secs(100)),
        within: 5 * MINUTE,
        workers: 1,
        left_alone: false,
    }
}

/// The rules by which a queue is bad, and those of which nothing can be said.
fn told(seen: &QueueSeen) -> (Vec<AlertRule>, usize) {
    let sights = of_queue(seen, &LIMITS);
    let unclear = sights.iter().filter(|sight| sight.state == State::Unclear).count();
    let bad = sights.into_iter().filter_map(|sight| match sight.state {
        State::Bad(raise) => Some(raise.rule),
        _ => None,
    });
    (bad.collect(), unclear)
}

#[test]
fn a_queue_that_is_worked_off_in_time_is_well() {
    assert_eq!(told(&queue()), (vec![], 0));
    assert_eq!(told(&QueueSeen { ready: 0, workers: 0, drain: Drain::Empty, ..queue() }), (vec![], 0));
}

#[test]
fn the_oldest_message_tells_by_its_age_and_where_nobody_tells_it_by_pace_and_time_since_empty() {
    let old = |oldest_s: u64| QueueSeen { oldest: Some(Duration::from_secs(oldest_s)), ..queue() };
    assert_eq!(told(&old(900)), (vec![AlertRule::QueueOld], 0));
    assert_eq!(told(&old(899)), (vec![], 1), "neither old nor well");
    assert_eq!(told(&old(700)), (vec![], 0));
    let still = QueueSeen { pace: 0.0, drain: Drain::Never, nonempty: 20 * MINUTE, ..queue() };
    assert_eq!(told(&still), (vec![AlertRule::QueueOld], 0));
    let busy = QueueSeen { nonempty: 20 * MINUTE, ..queue() };
    assert_eq!(told(&busy), (vec![], 0), "never empty, and each message waits for 100 s");
    let young = QueueSeen { nonempty: MINUTE, was_empty: false, ..still.clone() };
    assert_eq!(told(&young), (vec![], 1), "nobody has looked for long enough");
    assert_eq!(told(&QueueSeen { was_empty: true, ..young }), (vec![], 0));
}

#[test]
fn messages_without_a_worker_and_a_backlog_that_grows_are_told() {
    assert_eq!(told(&QueueSeen { workers: 0, ..queue() }), (vec![AlertRule::NoConsumers], 0));
    let late = QueueSeen { ready: 30_000, drain: Drain::Never, ..queue() };
    assert_eq!(told(&late).0, [AlertRule::DrainLate]);
    assert_eq!(told(&QueueSeen { left_alone: true, ..late.clone() }).0, []);
    assert_eq!(told(&QueueSeen { ready: 100, ..late }).0, [], "kept filled, and worked off in 10 s");
}

fn open(fingerprint: &str, s: i64) -> OpenOne {
    OpenOne { fingerprint: fingerprint.to_owned(), severity: Severity::Critical, last_seen: at(s) }
}

fn bad(fingerprint: &str, after: Duration) -> Sight {
    let seen = QueueSeen { workers: 0, ..queue() };
    let [_, sight, _] = of_queue(&seen, &LIMITS);
    let State::Bad(raise) = sight.state else { panic!("{sight:?}") };
    Sight::bad(Raise { fingerprint: fingerprint.to_owned(), ..*raise }).after(after)
}

#[test]
fn what_lasts_is_opened_once_and_ended_once_when_it_is_well_for_a_while() {
    let mut watcher = Watcher::default();
    let open = [open("q", 60)];
    let mut look = |sight: Sight, open: &[OpenOne], s: i64| {
        let verdicts = watcher.judge(vec![sight], open, MINUTE, at(s));
        (verdicts.raises.len(), verdicts.resolves.len())
    };
    assert_eq!(look(bad("q", MINUTE), &[], 0), (0, 0));
    assert_eq!(look(bad("q", MINUTE), &[], 59), (0, 0));
    assert_eq!(look(bad("q", MINUTE), &[], 60), (1, 0));
    assert_eq!(look(bad("q", MINUTE), &open, 65), (0, 0), "it is open");
    assert_eq!(look(Sight::well("q".into()), &open, 70), (0, 0));
    assert_eq!(look(bad("q", MINUTE), &open, 100), (0, 0));
    assert_eq!(look(Sight::well("q".into()), &open, 130), (0, 0), "well anew");
    assert_eq!(look(Sight::unclear("q".into()), &open, 195), (0, 0));
    assert_eq!(look(Sight::well("q".into()), &open, 200), (0, 1));
    assert_eq!(look(Sight::well("q".into()), &[], 205), (0, 0));
}

#[test]
fn what_another_process_opened_and_is_not_there_any_more_ends() {
    let mut watcher = Watcher::default();
    let open = [open("gone", 0)];
    assert_eq!(watcher.judge(vec![], &open, MINUTE, at(0)), Verdicts::default());
    assert_eq!(watcher.judge(vec![], &open, MINUTE, at(60)).resolves, ["gone"]);
}

#[test]
fn what_is_open_and_gets_worse_is_told_and_what_goes_on_says_what_is_so_now() {
    let mut watcher = Watcher::default();
    let warned = [OpenOne { severity: Severity::Warning, ..open("q", 0) }];
    let worse = watcher.judge(vec![bad("q", MINUTE)], &warned, MINUTE, at(5));
    assert_eq!((worse.raises.len(), worse.refreshes.len()), (1, 0), "people know of it: it need not last");
    let told = [open("q", 5)];
    assert_eq!(watcher.judge(vec![bad("q", MINUTE)], &told, MINUTE, at(300)), Verdicts::default());
    let goes_on = watcher.judge(vec![bad("q", MINUTE)], &told, MINUTE, at(305));
    assert_eq!((goes_on.raises.len(), goes_on.refreshes.len(), goes_on.resolves.len()), (0, 1, 0));
}

#[test]
fn a_token_is_missed_though_somebody_always_has_time_to_bring_it() {
    let mut watcher = Watcher::default();
    let mut told = 0;
    // Each has 15 s, and is followed at once by the next.
    for s in (0..=120).step_by(5) {
        let sought_until = at(s + 15);
        let renewal = Renewal { system: "carrier/fedex".into(), sought_until, good_until: None };
        let verdicts = watcher.judge(vec![of_renewal(&renewal, &LIMITS, at(s))], &[], MINUTE, at(s));
        told += verdicts.raises.len();
    }
    assert_eq!(told, 1);
    let open = [open("token_not_renewed/carrier/fedex", 120)];
    let mut ends = |s| watcher.judge(vec![], &open, MINUTE, at(s)).resolves.len();
    assert_eq!([ends(125), ends(185)], [0, 1], "brought, and over a minute after");
}

#[test]
fn a_clock_that_is_set_back_begins_anew() {
    let mut watcher = Watcher::default();
    watcher.judge(vec![bad("q", MINUTE)], &[], MINUTE, at(1_000));
    assert!(watcher.judge(vec![bad("q", MINUTE)], &[], MINUTE, at(0)).raises.is_empty());
    assert_eq!(watcher.judge(vec![bad("q", MINUTE)], &[], MINUTE, at(60)).raises.len(), 1);
}

#[test]
fn a_sign_tells_while_it_is_renewed() {
    let sign = |seen_s: i64| Sign {
        process: "intake one".into(),
        condition: Condition::SpoolInUse,
        subject: String::new(),
        since: at(0),
        seen_at: at(seen_s),
        detail: String::new(),
    };
    let state = |seen_s, heard_s, now_s| {
        let heard = Heard { sign: sign(seen_s), heard_at: at(heard_s) };
        of_sign(&heard, &LIMITS, at(now_s)).state
    };
    assert_eq!(state(30, 30, 31), State::Unclear);
    assert!(matches!(state(60, 60, 61), State::Bad(_)));
    assert_eq!(state(60, 60, 120), State::Well, "nothing was heard for a minute");
    assert!(matches!(state(60, 660, 661), State::Bad(_)), "its clock is ten minutes behind");
}

#[test]
fn tokens_credentials_tasks_and_the_outbox_tell_by_time() {
    let renewal = |left_s: i64| Renewal {
        system: "carrier/fedex".into(),
        sought_until: at(0),
        good_until: Some(at(left_s)),
    };
    let severity = |sight: Sight| match sight.state {
        State::Bad(raise) => Some(raise.severity),
        _ => None,
    };
    use Severity::{Critical, Warning};
    assert_eq!(severity(of_renewal(&renewal(60), &LIMITS, at(1))), Some(Warning));
    assert_eq!(severity(of_renewal(&renewal(-60), &LIMITS, at(1))), Some(Critical));
    let key = |days: i64| Credential { name: "k".into(), ends_at: at(days * 86_400) };
    let of = |days| severity(of_credential(&key(days), &LIMITS, at(0)));
    assert_eq!((of(15), of(14), of(-1)), (None, Some(Warning), Some(Critical)));
    let task = Task { name: "clock".into(), done_at: at(0) };
    assert_eq!(severity(of_task(&task, &LIMITS, at(59))), None);
    let missed = of_task(&task, &LIMITS, at(60));
    assert_eq!((missed.after, severity(missed)), (MINUTE, Some(Critical)));
    assert_eq!(severity(of_outbox(3, MINUTE, &LIMITS)), Some(Critical));
    assert_eq!(of_outbox(0, Duration::ZERO, &LIMITS).state, State::Well);
}

#[test]
fn each_rule_that_watches_has_a_threshold() {
    for rule in WATCHED {
        assert!(LIMITS.of(rule.as_str()).is_some(), "{rule}");
    }
    assert_eq!(LIMITS.look_every(), Duration::from_secs(5));
    assert_eq!(Limits { well_for_s: 0.1, ..LIMITS }.look_every(), Duration::from_millis(500));
    assert_eq!(LIMITS.of("queue_old"), Some(("queue_old_s", 900.0)));
    assert_eq!((LIMITS.of("stock_low"), LIMITS.of("well_for")), (None, Some(("well_for_s", 60.0))));
}
