//! A whole set that runs with the users of `docs/security.md`: nobody has more rights than it needs.

use std::process::Command;
use std::time::Duration;

use serde_json::json;

use crate::events::orders;
use crate::fleet::Fleet;
use crate::support::{curl, eventually, fresh_servers, setting};

const PATIENCE: Duration = Duration::from_secs(60);
const PASSWORD: &str = "s3cret-of-this-test";

/// The statements of the guide, for this database, and passwords.
fn make_database_users(store: &str, tag: &str) {
    let guide = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/security.md")).unwrap();
    let statements = guide.split("```sql\n").nth(1).unwrap().split("```").next().unwrap();
    let database = store.rsplit('/').next().unwrap();
    let mut script = statements.replace(":\"database\"", database);
    for role in ["forebay_owner", "forebay_app"] {
        script.push_str(&format!("alter role {role} password '{PASSWORD}';\n"));
    }
    // Roles belong to the whole server, which other tests use, too.
    let script = ["forebay_owner", "forebay_app"]
        .iter()
        .fold(script, |script, role| script.replace(role, &format!("{role}_{tag}")));
    psql(store, &script).unwrap();
}

fn psql(store: &str, statements: &str) -> Result<String, String> {
    let output =
        Command::new("psql").args([store, "-XAtq", "-v", "ON_ERROR_STOP=1", "-c", statements]).output();
    let output = output.unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim().to_owned();
    if output.status.success() { Ok(text(&output.stdout)) } else { Err(text(&output.stderr)) }
}

/// Runs what `forebay topology users` prints through the broker's management API, which a test can reach without a
/// prompt for passwords.
fn make_broker_users(printed: &str, tag: &str) {
    let amqp = setting("FOREBAY_TEST_AMQP_URL");
    let login = amqp.split("//").nth(1).unwrap().split('@').next().unwrap().to_owned();
    let management = setting("FOREBAY_TEST_RABBITMQ_MANAGEMENT_URL");
    let put = |path: &str, body: &serde_json::Value| {
        let url = format!("{management}/api/{path}");
        let content = "content-type: application/json";
        let (status, answer) =
            curl(&["-u", &login, "-X", "PUT", "-H", content, "-d", &body.to_string(), &url]);
        assert!((200..300).contains(&status), "PUT {path}: {status} {answer}");
    };
    for line in printed.lines() {
        let words = shell_words(line);
        match words.iter().map(String::as_str).collect::<Vec<_>>()[..] {
            ["rabbitmqctl", "add_user", user] => {
                put(&format!("users/{user}-{tag}"), &json!({ "password": PASSWORD, "tags": "" }));
            }
            ["rabbitmqctl", "set_permissions", "-p", vhost, user, configure, write, read] => put(
                &format!("permissions/{vhost}/{user}-{tag}"),
                &json!({ "configure": configure, "write": write, "read": read }),
            ),
            ["#", ..] => {}
            ref other => panic!("{other:?} is no command that this test knows"),
        }
    }
}

/// The words of a line as a shell would see them.
fn shell_words(line: &str) -> Vec<String> {
    let output = Command::new("sh").args(["-c", &format!("printf '%s\\n' {line}")]).output().unwrap();
    if line.starts_with('#') {
        return line.split(' ').map(ToOwned::to_owned).collect();
    }
    String::from_utf8_lossy(&output.stdout).lines().map(ToOwned::to_owned).collect()
}

/// The same address for another user.
fn signed_in(url: &str, user: &str) -> String {
    let (scheme, rest) = url.split_once("://").unwrap();
    let place = rest.rsplit_once('@').unwrap().1;
    format!("{scheme}://{user}:{PASSWORD}@{place}")
}

fn returned(n: usize) -> String {
    let data = json!({
        "return_id": format!("R-{n}"), "order_id": format!("O-{n}"), "requested_at": "2026-11-20T00:00:00Z",
        "parcel": { "carrier": "cj", "tracking_number": format!("1234567890{n:02}") },
    });
    json!({ "specversion": "1.0", "id": format!("return-{n}"), "source": "/s", "type": "return.requested.v1", "data": data })
        .to_string()
}

#[test]
fn a_set_runs_with_the_least_rights_and_those_are_not_more() {
    let (queue, store) = fresh_servers();
    let tag = store.rsplit('/').next().unwrap().to_owned();
    make_database_users(&store, &tag);
    let fleet = Fleet::around(Some((queue.clone(), store.clone())));
    let printed = fleet.command(&["topology", "users"]).output().unwrap();
    make_broker_users(&String::from_utf8_lossy(&printed.stdout), &tag);
    let broker = |user: &str| signed_in(&queue, &format!("forebay-{user}-{tag}"));
    let database = |user: &str| signed_in(&store, &format!("forebay_{user}_{tag}"));

    for (preparation, queue, store) in [
        (&["migrate"][..], broker("accept"), database("owner")),
        (&["topology", "apply"], broker("deploy"), database("app")),
    ] {
        let mut command = fleet.command(preparation);
        let output =
            command.env("FOREBAY_QUEUE__URL", queue).env("FOREBAY_STORE__URL", store).output().unwrap();
        assert!(output.status.success(), "{preparation:?}: {}", String::from_utf8_lossy(&output.stderr));
    }
    let start = |name: &str, args: &[&str], user: &str| {
        fleet.start_with(
            name,
            args,
            &[("FOREBAY_QUEUE__URL", &broker(user)), ("FOREBAY_STORE__URL", &database("app"))],
        )
    };
    let _roles = [
        start("intake", &["serve", "intake"], "accept"),
        start("api", &["serve", "api"], "api"),
        start("worker", &["work"], "work"),
        start("relay", &["relay"], "work"),
        start("schedule", &["schedule"], "work"),
    ];
    fleet.publish(&orders(0..20).into_iter().chain((0..5).map(returned)).collect::<Vec<_>>());
    eventually("orders are booked", PATIENCE, || fleet.count("select count(*) from shop_order") == 20);
    eventually("parcels were asked about", PATIENCE, || {
        fleet.count("select count(*) from parcel where checks > 0") == 5
    });
    assert_eq!(fleet.count("select count(*) from dead_letter"), 0);

    let app = database("app");
    for forbidden in [
        "create table forebay.mine (id int)",
        "drop table forebay.inbox",
        "alter table forebay.stock drop constraint stock_not_oversold",
        "truncate forebay.ledger_entry",
        "create schema mine",
    ] {
        assert!(psql(&app, forbidden).is_err(), "the roles' user may {forbidden}");
    }
    psql(&app, "select count(*) from forebay.inbox").unwrap();
}
