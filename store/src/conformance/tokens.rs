//! Tokens of outside systems: one is fetched for the fleet.

use std::time::{Duration, Instant};

use secrecy::{ExposeSecret as _, SecretString};
use tokio::task::JoinSet;

use super::Harness;
use crate::{Store, TokenState};

const KEY: &str = "carrier/fedex";
const LEASE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3600);

async fn held(store: &dyn Store) -> (String, Duration, bool) {
    match store.token(KEY, LEASE).await.unwrap() {
        TokenState::Held { token, left, refresh_due } => {
            (token.expose_secret().to_owned(), left, refresh_due)
        }
        other => panic!("a token was kept: {other:?}"),
    }
}

pub async fn of_askers_at_once_one_is_to_fetch(harness: &dyn Harness) {
    let store = harness.store().await;
    let mut asking = JoinSet::new();
    for _ in 0..8 {
        let store = std::sync::Arc::clone(&store);
        asking.spawn(async move { store.token(KEY, LEASE).await });
    }
    let asked = asking.join_all().await;
    let leases = asked.iter().filter(|state| matches!(state, Ok(TokenState::Lease))).count();
    let waits = asked
        .iter()
        .filter(|state| matches!(state, Ok(TokenState::Wait(left)) if !left.is_zero() && *left <= LEASE))
        .count();
    assert_eq!((leases, waits), (1, 7), "{asked:?}");
    assert!(matches!(store.token("another", LEASE).await.unwrap(), TokenState::Lease), "keys do not share");
}

pub async fn a_token_that_was_kept_is_everybodys(harness: &dyn Harness) {
    let store = harness.store().await;
    assert!(matches!(store.token(KEY, LEASE).await.unwrap(), TokenState::Lease));
    store.keep_token(KEY, &SecretString::from("one"), HOUR).await.unwrap();
    let (token, left, refresh_due) = held(store.as_ref()).await;
    assert_eq!((token.as_str(), refresh_due), ("one", false));
    assert!(left <= HOUR && left > HOUR / 2, "{left:?}");
    store.keep_token(KEY, &SecretString::from("two"), HOUR).await.unwrap();
    assert_eq!(held(store.as_ref()).await.0, "two");
}

pub async fn a_token_that_grows_old_is_fetched_anew_by_one_and_used_by_all(harness: &dyn Harness) {
    let store = harness.store().await;
    // After 80 % of 10 s it grows old; it is still good for two more seconds, in which it is looked at.
    store.keep_token(KEY, &SecretString::from("old"), Duration::from_secs(10)).await.unwrap();
    assert!(!held(store.as_ref()).await.2);
    let deadline = Instant::now() + Duration::from_secs(20);
    loop {
        match store.token(KEY, LEASE).await.unwrap() {
            TokenState::Held { refresh_due: true, .. } => break,
            TokenState::Held { .. } => {}
            other => panic!("nobody was told to fetch: {other:?}"),
        }
        assert!(Instant::now() < deadline, "it never grew old");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(held(store.as_ref()).await.0, "old");
    assert!(!held(store.as_ref()).await.2, "one alone is to fetch");
    store.keep_token(KEY, &SecretString::from("new"), HOUR).await.unwrap();
    assert_eq!(held(store.as_ref()).await.0, "new");
}

pub async fn a_token_that_is_over_is_nobodys(harness: &dyn Harness) {
    let store = harness.store().await;
    store.keep_token(KEY, &SecretString::from("short"), Duration::from_millis(50)).await.unwrap();
    let deadline = Instant::now() + Duration::from_secs(20);
    while let TokenState::Held { .. } = store.token(KEY, Duration::ZERO).await.unwrap() {
        assert!(Instant::now() < deadline, "it never ended");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

pub async fn a_refused_token_is_dropped_once(harness: &dyn Harness) {
    let store = harness.store().await;
    let (first, second) = (SecretString::from("first"), SecretString::from("second"));
    store.keep_token(KEY, &first, HOUR).await.unwrap();
    assert!(store.drop_token(KEY, &first).await.unwrap());
    assert!(!store.drop_token(KEY, &first).await.unwrap());
    assert!(matches!(store.token(KEY, LEASE).await.unwrap(), TokenState::Lease));
    store.keep_token(KEY, &second, HOUR).await.unwrap();
    assert!(!store.drop_token(KEY, &first).await.unwrap(), "a late refusal of the old one");
    assert_eq!(held(store.as_ref()).await.0, "second");
}

pub async fn who_does_not_bring_a_token_is_followed_by_the_next(harness: &dyn Harness) {
    let store = harness.store().await;
    assert!(matches!(store.token(KEY, Duration::from_millis(100)).await.unwrap(), TokenState::Lease));
    let deadline = Instant::now() + Duration::from_secs(20);
    while !matches!(store.token(KEY, LEASE).await.unwrap(), TokenState::Lease) {
        assert!(Instant::now() < deadline, "the lease never ended");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}
