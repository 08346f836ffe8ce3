//! Days: listed, voided, restored, summed up.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use forebay_domain::settlement::Answer;
use forebay_schemas::events::RejectCode;
use forebay_schemas::{MemberId, ProgrammeId};
use serde_json::json;
use uuid::Uuid;

use super::{Harness, at, check_in, claim, day, drain, later, member, now, programme, settle, stands_in};
use crate::{
    AttendanceFilter, AttendanceView, By, ClaimSum, DaySet, DaySummary, FunnelStep, RewardMessage, Store,
};

fn by(n: u128) -> By {
    By { id: Uuid::from_u128(n), actor: "key-1".into(), reason: "checked in by a script".into() }
}

/// Noon in Seoul on a day of November.
fn noon(date: u32) -> DateTime<Utc> {
    at(&format!("2026-11-{date:02}T03:00:00Z"))
}

fn on(date: u32, n: u32) -> RewardMessage {
    check_in(&format!("d{date}-{n}"), n, noon(date))
}

/// Members 1 to 3 on the 18th, 1 and 2 on the 19th, 1 on the 20th.
async fn with_days(harness: &dyn Harness) -> Arc<dyn Store> {
    let store = harness.store().await;
    store.put_programme(&programme(), now()).await.unwrap();
    let set = vec![on(18, 1), on(18, 2), on(18, 3), on(19, 1), on(19, 2), on(20, 1)];
    settle(store.as_ref(), set).await;
    store
}

fn told(views: &[AttendanceView]) -> Vec<(String, &str)> {
    views.iter().map(|view| (view.on_date.to_string(), view.member_id.as_str())).collect()
}

async fn void(store: &dyn Store, n: u32, date: u32, void: bool, entry: u128) -> DaySet {
    let on_date = day(&format!("2026-11-{date}"));
    store.set_day(&programme().id, &member(n), on_date, void, &by(entry), later(60)).await.unwrap()
}

pub async fn check_ins_are_listed_the_newest_day_first_page_by_page(harness: &dyn Harness) {
    let store = with_days(harness).await;
    let (id, filter) = (programme().id, AttendanceFilter::default());
    let (mut all, mut after) = (Vec::new(), None);
    loop {
        let page = store.attendance(&id, &filter, after.as_ref(), 2).await.unwrap();
        assert!(page.len() <= 2);
        let Some(last) = page.last() else { break };
        after = Some(last.cursor());
        all.extend(page);
        // What comes meanwhile is on another page, or on none.
        settle(store.as_ref(), vec![on(20, 2)]).await;
    }
    let days = ["2026-11-20", "2026-11-19", "2026-11-19", "2026-11-18", "2026-11-18", "2026-11-18"];
    let members = ["m-1", "m-2", "m-1", "m-3", "m-2", "m-1"];
    let expected: Vec<_> = days.map(str::to_owned).into_iter().zip(members).collect();
    assert_eq!(told(&all), expected);
    assert_eq!((all[0].received_at, &all[0].voided), (noon(20), &None));
    assert_eq!(store.attendance(&ProgrammeId::new("other").unwrap(), &filter, None, 9).await.unwrap(), []);
}

pub async fn check_ins_are_found_by_day_member_and_whether_they_count(harness: &dyn Harness) {
    let store = with_days(harness).await;
    void(store.as_ref(), 2, 19, true, 1).await;
    let count = async |filter: AttendanceFilter| {
        store.attendance(&programme().id, &filter, None, 100).await.unwrap().len()
    };
    let all = AttendanceFilter::default;
    assert_eq!(count(AttendanceFilter { from: Some(day("2026-11-19")), ..all() }).await, 3);
    assert_eq!(count(AttendanceFilter { to: Some(day("2026-11-18")), ..all() }).await, 3);
    assert_eq!(count(AttendanceFilter { member: Some(member(2)), ..all() }).await, 2);
    assert_eq!(count(AttendanceFilter { voided: Some(true), ..all() }).await, 1);
    assert_eq!(count(AttendanceFilter { voided: Some(false), ..all() }).await, 5);
    let both = AttendanceFilter { member: Some(member(2)), voided: Some(false), ..all() };
    assert_eq!(count(both).await, 1);
}

pub async fn a_voided_day_counts_nowhere_until_it_is_restored(harness: &dyn Harness) {
    let store = with_days(harness).await;
    let days = async || store.member_days(&programme().id, &member(1)).await.unwrap().days;
    assert_eq!(void(store.as_ref(), 1, 20, true, 1).await, DaySet::Done { needs_review: 0 });
    assert_eq!(days().await, [day("2026-11-18"), day("2026-11-19")]);
    assert_eq!(void(store.as_ref(), 1, 20, true, 2).await, DaySet::Already);
    assert_eq!(void(store.as_ref(), 1, 21, true, 3).await, DaySet::Unknown);
    assert_eq!(void(store.as_ref(), 9, 20, true, 4).await, DaySet::Unknown);
    let again = settle(store.as_ref(), vec![check_in("again", 1, noon(20))]).await;
    assert_eq!(again[0].1, Some(Answer::DayVoided(day("2026-11-20"))), "the member can't fetch it back");
    let filter = AttendanceFilter { voided: Some(true), ..AttendanceFilter::default() };
    let listed = store.attendance(&programme().id, &filter, None, 9).await.unwrap();
    let voided = listed[0].voided.as_ref().unwrap();
    assert_eq!((voided.at, voided.actor.as_deref()), (later(60), Some("key-1")));
    assert_eq!(voided.reason.as_deref(), Some("checked in by a script"));
    assert_eq!(void(store.as_ref(), 1, 20, false, 5).await, DaySet::Done { needs_review: 0 });
    assert_eq!(void(store.as_ref(), 1, 20, false, 6).await, DaySet::Already);
    assert_eq!(days().await.len(), 3);
    let log = store.audit_log(None, 10).await.unwrap();
    let actions: Vec<_> = log.iter().take(2).map(|entry| entry.action.as_str()).collect();
    assert!(actions.contains(&"attendance.void") && actions.contains(&"attendance.restore"), "{actions:?}");
    let entry = log.iter().find(|entry| entry.action == "attendance.void").unwrap();
    assert_eq!((entry.subject.as_str(), &entry.after["on_date"]), ("m-1", &json!("2026-11-20")));
    assert_eq!((&entry.before["voided"], &entry.after["voided"]), (&json!(false), &json!(true)));
}

pub async fn a_voided_day_marks_the_claims_that_it_bore(harness: &dyn Harness) {
    let store = with_days(harness).await;
    settle(store.as_ref(), vec![claim(1, 2, "one-day")]).await;
    let review = async || store.claim(Uuid::from_u128(1)).await.unwrap().unwrap().review;
    assert_eq!(void(store.as_ref(), 2, 18, true, 1).await, DaySet::Done { needs_review: 0 });
    assert_eq!(review().await, None, "another day bears it");
    assert_eq!(void(store.as_ref(), 2, 19, true, 2).await, DaySet::Done { needs_review: 1 });
    assert_eq!(review().await.as_deref(), Some("day_voided"));
    let view = store.claim(Uuid::from_u128(1)).await.unwrap().unwrap();
    assert_eq!(view.state, "granted", "nothing is taken back by itself");
    let summary = store.programme_summary(&programme().id, None, None).await.unwrap();
    assert_eq!(summary.needs_review, 1);
    assert_eq!(void(store.as_ref(), 2, 18, false, 3).await, DaySet::Done { needs_review: 0 });
    assert_eq!(review().await, None);
}

pub async fn a_member_is_told_how_far_they_have_come(harness: &dyn Harness) {
    let store = with_days(harness).await;
    settle(store.as_ref(), vec![claim(1, 1, "one-day")]).await;
    void(store.as_ref(), 1, 18, true, 1).await;
    let books = store.member_books(&programme().id, &member(1)).await.unwrap();
    let progress = books.progress_of(&programme().id, &member(1), now()).unwrap();
    assert_eq!((progress.count, progress.run), (2, 2));
    let rules: Vec<_> =
        progress.rules.iter().map(|r| (r.rule_id.as_str(), r.days_left, r.claimable, r.why_not)).collect();
    assert_eq!(
        rules,
        [
            ("one-day", 0, false, Some(RejectCode::AlreadyClaimed)),
            ("five-days", 3, false, Some(RejectCode::NotEnoughDays)),
        ]
    );
    assert!(books.voided[&(programme().id, member(1))].contains(&day("2026-11-18")));
    assert_eq!(books.stock.values().map(|stock| stock.remaining()).collect::<Vec<_>>(), [9]);
    let stranger = store.member_books(&programme().id, &member(9)).await.unwrap();
    let progress = stranger.progress_of(&programme().id, &member(9), now()).unwrap();
    assert_eq!((progress.count, progress.rules[0].days_left), (0, 1));
    let nowhere = store.member_books(&ProgrammeId::new("no-such").unwrap(), &member(1)).await.unwrap();
    assert!(nowhere.programmes.is_empty());
}

pub async fn a_programme_is_summed_up_in_figures(harness: &dyn Harness) {
    let store = with_days(harness).await;
    void(store.as_ref(), 3, 18, true, 1).await;
    settle(store.as_ref(), vec![claim(1, 1, "one-day"), claim(2, 2, "one-day"), claim(3, 3, "one-day")])
        .await;
    let id = programme().id;
    let summary = store.programme_summary(&id, None, None).await.unwrap();
    assert_eq!((summary.check_ins, summary.members, summary.needs_review), (5, 2, 0));
    let day_of = |date: &str, check_ins, voided| DaySummary { on_date: day(date), check_ins, voided };
    assert_eq!(
        summary.days,
        [day_of("2026-11-20", 1, 0), day_of("2026-11-19", 2, 0), day_of("2026-11-18", 2, 1)]
    );
    assert_eq!(summary.funnel, [FunnelStep { days: 2, members: 1 }, FunnelStep { days: 3, members: 1 }]);
    let sum = |state: &str, claims| ClaimSum { rule_id: "one-day".into(), state: state.into(), claims };
    assert_eq!(summary.claims, [sum("granted", 2), sum("rejected", 1)]);
    let part = store.programme_summary(&id, Some(day("2026-11-19")), Some(day("2026-11-19"))).await.unwrap();
    assert_eq!((part.check_ins, part.days.len(), part.members), (2, 1, 2));
}

pub async fn a_voided_day_of_an_erased_member_keeps_no_name(harness: &dyn Harness) {
    let store = with_days(harness).await;
    void(store.as_ref(), 1, 20, true, 1).await;
    let erasure = store.erase_member(&member(1), &by(2), later(90)).await.unwrap();
    let pseudonym = erasure.pseudonym.unwrap();
    let listed = store.attendance(&programme().id, &AttendanceFilter::default(), None, 99).await.unwrap();
    assert!(listed.iter().all(|view| view.member_id != member(1)));
    let name = MemberId::new(pseudonym).unwrap();
    assert_eq!(listed.iter().filter(|view| view.member_id == name).count(), 3);
    let log = serde_json::to_vec(&store.audit_log(None, 99).await.unwrap()).unwrap();
    assert!(!stands_in(&log, "m-1"), "the log names the member");
    drop(drain(store.as_ref(), later(120)).await);
}
