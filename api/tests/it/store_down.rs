//! The store is gone: reads say so, members are still taken.

use std::time::Duration;

use forebay_intake::Scope;
use tokio::time::Instant;

use crate::world::World;

#[tokio::test]
async fn reads_are_told_to_come_back() {
    let world = World::start().await;
    world.store.close().await;
    for (scope, path) in [
        (Scope::Viewer, "/v1/programmes"),
        (Scope::Viewer, "/v1/programmes/autumn/members/m-1/days"),
        (Scope::Viewer, "/v1/members/m-1/balance"),
        (Scope::Viewer, "/v1/members/m-1/claims"),
        (Scope::Viewer, "/v1/claims/0190a7c4-7b1e-7c3a-8f00-000000000001"),
        (Scope::Viewer, "/v1/returns/R-1"),
        (Scope::Viewer, "/v1/parcels/cj/123456789012"),
        (Scope::Admin, "/v1/dead-letters"),
        (Scope::Admin, "/v1/incidents"),
    ] {
        let answer = world.get(scope, path).send().await;
        answer.problem(503);
        assert!(answer.header("retry-after").is_some(), "{path}");
    }
}

#[tokio::test]
async fn commands_are_accepted_and_a_wait_does_not_wait_for_nothing() {
    let world = World::start().await;
    world.store.close().await;
    let begun = Instant::now();
    for request in [world.check_in("m-1"), world.claim("m-1", "one-day")] {
        let answer = request.header("Prefer", "wait=10").send().await;
        assert_eq!(answer.status, 202);
        assert!(answer.header("location").is_some());
    }
    assert!(begun.elapsed() < Duration::from_secs(9), "neither waited");
    assert_eq!(world.waiting().await, 2);
}
