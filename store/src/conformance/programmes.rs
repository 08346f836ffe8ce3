//! Programmes: put once or often, their days and their stock kept.

use forebay_domain::programme::{CountMode, Programme, RewardKind, StockPlan};
use forebay_schemas::{ProgrammeId, RuleId};

use super::{Harness, check_in, claim, day, mug, now, programme, settle};
use crate::Error;

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

pub async fn a_reward_that_never_ran_out_gets_no_stock_by_being_put_again(harness: &dyn Harness) {
    let store = harness.store().await;
    store.put_programme(&programme(), now()).await.unwrap();
    let mut limited = programme();
    limited.rules[1].reward.stock = Some(StockPlan { total: 1, low_at: 0 });
    store.put_programme(&limited, now()).await.unwrap();
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
