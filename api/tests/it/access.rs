//! Who may do what: every route, with no key, a wrong one, and one of each scope.

use forebay_intake::Scope;
use serde_json::json;

use crate::http::Request;
use crate::world::{World, programme};

const ACT: &[Scope] = &[Scope::MembersAct];
const READ: &[Scope] = &[Scope::Viewer, Scope::MembersAct];
const REPORTS: &[Scope] = &[Scope::Viewer, Scope::Admin];
const ADMIN: &[Scope] = &[Scope::Admin];

/// Every route that needs a key, and the scopes that open it.
const ROUTES: &[(&str, &str, &[Scope])] = &[
    ("POST", "/v1/programmes/autumn/check-ins", ACT),
    ("POST", "/v1/programmes/autumn/claims", ACT),
    ("GET", "/v1/programmes", READ),
    ("GET", "/v1/programmes/autumn/members/m-1/days", READ),
    ("GET", "/v1/members/m-1/balance", READ),
    ("GET", "/v1/members/m-1/claims", READ),
    ("POST", "/v1/members/m-1/erase", ADMIN),
    ("GET", "/v1/claims/0190a7c4-7b1e-7c3a-8f00-000000000001", READ),
    ("GET", "/v1/returns", REPORTS),
    ("GET", "/v1/returns/R-1", READ),
    ("POST", "/v1/returns/collect", ADMIN),
    ("POST", "/v1/returns/R-1/resend", ADMIN),
    ("GET", "/v1/parcels", REPORTS),
    ("GET", "/v1/parcels/cj/123456789012", READ),
    ("POST", "/v1/parcels/cj/123456789012/check", ADMIN),
    ("GET", "/v1/dead-letters", REPORTS),
    ("GET", "/v1/dead-letters/groups", REPORTS),
    ("GET", "/v1/dead-letters/export", REPORTS),
    ("GET", "/v1/dead-letters/0190a7c4-7b1e-7c3a-8f00-000000000001", REPORTS),
    ("POST", "/v1/dead-letters/discard", ADMIN),
    ("POST", "/v1/dead-letters/replays", ADMIN),
    ("GET", "/v1/dead-letters/replays", REPORTS),
    ("GET", "/v1/dead-letters/replays/0190a7c4-7b1e-7c3a-8f00-000000000001", REPORTS),
    ("DELETE", "/v1/dead-letters/replays/0190a7c4-7b1e-7c3a-8f00-000000000001", ADMIN),
    ("GET", "/v1/queues", REPORTS),
    ("GET", "/v1/queues/returns", REPORTS),
    ("POST", "/v1/queues/returns/pause", ADMIN),
    ("POST", "/v1/queues/returns/resume", ADMIN),
    ("GET", "/v1/carriers", REPORTS),
    ("GET", "/v1/carriers/sweettracker", REPORTS),
    ("POST", "/v1/carriers/sweettracker/limits", ADMIN),
    ("POST", "/v1/carriers/sweettracker/breaker", ADMIN),
    ("GET", "/v1/workers", REPORTS),
    ("POST", "/v1/workers/0190a7c4-7b1e-7c3a-8f00-000000000001/drain", ADMIN),
    ("GET", "/v1/audit-log", REPORTS),
    ("GET", "/v1/incidents", ADMIN),
    ("PUT", "/v1/programmes/autumn", ADMIN),
];

fn request(world: &World, method: &str, path: &str) -> Request {
    let body = match (method, path) {
        ("PUT", _) => programme(),
        (_, "/v1/programmes/autumn/claims") => json!({"member_id": "m-1", "rule_id": "one-day"}),
        _ => json!({"member_id": "m-1"}),
    };
    let request = Request::new(world.address, method, path);
    if method == "GET" {
        request
    } else {
        request.header("Content-Type", "application/json").body(body.to_string())
    }
}

#[tokio::test]
async fn each_route_opens_to_its_scopes_and_to_nobody_else() {
    let world = World::start().await;
    for (method, path, scopes) in ROUTES {
        let none = request(&world, method, path).send().await;
        none.problem(401);
        assert!(none.header("www-authenticate").is_some_and(|challenge| challenge.starts_with("Bearer")));
        let wrong = format!("Bearer fbk_{}_{}", "A".repeat(12), "b".repeat(43));
        request(&world, method, path).header("Authorization", &wrong).send().await.problem(401);
        for scope in Scope::ALL {
            let answer =
                request(&world, method, path).header("Authorization", &world.token(*scope)).send().await;
            if scopes.contains(scope) {
                assert!(![401, 403].contains(&answer.status), "{method} {path} is closed to {scope}");
            } else {
                answer.problem(403);
            }
        }
    }
}

#[tokio::test]
async fn a_command_that_is_refused_access_leaves_nothing_behind() {
    let world = World::start().await;
    for scope in [Scope::EventsWrite, Scope::Viewer, Scope::Admin] {
        let request = request(&world, "POST", "/v1/programmes/autumn/check-ins");
        request.header("Authorization", &world.token(scope)).send().await.problem(403);
    }
    assert_eq!(world.waiting().await, 0);
}

#[tokio::test]
async fn the_version_is_open_to_all_and_what_is_not_there_is_a_problem() {
    let world = World::start().await;
    let version = Request::new(world.address, "GET", "/v1/version").send().await;
    assert_eq!(version.json(), json!({"name": "forebay", "version": "1.2.3"}));
    Request::new(world.address, "GET", "/v1/nothing").send().await.problem(404);
    let method = Request::new(world.address, "DELETE", "/v1/programmes/autumn").send().await;
    method.problem(405);
    assert_eq!(method.header("allow"), Some("PUT"));
}
