//! Who may do what: every route, with no key, a wrong one, one of each scope, the token of the member it is about and
//! that of another.

use forebay_api::{Members, routes};
use forebay_intake::Scope;
use serde_json::json;

use crate::http::{Answer, Request};
use crate::world::{World, programme};

const ACT: &[Scope] = &[Scope::MembersAct];
const READ: &[Scope] =
    &[Scope::Viewer, Scope::Warehouse, Scope::EventManager, Scope::Operator, Scope::Admin, Scope::MembersAct];
const REPORTS: &[Scope] =
    &[Scope::Viewer, Scope::Warehouse, Scope::EventManager, Scope::Operator, Scope::Admin];
const WAREHOUSE: &[Scope] = &[Scope::Warehouse, Scope::Operator, Scope::Admin];
const MANAGER: &[Scope] = &[Scope::EventManager, Scope::Admin];
const OPERATOR: &[Scope] = &[Scope::Operator, Scope::Admin];
const ADMIN: &[Scope] = &[Scope::Admin];

const NO: Members = Members::Nothing;
const OWN: Members = Members::Themselves;
const ALL: Members = Members::Everything;

/// Every route that is not open to everybody, the scopes that open it, and what members may do.
const ROUTES: &[(&str, &str, &[Scope], Members)] = &[
    ("GET", "/v1/programmes", READ, ALL),
    ("GET", "/v1/programmes/{programme_id}", READ, ALL),
    ("PUT", "/v1/programmes/{programme_id}", MANAGER, NO),
    ("POST", "/v1/programmes/{programme_id}/state", MANAGER, NO),
    ("GET", "/v1/programmes/{programme_id}/summary", REPORTS, NO),
    ("GET", "/v1/programmes/{programme_id}/attendance", REPORTS, NO),
    ("GET", "/v1/programmes/{programme_id}/attendance/export", REPORTS, NO),
    ("POST", "/v1/programmes/{programme_id}/attendance/{member_id}/{on_date}/void", MANAGER, NO),
    ("POST", "/v1/programmes/{programme_id}/attendance/{member_id}/{on_date}/restore", MANAGER, NO),
    ("POST", "/v1/programmes/{programme_id}/check-ins", ACT, OWN),
    ("POST", "/v1/programmes/{programme_id}/claims", ACT, OWN),
    ("GET", "/v1/programmes/{programme_id}/members/{member_id}/days", READ, OWN),
    ("GET", "/v1/claims", REPORTS, NO),
    ("GET", "/v1/claims/export", REPORTS, NO),
    ("GET", "/v1/claims/{claim_id}", READ, OWN),
    ("POST", "/v1/claims/{claim_id}/ship", WAREHOUSE, NO),
    ("POST", "/v1/claims/{claim_id}/cancel", MANAGER, NO),
    ("POST", "/v1/claims/{claim_id}/reverse", MANAGER, NO),
    ("POST", "/v1/claims/{claim_id}/keep", MANAGER, NO),
    ("GET", "/v1/rewards", READ, NO),
    ("GET", "/v1/rewards/{reward_id}/stock", READ, NO),
    ("PUT", "/v1/rewards/{reward_id}/stock", MANAGER, NO),
    ("POST", "/v1/rewards/{reward_id}/stock/movements", MANAGER, NO),
    ("GET", "/v1/rewards/{reward_id}/stock/history", REPORTS, NO),
    ("GET", "/v1/rewards/{reward_id}/stock/history/export", REPORTS, NO),
    ("GET", "/v1/members/{member_id}", READ, OWN),
    ("GET", "/v1/members/{member_id}/why", READ, OWN),
    ("POST", "/v1/members/{member_id}/block", MANAGER, NO),
    ("POST", "/v1/members/{member_id}/unblock", MANAGER, NO),
    ("GET", "/v1/members/{member_id}/balance", READ, OWN),
    ("GET", "/v1/members/{member_id}/claims", READ, OWN),
    ("POST", "/v1/members/{member_id}/erase", ADMIN, NO),
    ("POST", "/v1/members/{member_id}/spends", ACT, NO),
    ("GET", "/v1/spends/{spend_id}", READ, OWN),
    ("GET", "/v1/members/{member_id}/points", READ, OWN),
    ("POST", "/v1/members/{member_id}/points", MANAGER, NO),
    ("GET", "/v1/members/{member_id}/ledger", READ, OWN),
    ("POST", "/v1/ledger/{txn_id}/reverse", MANAGER, NO),
    ("POST", "/v1/ledger/check", REPORTS, NO),
    ("POST", "/v1/ledger/mend", ADMIN, NO),
    ("GET", "/v1/returns", REPORTS, NO),
    ("GET", "/v1/returns/{return_id}", READ, NO),
    ("POST", "/v1/returns/collect", WAREHOUSE, NO),
    ("POST", "/v1/returns/{return_id}/resend", WAREHOUSE, NO),
    ("GET", "/v1/parcels", REPORTS, NO),
    ("GET", "/v1/parcels/{carrier}/{number}", READ, NO),
    ("POST", "/v1/parcels/{carrier}/{number}/check", WAREHOUSE, NO),
    ("GET", "/v1/dead-letters", REPORTS, NO),
    ("GET", "/v1/dead-letters/groups", REPORTS, NO),
    ("GET", "/v1/dead-letters/export", REPORTS, NO),
    ("GET", "/v1/dead-letters/{id}", REPORTS, NO),
    ("POST", "/v1/dead-letters/discard", OPERATOR, NO),
    ("GET", "/v1/dead-letters/replays", REPORTS, NO),
    ("POST", "/v1/dead-letters/replays", OPERATOR, NO),
    ("GET", "/v1/dead-letters/replays/{id}", REPORTS, NO),
    ("DELETE", "/v1/dead-letters/replays/{id}", OPERATOR, NO),
    ("GET", "/v1/queues", REPORTS, NO),
    ("GET", "/v1/queues/{name}", REPORTS, NO),
    ("POST", "/v1/queues/{name}/pause", OPERATOR, NO),
    ("POST", "/v1/queues/{name}/resume", OPERATOR, NO),
    ("GET", "/v1/scale/{name}", REPORTS, NO),
    ("GET", "/v1/carriers", REPORTS, NO),
    ("GET", "/v1/carriers/{id}", REPORTS, NO),
    ("POST", "/v1/carriers/{id}/limits", OPERATOR, NO),
    ("POST", "/v1/carriers/{id}/breaker", OPERATOR, NO),
    ("GET", "/v1/workers", REPORTS, NO),
    ("POST", "/v1/workers/{id}/drain", OPERATOR, NO),
    ("GET", "/v1/reports/daily", REPORTS, NO),
    ("GET", "/v1/audit-log", REPORTS, NO),
    ("GET", "/v1/incidents", REPORTS, NO),
    ("GET", "/v1/incidents/{id}", REPORTS, NO),
    ("POST", "/v1/incidents/{id}/ack", OPERATOR, NO),
    ("POST", "/v1/incidents/{id}/snooze", OPERATOR, NO),
    ("POST", "/v1/alerts/test", OPERATOR, NO),
    ("GET", "/v1/alerts/test/{id}", OPERATOR, NO),
];

/// Routes that need no key.
const OPEN: &[(&str, &str)] = &[("GET", "/openapi.json"), ("GET", "/v1/version")];

/// The member whom all paths and bodies name.
const A: &str = "m-a";
const B: &str = "m-b";

const UUID: &str = "0190a7c4-7b1e-7c3a-8f00-000000000001";

/// What stands for the parameters of paths.
const PARAMETERS: &[(&str, &str)] = &[
    ("carriers/{id}", "carriers/sweettracker"),
    ("{id}", UUID),
    ("{programme_id}", "autumn"),
    ("{member_id}", A),
    ("{claim_id}", UUID),
    ("{spend_id}", UUID),
    ("{txn_id}", UUID),
    ("{reward_id}", "mug"),
    ("{on_date}", "2026-11-20"),
    ("{return_id}", "R-1"),
    ("{carrier}", "cj"),
    ("{number}", "123456789012"),
    ("{name}", "returns"),
];

fn request(world: &World, method: &str, template: &str) -> Request {
    let path = PARAMETERS.iter().fold(template.to_owned(), |path, (name, value)| path.replace(name, value));
    assert!(!path.contains('{'), "{template} has a parameter for which there is no value in PARAMETERS");
    let body = match (method, template) {
        ("PUT", _) => programme(),
        (_, "/v1/programmes/{programme_id}/claims") => json!({"member_id": A, "rule_id": "one-day"}),
        _ => json!({"member_id": A}),
    };
    let request = Request::new(world.address, method, &path);
    if method == "GET" {
        request
    } else {
        request.header("Content-Type", "application/json").body(body.to_string())
    }
}

fn is_open(answer: &Answer) -> bool {
    if [401, 403].contains(&answer.status) {
        answer.problem(answer.status);
        assert!(answer.header("www-authenticate").is_some_and(|challenge| challenge.starts_with("Bearer")));
    }
    ![401, 403].contains(&answer.status)
}

#[test]
fn each_route_stands_in_the_table_as_it_is_served() {
    let mut served: Vec<String> = Vec::new();
    for route in routes::all() {
        let (method, path) = (route.method().as_str(), route.path());
        let line = format!("{method} {path}");
        match route.scopes() {
            None => assert!(OPEN.contains(&(method, path)), "{line} is open, and not in OPEN"),
            Some(scopes) => {
                let found = ROUTES.iter().find(|(m, p, ..)| (*m, *p) == (method, path));
                let (_, _, expected, members) =
                    found.unwrap_or_else(|| panic!("add {line} to ROUTES, with who may use it"));
                let sorted = |scopes: &[Scope]| {
                    let mut scopes = scopes.to_vec();
                    scopes.sort();
                    scopes
                };
                assert_eq!(sorted(scopes), sorted(expected), "{line} opens to others");
                assert_eq!(route.members(), *members, "{line} lets members do something else");
            }
        }
        assert!(!served.contains(&line), "{line} is there twice");
        served.push(line);
    }
    assert_eq!(served.len(), ROUTES.len() + OPEN.len(), "the table holds what is not served");
}

#[tokio::test]
async fn each_route_opens_to_its_scopes_and_to_nobody_else() {
    let world = World::start().await;
    for (method, path, scopes, _) in ROUTES {
        request(&world, method, path).send().await.problem(401);
        let wrong = format!("Bearer fbk_{}_{}", "A".repeat(12), "b".repeat(43));
        let answer = request(&world, method, path).header("Authorization", &wrong).send().await;
        assert!(!is_open(&answer) && answer.status == 401, "{method} {path} opens to a wrong key");
        for scope in Scope::ALL {
            let answer =
                request(&world, method, path).header("Authorization", &world.token(*scope)).send().await;
            assert_eq!(is_open(&answer), scopes.contains(scope), "{method} {path} with {scope}");
        }
    }
}

#[tokio::test]
async fn a_member_reaches_what_is_theirs_and_nothing_else() {
    let world = World::start().await;
    for (method, path, _, members) in ROUTES {
        for member in [A, B] {
            let token = format!("Bearer {}", world.member_token(member));
            let answer = request(&world, method, path).header("Authorization", &token).send().await;
            let expected = match members {
                Members::Nothing => false,
                Members::Everything => true,
                // A claim or a spending that is not there is there for nobody.
                Members::Themselves => {
                    member == A || path.ends_with("{claim_id}") || path.ends_with("{spend_id}")
                }
            };
            assert_eq!(is_open(&answer), expected, "{method} {path} with the token of {member}");
            if !expected {
                answer.problem(403);
            }
        }
    }
}

#[tokio::test]
async fn a_command_that_is_refused_access_leaves_nothing_behind() {
    let world = World::start().await;
    for scope in [Scope::EventsWrite, Scope::Viewer, Scope::Admin] {
        let request = request(&world, "POST", "/v1/programmes/{programme_id}/check-ins");
        request.header("Authorization", &world.token(scope)).send().await.problem(403);
    }
    for path in ["/v1/programmes/{programme_id}/check-ins", "/v1/programmes/{programme_id}/claims"] {
        let token = format!("Bearer {}", world.member_token(B));
        request(&world, "POST", path).header("Authorization", &token).send().await.problem(403);
    }
    assert_eq!(world.waiting().await, 0);
}

#[tokio::test]
async fn the_version_is_open_to_all_and_what_is_not_there_is_a_problem() {
    let world = World::start().await;
    let version = Request::new(world.address, "GET", "/v1/version").send().await;
    assert_eq!(version.json(), json!({"name": "forebay", "version": "1.2.3"}));
    Request::new(world.address, "GET", "/v1/nothing").send().await.problem(404);
    let path = "/v1/programmes/autumn/check-ins";
    let method = Request::new(world.address, "DELETE", path).send().await;
    method.problem(405);
    assert_eq!(method.header("allow"), Some("POST"));
}
