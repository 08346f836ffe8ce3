use super::*;

fn raise(severity: Severity) -> Raise {
    Raise {
        fingerprint: "stock/mug".into(),
        rule: AlertRule::StockLow,
        about: None,
        severity,
        title: "Low".into(),
        impact: String::new(),
        action: String::new(),
        sample: String::new(),
        count: 1,
    }
}

fn now() -> DateTime<Utc> {
    DateTime::from_timestamp(1_700_000_000, 0).unwrap()
}

#[test]
fn the_first_raises_are_gathered_into_one_telling() {
    let timing = Timing::default();
    let first = raised(None, &raise(Severity::Warning), now(), Uuid::nil(), &timing);
    assert_eq!(first.tell_at, Some(now() + timing.group_wait));
    let soon = now() + Duration::from_secs(3);
    let second = raised(Some(first.incident), &raise(Severity::Warning), soon, Uuid::nil(), &timing);
    assert_eq!((second.incident.raise.count, second.tell_at), (2, None));
}

#[test]
fn updates_keep_their_distance_unless_it_gets_worse() {
    let timing = Timing::default();
    let mut incident = raised(None, &raise(Severity::Warning), now(), Uuid::nil(), &timing).incident;
    incident.told_at = Some(now());
    incident.tell_due_at = None;
    let later = now() + Duration::from_secs(10);
    let same = raised(Some(incident.clone()), &raise(Severity::Warning), later, Uuid::nil(), &timing);
    assert_eq!(same.tell_at, Some(now() + timing.update_every));
    let again = raised(Some(same.incident.clone()), &raise(Severity::Warning), later, Uuid::nil(), &timing);
    assert_eq!(again.tell_at, None, "one telling is on its way already");
    let worse = raised(Some(same.incident), &raise(Severity::Critical), later, Uuid::nil(), &timing);
    assert_eq!(worse.tell_at, Some(later));
}

#[test]
fn a_report_is_told_and_is_over() {
    let report = Raise { rule: AlertRule::StockDigest, ..raise(Severity::Info) };
    let Change { incident, tell_at, .. } = raised(None, &report, now(), Uuid::nil(), &Timing::default());
    assert_eq!(incident.resolved_at, Some(now()));
    assert_eq!(tell_at, Some(now() + Timing::default().group_wait));
}

#[test]
fn an_incident_that_nobody_heard_of_ends_in_silence() {
    let opened = raised(None, &raise(Severity::Info), now(), Uuid::nil(), &Timing::default()).incident;
    assert_eq!(resolved(opened.clone(), now()).tell_at, None);
    let told = Incident { told_at: Some(now()), ..opened };
    assert_eq!(resolved(told, now()).tell_at, Some(now()));
}

fn told(severity: Severity) -> Incident {
    let incident = raised(None, &raise(severity), now(), Uuid::nil(), &Timing::default()).incident;
    Incident { told_at: Some(now()), tell_due_at: None, ..incident }
}

fn later(seconds: u64) -> DateTime<Utc> {
    now() + Duration::from_secs(seconds)
}

fn again(incident: Incident, severity: Severity, at: DateTime<Utc>) -> Change {
    raised(Some(incident), &raise(severity), at, Uuid::nil(), &Timing::default())
}

#[test]
fn who_takes_an_incident_on_is_told_once_and_then_it_is_silent_until_it_gets_worse() {
    let Change { mut incident, tell_at, .. } =
        handled(told(Severity::Warning), Order::Acknowledge, "ops", later(60)).unwrap();
    assert_eq!((tell_at, incident.revision), (Some(later(60)), 2));
    assert_eq!(handled(incident.clone(), Order::Acknowledge, "other", later(61)), None, "the first stays");
    (incident.told_at, incident.tell_due_at) = (Some(later(60)), None);
    let same = again(incident.clone(), Severity::Warning, later(1_000));
    assert_eq!((same.tell_at, same.incident.raise.count), (None, 2));
    assert!(!repeat_due(&same.incident, later(100_000), &Timing::default()));
    let worse = again(incident.clone(), Severity::Critical, later(1_000));
    assert_eq!(worse.tell_at, Some(later(1_000)));
    assert_eq!(worse.incident.handling, Handling::default(), "somebody has to take it on anew");
    assert_eq!(resolved(incident, later(2_000)).tell_at, Some(later(2_000)), "its end is told");
}

#[test]
fn a_snoozed_incident_is_silent_until_the_end_whatever_comes() {
    let order = Order::Snooze { until: later(3_600) };
    let Change { incident, tell_at, .. } = handled(told(Severity::Warning), order, "ops", later(60)).unwrap();
    assert_eq!((tell_at, incident.tell_due_at), (Some(later(3_600)), Some(later(3_600))));
    assert_eq!(incident.handling.silent_until(later(3_599)), Some(later(3_600)));
    assert_eq!(incident.handling.silent_until(later(3_600)), None);
    let same = again(incident.clone(), Severity::Warning, later(1_000));
    assert_eq!((same.tell_at, same.incident.tell_due_at), (None, Some(later(3_600))));
    assert_eq!(resolved(incident.clone(), later(2_000)).tell_at, Some(later(3_600)));
    let taken_on = handled(incident.clone(), Order::Acknowledge, "ops", later(1_000)).unwrap();
    assert_eq!((taken_on.tell_at, taken_on.incident.tell_due_at), (None, Some(later(3_600))));
    let worse = again(incident, Severity::Critical, later(1_000));
    assert_eq!((worse.tell_at, worse.incident.handling.snoozed), (Some(later(1_000)), None));
}

#[test]
fn what_is_open_and_untold_for_long_is_repeated_unless_people_see_to_it() {
    let timing = Timing::default();
    let incident = told(Severity::Warning);
    assert!(!repeat_due(&incident, later(4 * 3_600 - 1), &timing));
    assert!(repeat_due(&incident, later(4 * 3_600), &timing));
    let planned = Incident { tell_due_at: Some(later(1)), ..incident.clone() };
    assert!(!repeat_due(&planned, later(4 * 3_600), &timing));
    let snoozed = handled(incident, Order::Snooze { until: later(90_000) }, "ops", now()).unwrap().incident;
    assert!(!repeat_due(&Incident { tell_due_at: None, ..snoozed }, later(4 * 3_600), &timing));
}

#[test]
fn what_comes_back_a_third_time_within_the_hour_stays_one_incident_that_says_so() {
    let mut known = told(Severity::Warning);
    for n in 1..=5u64 {
        let ended = resolved(known.clone(), later(n * 600)).incident;
        let back = raised(
            Some(ended),
            &raise(Severity::Warning),
            later(n * 600 + 60),
            Uuid::max(),
            &Timing::default(),
        );
        assert_eq!(back.incident.id == Uuid::max(), n < 3, "{n}");
        assert_eq!((back.incident.flaps, back.incident.is_flapping()), (n as i64, n >= 3));
        assert_eq!(back.incident.resolved_at, None);
        let (id, told_at) = (if n < 3 { Uuid::nil() } else { back.incident.id }, Some(later(n * 600 + 90)));
        known = Incident { id, told_at, tell_due_at: None, ..back.incident };
    }
    let ended = resolved(known, later(4_000));
    assert_eq!(ended.tell_at, Some(later(4_000) + FLAPS_WITHIN), "told when it stays away");
    let much_later = later(4_000) + FLAPS_WITHIN;
    let new =
        raised(Some(ended.incident), &raise(Severity::Warning), much_later, Uuid::max(), &Timing::default());
    assert_eq!((new.incident.id, new.incident.flaps), (Uuid::max(), 0));
}

fn opening(n: u32, at: DateTime<Utc>) -> Change {
    let raise = Raise { fingerprint: format!("stock/{n}"), ..raise(Severity::Warning) };
    raised(None, &raise, at, Uuid::from_u128(n.into()), &Timing::default())
}

#[test]
fn of_one_rule_five_are_told_in_a_quarter_of_an_hour_and_the_rest_is_counted() {
    let mut paces = std::collections::BTreeMap::new();
    let mut changes: Vec<Change> = (0..40).map(|n| opening(n, later(u64::from(n)))).collect();
    assert_eq!(rules_told(&changes), ["stock_low"]);
    let held = held_back(&mut changes, &mut paces, later(40));
    assert_eq!(changes.iter().filter(|change| change.tell_at.is_some()).count(), TELLINGS_MAX);
    assert_eq!((held.len(), held[0].summary.count), (1, 35));
    assert_eq!(held[0].due_at, later(30) + TELLINGS_WITHIN, "when there is room again");
    let first = summed_up(None, &held[0], later(40), Uuid::nil());
    assert_eq!((first.tell_at, first.incident.resolved_at), (Some(held[0].due_at), None));
    let second = summed_up(Some(first.incident), &held[0], later(41), Uuid::nil());
    assert_eq!((second.tell_at, second.incident.raise.count), (None, 70), "one summary counts all");
    assert_eq!(second.incident.tell_due_at, Some(held[0].due_at));
    let mut next = [opening(50, later(40) + TELLINGS_WITHIN)];
    assert!(held_back(&mut next, &mut paces, later(40) + TELLINGS_WITHIN).is_empty());
}

#[test]
fn what_people_know_of_may_always_get_worse_and_end() {
    let worse = again(told(Severity::Warning), Severity::Critical, later(1));
    let end = resolved(told(Severity::Warning), later(1));
    let acked = handled(told(Severity::Warning), Order::Acknowledge, "ops", later(1)).unwrap();
    let mut changes = [worse, end, acked];
    let full = Pace::new(vec![later(1); TELLINGS_MAX]);
    let mut paces = [("stock_low".to_owned(), full)].into();
    assert!(rules_told(&changes).is_empty());
    assert!(held_back(&mut changes, &mut paces, later(1)).is_empty());
    assert!(changes.iter().all(|change| change.tell_at == Some(later(1))));
}

proptest::proptest! {
    #[test]
    fn no_quarter_of_an_hour_has_more_tellings_of_a_rule(seconds in proptest::collection::vec(0u64..5_000, 1..80)) {
        let mut paces = std::collections::BTreeMap::new();
        let mut times = seconds;
        times.sort_unstable();
        let mut told: Vec<DateTime<Utc>> = Vec::new();
        let mut held = 0;
        for (n, at) in (0u32..).zip(&times) {
            let mut change = [opening(n, later(*at))];
            held += held_back(&mut change, &mut paces, later(*at)).iter().map(|h| h.summary.count).sum::<i64>();
            told.extend(change[0].tell_at);
        }
        for begin in &told {
            let within = told.iter().filter(|at| *begin <= **at && **at - *begin < TELLINGS_WITHIN).count();
            proptest::prop_assert!(within <= TELLINGS_MAX);
        }
        proptest::prop_assert_eq!(told.len() + held as usize, times.len());
    }
}

fn heard(severity: Severity) -> Incident {
    let incident = told(severity);
    Incident {
        told_revision: 1,
        told: Said::of(&incident),
        heard_at: Some(now()),
        heard_count: 1,
        ..incident
    }
}

fn why(incident: &Incident, at: DateTime<Utc>) -> Option<Why> {
    why_told(incident, incident.revision, at, &Timing::default())
}

#[test]
fn what_is_repeated_is_repeated_after_four_hours_and_then_once_a_day() {
    let timing = Timing::default();
    let mut incident = heard(Severity::Warning);
    let mut hours = Vec::new();
    for hour in 0..24 * 7u64 {
        let at = later(hour * 3_600);
        if repeat_due(&incident, at, &timing) {
            assert_eq!(why(&incident, at), Some(Why::Repeated));
            (incident.told_at, incident.heard_at) = (Some(at), Some(at));
            hours.push(hour);
        } else if incident.told_at != Some(at) {
            // Counts are changed in place all the time, of which nobody hears.
            (incident.told_at, incident.told_revision) = (Some(at), incident.revision);
        }
    }
    assert_eq!(hours, [4, 28, 52, 76, 100, 124, 148]);
}

#[test]
fn a_telling_of_which_every_attempt_failed_is_planned_anew() {
    let incident = raised(None, &raise(Severity::Warning), now(), Uuid::nil(), &Timing::default()).incident;
    let soon = again(incident.clone(), Severity::Warning, later(3_600));
    assert_eq!(soon.tell_at, None, "it may still come");
    let late = again(incident.clone(), Severity::Warning, later(5 * 3_600));
    assert_eq!(late.tell_at, Some(later(5 * 3_600)));
    assert!(repeat_due(&incident, later(5 * 3_600), &Timing::default()), "nobody raises it again");
    assert_eq!(why(&incident, later(5 * 3_600)), Some(Why::Opened));
}

#[test]
fn people_hear_of_what_is_of_note_and_read_the_rest_where_it_stands() {
    let told = heard(Severity::Warning);
    let grown = |count| {
        let mut incident = again(told.clone(), Severity::Warning, later(10)).incident;
        incident.raise.count = count;
        why(&incident, later(400))
    };
    assert_eq!((grown(9), grown(10)), (Some(Why::Updated), Some(Why::Grown)));
    let worse = again(told.clone(), Severity::Critical, later(10)).incident;
    assert_eq!(why(&worse, later(10)), Some(Why::Worse));
    let acked = handled(told.clone(), Order::Acknowledge, "ops", later(10)).unwrap().incident;
    assert_eq!(why(&acked, later(10)), Some(Why::Acknowledged));
    let snoozed = handled(told.clone(), Order::Snooze { until: later(600) }, "ops", later(10)).unwrap();
    assert!(snoozed.also_now, "who wants silence is told at once");
    assert_eq!(why(&snoozed.incident, later(10)), Some(Why::Snoozed));
    let silent = Incident { told_at: Some(later(11)), told_revision: 2, ..snoozed.incident };
    assert_eq!((why(&silent, later(599)), why(&silent, later(600))), (None, Some(Why::Awake)));
    let flapping = Incident { flaps: FLAPPING_FROM, revision: 2, ..told.clone() };
    assert_eq!(why(&flapping, later(10)), Some(Why::Flapping));
    let over = resolved(told.clone(), later(10)).incident;
    assert_eq!(why(&over, later(10)), Some(Why::Resolved));
    assert_eq!(why(&told, later(10)), None, "a telling that comes twice");
    assert!([Why::Worse, Why::Repeated].iter().all(|why| why.is_for_all() && why.is_of_note()));
    assert!(!Why::Grown.is_for_all() && !Why::Updated.is_of_note());
}

#[test]
fn what_came_while_people_were_told_is_told_at_once_when_it_is_an_end_or_worse_and_else_with_its_distance() {
    let timing = Timing::default();
    let at = |incident: &Incident| overtaken(incident, later(40), &timing);
    let sent = heard(Severity::Warning);
    assert_eq!(at(&sent), None, "people know all of it");
    let ended = Incident { revision: 2, resolved_at: Some(later(35)), ..sent.clone() };
    assert_eq!((at(&ended), why(&ended, later(40))), (Some(later(40)), Some(Why::Resolved)));
    let flapping = Incident { flaps: FLAPPING_FROM, ..ended.clone() };
    assert_eq!(at(&flapping), Some(later(35) + FLAPS_WITHIN), "when it stayed away");
    let planned = Incident { tell_due_at: Some(later(36)), ..ended };
    assert_eq!(at(&planned), None, "its telling is on its way");
    let mut more = Incident { revision: 2, ..sent };
    assert_eq!(at(&more), Some(later(40) + timing.update_every));
    let mut acked = more.clone();
    acked.handling.acknowledged = Some(Handled { at: later(36), by: "ops".into() });
    assert_eq!(at(&acked), None, "somebody took it on");
    more.raise.severity = Severity::Critical;
    assert_eq!((at(&more), why(&more, later(40))), (Some(later(40)), Some(Why::Worse)));
    let order = Order::Snooze { until: later(900) };
    let silent = handled(more.clone(), order, "ops", later(36)).unwrap().incident;
    assert_eq!(at(&Incident { tell_due_at: None, ..silent }), Some(later(900)), "somebody wants silence");
    more.raise.rule = AlertRule::StockDigest.as_str().to_owned();
    assert_eq!(at(&more), None, "a report is told once");
}

#[test]
fn what_was_silenced_and_is_planned_by_nobody_is_told_after_all() {
    let timing = Timing::default();
    let silenced = Incident { tell_due_at: None, ..of(1, AlertRule::NoConsumers, None) };
    assert!(!repeat_due(&silenced, later(4 * 3_600 - 1), &timing));
    assert!(repeat_due(&silenced, later(4 * 3_600), &timing));
    assert_eq!(why(&silenced, later(4 * 3_600)), Some(Why::Opened));
    let acked = handled(silenced.clone(), Order::Acknowledge, "ops", later(60)).unwrap().incident;
    assert!(!repeat_due(&acked, later(4 * 3_600), &timing), "somebody knows of it");
    let counted = Incident { tell_due_at: None, ..of(2, AlertRule::StockOut, None) };
    assert!(!repeat_due(&counted, later(90_000), &timing), "the summary told of it");
}

fn of(n: u128, rule: AlertRule, about: Option<About>) -> Incident {
    let raise = Raise { rule, about, fingerprint: format!("{rule}/{n}"), ..raise(Severity::Warning) };
    raised(None, &raise, now(), Uuid::from_u128(n), &Timing::default()).incident
}

#[test]
fn a_cause_silences_what_follows_from_it_and_nothing_else() {
    let system = |id: &str| Some(About::System(id.into()));
    let queue = |name: &str| Some(About::Queue(name.into()));
    let breaker = [of(1, AlertRule::BreakerOpen, system("fedex"))];
    let broker = [of(2, AlertRule::BrokerDown, None)];
    let of_queue = of(3, AlertRule::DeadLetters, queue("forebay.tracking.fedex"));
    let of_another = of(4, AlertRule::DeadLetters, queue("forebay.tracking.dhl"));
    let of_none = of(5, AlertRule::DeadLetters, None);
    let stock = of(6, AlertRule::StockOut, None);
    let silent = |incident: &Incident, by: &[Incident]| silencer(incident, by).is_some();
    assert_eq!(
        [&of_queue, &of_another, &of_none, &stock].map(|i| silent(i, &breaker)),
        [true, false, false, false]
    );
    assert_eq!(
        [&of_queue, &of_another, &of_none, &stock].map(|i| silent(i, &broker)),
        [true, true, false, false]
    );
    assert!(silent(&of(7, AlertRule::OutboxOld, None), &broker));
    assert!(!silent(&breaker[0], &breaker) && !silent(&breaker[0], &broker));
    let ended = [resolved(breaker[0].clone(), later(60)).incident];
    assert!(!silent(&of_queue, &ended));
    let outlives = |incident: &Incident, open: &[Incident]| {
        outlived(incident.clone(), &ended, open, later(60), &Timing::default())
            .and_then(|change| change.tell_at)
    };
    assert_eq!(
        outlives(&of_queue, &[]),
        Some(later(150)),
        "when it had time to end, and after the group wait"
    );
    assert_eq!(outlives(&of_queue, &broker), None, "something else silences it");
    assert_eq!(outlives(&of_another, &[]), None, "it was not silent");
    let known = Incident { told_at: Some(now()), told_revision: 1, ..of_queue };
    assert_eq!(outlives(&known, &[]), None, "people know all of it");
}

#[test]
fn what_an_incident_is_about_is_read_as_it_was_written() {
    for about in [About::System("dhl".into()), About::Queue("forebay.returns".into())] {
        assert_eq!(About::from_text(&about.to_text()), Some(about));
    }
    assert_eq!(About::from_text("moon/phase"), None);
    assert_eq!(About::system_of("carrier/dhl"), About::System("dhl".into()));
}
