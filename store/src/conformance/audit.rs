//! The audit: what every accepted event left behind.

use super::{Harness, check_in, claim, now, paid, programme, settle};
use crate::{EffectKind, Store, Tally};

async fn all_effects(store: &dyn Store, kind: EffectKind, limit: u32) -> Vec<String> {
    let (mut all, mut after) = (Vec::new(), None);
    loop {
        let (page, next) = store.effects(kind, after.as_deref(), limit).await.unwrap();
        assert!(page.len() <= limit as usize);
        all.extend(page);
        match next {
            Some(cursor) => after = Some(cursor),
            None => return all,
        }
    }
}

pub async fn an_empty_store_adds_up_to_nothing(harness: &dyn Harness) {
    let store = harness.store().await;
    assert_eq!(store.tally().await.unwrap(), Tally::default());
    for kind in EffectKind::ALL {
        assert_eq!(all_effects(store.as_ref(), *kind, 10).await, Vec::<String>::new());
    }
}

pub async fn effects_are_listed_by_event_id_page_by_page(harness: &dyn Harness) {
    let store = harness.store().await;
    store.put_programme(&programme(), now()).await.unwrap();
    let days = (0..25).map(|n| check_in(&format!("day-{n:02}"), n, now()));
    let claims = (0..12).map(|n| claim(n + 1, 1, "one-day"));
    let orders = (0..7).map(|n| paid(&format!("o-{n}"), Some(n), 1_000));
    settle(store.as_ref(), days.chain(claims).chain(orders).collect()).await;
    let mut expected: Vec<String> = (0..25).map(|n| format!("day-{n:02}")).collect();
    for limit in [1, 4, 25, 500] {
        assert_eq!(
            all_effects(store.as_ref(), EffectKind::Attendance, limit).await,
            expected,
            "pages of {limit}"
        );
    }
    expected = (0..12).map(|n| format!("claim-{}", n + 1)).collect();
    expected.sort();
    assert_eq!(
        all_effects(store.as_ref(), EffectKind::Claims, 5).await,
        expected,
        "refused claims are settled too"
    );
    expected = (0..7).map(|n| format!("paid-o-{n}")).collect();
    assert_eq!(all_effects(store.as_ref(), EffectKind::Orders, 3).await, expected);
}

pub async fn effects_of_one_event_id_are_each_listed(harness: &dyn Harness) {
    let store = harness.store().await;
    store.put_programme(&programme(), now()).await.unwrap();
    let twins = (0..5).map(|n| {
        let mut message = check_in("twin", n, now());
        message.identity.source = format!("/shops/{n}");
        message
    });
    settle(store.as_ref(), twins.chain([check_in("a", 10, now()), check_in("z", 11, now())]).collect()).await;
    let expected = ["a", "twin", "twin", "twin", "twin", "twin", "z"];
    for limit in [1, 2, 3, 7] {
        assert_eq!(
            all_effects(store.as_ref(), EffectKind::Attendance, limit).await,
            expected,
            "pages of {limit}"
        );
    }
}

pub async fn a_repeated_check_in_leaves_no_second_effect(harness: &dyn Harness) {
    let store = harness.store().await;
    store.put_programme(&programme(), now()).await.unwrap();
    settle(store.as_ref(), vec![check_in("a", 1, now()), check_in("b", 1, now())]).await;
    assert_eq!(all_effects(store.as_ref(), EffectKind::Attendance, 10).await, ["a"]);
}
