//! Programmes: put once or often, their days and their stock kept.

use forebay_domain::programme::{CountMode, Programme, ProgrammeState, Reward, RewardKind, StockPlan};
use forebay_domain::settlement::Answer;
use forebay_schemas::events::RejectCode;
use forebay_schemas::{ProgrammeId, RewardId, RuleId};
use serde_json::json;
use uuid::Uuid;

use super::{Harness, at, check_in, claim, day, later, mug, now, programme, settle};
use crate::{By, Error, ProgrammePut, Seen, StateSet};

pub async fn a_programme_is_read_as_it_was_put(harness: &dyn Harness) {
    let store = harness.store().await;
    let other = Programme {
        id: ProgrammeId::new("april").unwrap(),
        count_mode: CountMode::Consecutive,
        grace_days: 2,
        day_start_min: 240,
        tz: chrono_tz::Europe::Berlin,
        rules: vec![programme().rules[1].clone()],
        ..programme()
    };
    store.put_programme(&programme(), now()).await.unwrap();
    store.put_programme(&other, now()).await.unwrap();
    assert_eq!(store.programmes().await.unwrap(), [other, programme()]);
}

pub async fn putting_a_programme_again_changes_it_and_not_its_stock(harness: &dyn Harness) {
    let store = harness.store().await;
    store.put_programme(&programme(), now()).await.unwrap();
    settle(store.as_ref(), vec![check_in("a", 1, now()), claim(1, 1, "one-day")]).await;
    store.put_programme(&programme(), now()).await.unwrap();
    let mut changed = programme();
    changed.name = "Late autumn".into();
    changed.ends_on = day("2026-12-05");
    changed.rules.reverse();
    changed.rules[0].id = RuleId::new("six-days").unwrap();
    changed.rules[0].days_required = 6;
    changed.rules[0].reward.kind = RewardKind::Points { points: 6000 };
    changed.rules[1].reward = mug(99, 9);
    store.put_programme(&changed, now()).await.unwrap();
    let mug = store.tally().await.unwrap().rewards.remove(0);
    assert_eq!((mug.total, mug.issued), (Some(10), Some(1)), "what is in stock is changed elsewhere");
    changed.rules[1].reward.stock = programme().rules[0].reward.stock;
    assert_eq!(store.programmes().await.unwrap(), [changed]);
}

pub async fn a_reward_without_a_stock_gets_one_only_before_members_can_claim_it(harness: &dyn Harness) {
    let store = harness.store().await;
    let draft = Programme { state: ProgrammeState::Draft, ..programme() };
    store.put_programme(&draft, now()).await.unwrap();
    let mut limited = draft.clone();
    let stock = Some(StockPlan { total: 1, low_at: 0 });
    limited.rules[1].reward.stock = stock;
    store.put_programme(&limited, now()).await.unwrap();
    assert_eq!(store.programmes().await.unwrap()[0].rules[1].reward.stock, stock);

    let mut open = Programme { state: ProgrammeState::Active, ..limited };
    let reward = Reward { id: RewardId::new("later").unwrap(), stock: None, ..open.rules[1].reward.clone() };
    open.rules[1].reward = reward;
    store.put_programme(&open, now()).await.unwrap();
    let mut late = open.clone();
    late.rules[1].reward.stock = stock;
    let outcome = store.put_programme(&late, now()).await;
    assert!(matches!(outcome, Err(Error::Refused(_))), "{outcome:?}");
    assert_eq!(store.programmes().await.unwrap()[0].rules[1].reward.stock, None);
}

pub async fn zone_and_day_start_are_fixed_once_there_is_attendance(harness: &dyn Harness) {
    let store = harness.store().await;
    store.put_programme(&programme(), now()).await.unwrap();
    let moved = Programme { tz: chrono_tz::Asia::Tokyo, ..programme() };
    store.put_programme(&moved, now()).await.unwrap();
    store.put_programme(&programme(), now()).await.unwrap();
    settle(store.as_ref(), vec![check_in("a", 1, now())]).await;
    let shifted = Programme { day_start_min: 60, ..programme() };
    for refused in [moved, shifted] {
        let outcome = store.put_programme(&refused, now()).await;
        assert!(matches!(outcome, Err(Error::Refused(_))), "{outcome:?}");
    }
    assert_eq!(store.programmes().await.unwrap(), [programme()]);
    store.put_programme(&programme(), now()).await.unwrap();
}

pub async fn a_faulty_programme_is_refused_and_leaves_nothing(harness: &dyn Harness) {
    let store = harness.store().await;
    let mut faulty = programme();
    faulty.rules[1].days_required = 0;
    let outcome = store.put_programme(&faulty, now()).await;
    assert!(matches!(outcome, Err(Error::Refused(_))), "{outcome:?}");
    assert_eq!(store.programmes().await.unwrap(), []);
    assert_eq!(store.tally().await.unwrap().rewards, []);
}

fn by(n: u128) -> By {
    By { id: Uuid::from_u128(n), actor: "key-1".into(), reason: "the board wants it".into() }
}

fn done(version: i64, put: &ProgrammePut) -> Vec<String> {
    let ProgrammePut::Done { version: found, changes } = put else { panic!("{put:?}") };
    assert_eq!(*found, version);
    changes.iter().map(|change| change.what.clone()).collect()
}

fn refused(put: &ProgrammePut) -> Vec<&str> {
    let ProgrammePut::Refused(faults) = put else { panic!("{put:?}") };
    faults.iter().map(|fault| fault.pointer.as_str()).collect()
}

fn renamed(name: &str) -> Programme {
    Programme { name: name.into(), ..programme() }
}

pub async fn a_programme_is_changed_by_who_has_seen_what_is_there(harness: &dyn Harness) {
    let store = harness.store().await;
    let put = async |programme: &Programme, seen, n| {
        store.change_programme(programme, seen, false, &by(n), later(n as u64)).await.unwrap()
    };
    assert_eq!(put(&programme(), Seen::Version(1), 1).await, ProgrammePut::Stale, "there is none yet");
    assert!(!done(1, &put(&programme(), Seen::Nothing, 2).await).is_empty());
    assert_eq!(put(&programme(), Seen::Nothing, 3).await, ProgrammePut::Stale, "there is one by now");
    assert_eq!(done(2, &put(&renamed("Late autumn"), Seen::Version(1), 4).await), ["name"]);
    assert_eq!(put(&renamed("Winter"), Seen::Version(1), 5).await, ProgrammePut::Stale);
    assert!(done(2, &put(&renamed("Late autumn"), Seen::Version(2), 6).await).is_empty(), "the same again");
    let record = store.programme(&programme().id).await.unwrap().unwrap();
    assert_eq!((record.version, record.changed_at), (2, later(4)));
    assert_eq!(record.programme, renamed("Late autumn"));
    assert_eq!(store.programme(&ProgrammeId::new("no-such").unwrap()).await.unwrap(), None);
    let log = store.audit_log(None, 10).await.unwrap();
    let told: Vec<_> = log.iter().map(|entry| (entry.action.as_str(), entry.subject.as_str())).collect();
    assert_eq!(told, [("programme.change", "autumn"), ("programme.create", "autumn")]);
    assert_eq!((log[0].actor.as_str(), log[0].reason.as_str()), ("key-1", "the board wants it"));
    assert_eq!((&log[0].before["name"], &log[0].after["name"]), (&json!("Autumn"), &json!("Late autumn")));
}

pub async fn a_dry_run_says_what_would_change_and_changes_nothing(harness: &dyn Harness) {
    let store = harness.store().await;
    store.put_programme(&programme(), now()).await.unwrap();
    let planned = store.change_programme(&renamed("Winter"), Seen::Version(1), true, &by(1), now()).await;
    assert_eq!(done(2, &planned.unwrap()), ["name"]);
    assert_eq!(store.programmes().await.unwrap(), [programme()]);
    assert_eq!(store.audit_log(None, 10).await.unwrap(), []);
}

pub async fn changers_at_once_do_not_overwrite_each_other(harness: &dyn Harness) {
    let store = harness.store().await;
    store.put_programme(&programme(), now()).await.unwrap();
    let changers: Vec<_> = (1..=4)
        .map(|n| {
            let store = store.clone();
            tokio::spawn(async move {
                let programme = renamed(&format!("Autumn {n}"));
                store.change_programme(&programme, Seen::Version(1), false, &by(n), now()).await.unwrap()
            })
        })
        .collect();
    let mut written = 0;
    for changer in changers {
        match changer.await.unwrap() {
            ProgrammePut::Done { version, .. } => written += version - 1,
            ProgrammePut::Stale => {}
            ProgrammePut::Refused(faults) => panic!("{faults:?}"),
        }
    }
    assert_eq!(written, 1, "one of them has seen what it changes");
}

pub async fn of_those_who_make_a_programme_at_once_one_does(harness: &dyn Harness) {
    let store = harness.store().await;
    let makers: Vec<_> = (1..=8)
        .map(|n| {
            let store = store.clone();
            tokio::spawn(async move {
                let programme = renamed(&format!("Autumn {n}"));
                store.change_programme(&programme, Seen::Nothing, false, &by(n), now()).await.unwrap()
            })
        })
        .collect();
    let mut made = 0;
    for maker in makers {
        match maker.await.unwrap() {
            ProgrammePut::Done { .. } => made += 1,
            ProgrammePut::Stale => {}
            ProgrammePut::Refused(faults) => panic!("{faults:?}"),
        }
    }
    assert_eq!(made, 1, "nobody's programme is overwritten by who saw none");
}

pub async fn programmes_that_are_made_at_once_mean_the_same_by_a_reward(harness: &dyn Harness) {
    let store = harness.store().await;
    let makers: Vec<_> = (1..=8_u32)
        .map(|n| {
            let store = store.clone();
            tokio::spawn(async move {
                let mut own = programme();
                own.id = format!("autumn-{n}").parse().unwrap();
                own.rules.truncate(1);
                own.rules[0].reward.stock = None;
                own.rules[0].reward.kind = RewardKind::Points { points: i64::from(n) };
                let by = by(u128::from(n));
                (n, store.change_programme(&own, Seen::Nothing, false, &by, now()).await.unwrap())
            })
        })
        .collect();
    let mut made = Vec::new();
    for maker in makers {
        match maker.await.unwrap() {
            (n, ProgrammePut::Done { .. }) => made.push(n),
            (_, ProgrammePut::Refused(_)) => {}
            (_, ProgrammePut::Stale) => panic!("each has an id of its own"),
        }
    }
    let [only] = made[..] else { panic!("{made:?} were made") };
    let kept = store.programmes().await.unwrap();
    assert_eq!(kept[0].rules[0].reward.kind, RewardKind::Points { points: i64::from(only) });
}

pub async fn a_rule_keeps_what_it_has_otherwise_than_its_programme(harness: &dyn Harness) {
    let store = harness.store().await;
    let mut own = programme();
    own.rules[0].count_mode = Some(CountMode::Consecutive);
    own.rules[0].grace_days = Some(2);
    own.rules[1].claim_until = Some(at("2026-12-20T00:00:00Z"));
    own.rules[1].max_per_member = 3;
    store.put_programme(&own, now()).await.unwrap();
    assert_eq!(store.programmes().await.unwrap(), [own]);
}

pub async fn what_members_have_of_a_programme_stays(harness: &dyn Harness) {
    let store = harness.store().await;
    store.put_programme(&programme(), now()).await.unwrap();
    settle(store.as_ref(), vec![check_in("a", 1, now()), claim(1, 1, "one-day")]).await;
    let put = async |edit: &dyn Fn(&mut Programme)| {
        let mut after = programme();
        edit(&mut after);
        store.change_programme(&after, Seen::Whatever, false, &by(1), now()).await.unwrap()
    };
    let other = RewardKind::Product { sku: "MUG-2".into() };
    assert_eq!(refused(&put(&|p| p.rules[0].reward.kind = other.clone()).await), ["/rules/0/reward"]);
    assert_eq!(refused(&put(&|p| drop(p.rules.remove(0))).await), ["/rules"]);
    assert_eq!(refused(&put(&|p| p.starts_on = day("2026-11-21")).await), ["/starts_on"]);
    assert_eq!(refused(&put(&|p| p.ends_on = day("2026-11-19")).await), ["/ends_on"]);
    assert_eq!(refused(&put(&|p| p.state = ProgrammeState::Draft).await), ["/state"]);
    assert_eq!(store.programmes().await.unwrap(), [programme()]);
    let told = done(2, &put(&|p| drop(p.rules.remove(1))).await);
    assert!(told.contains(&"rules.five-days.days_required".to_owned()), "nobody has claimed by it: {told:?}");
}

pub async fn a_reward_of_two_programmes_stays_one_reward(harness: &dyn Harness) {
    let store = harness.store().await;
    store.put_programme(&programme(), now()).await.unwrap();
    let mut winter = Programme { id: ProgrammeId::new("winter").unwrap(), ..programme() };
    winter.rules[0].reward.kind = RewardKind::Product { sku: "MUG-2".into() };
    let put = store.change_programme(&winter, Seen::Nothing, false, &by(1), now()).await.unwrap();
    assert_eq!(refused(&put), ["/rules/0/reward"]);
    winter.rules[0].reward = programme().rules[0].reward.clone();
    winter.rules[0].reward.name = "A blue mug".into();
    done(1, &store.change_programme(&winter, Seen::Nothing, false, &by(2), now()).await.unwrap());
    let all = store.programmes().await.unwrap();
    assert!(all.iter().all(|p| p.rules[0].reward.name == "A blue mug"), "{all:?}");
}

pub async fn a_programmes_state_is_set_with_a_reason(harness: &dyn Harness) {
    let store = harness.store().await;
    store.put_programme(&programme(), now()).await.unwrap();
    let set = async |id: &str, state, n| {
        let id = ProgrammeId::new(id).unwrap();
        store.set_programme_state(&id, state, &by(n), later(n as u64)).await.unwrap()
    };
    assert_eq!(set("no-such", ProgrammeState::Paused, 1).await, StateSet::Unknown);
    assert_eq!(set("autumn", ProgrammeState::Paused, 2).await, StateSet::Done(2));
    assert!(matches!(set("autumn", ProgrammeState::Paused, 3).await, StateSet::Refused(_)));
    let settled = settle(store.as_ref(), vec![check_in("late", 1, later(3))]).await;
    assert_eq!(settled[0].1, Some(Answer::CheckInRefused(RejectCode::ProgrammeNotActive)));
    let settled = settle(store.as_ref(), vec![check_in("a", 1, now())]).await;
    assert!(matches!(settled[0].1, Some(Answer::CheckedIn(_))), "it came before the pause: {settled:?}");
    assert_eq!(set("autumn", ProgrammeState::Active, 4).await, StateSet::Done(3));
    settle(store.as_ref(), vec![check_in("b", 1, now())]).await;
    assert!(matches!(set("autumn", ProgrammeState::Draft, 5).await, StateSet::Refused(_)));
    assert_eq!(set("autumn", ProgrammeState::Ended, 6).await, StateSet::Done(4));
    let log = store.audit_log(None, 1).await.unwrap();
    assert_eq!((log[0].action.as_str(), log[0].subject.as_str()), ("programme.state", "autumn"));
    assert_eq!((&log[0].before, &log[0].after), (&json!({"state": "active"}), &json!({"state": "ended"})));
}
