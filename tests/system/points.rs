//! Points from the storefront to the books, by HTTP and by the command line, with the whole of `forebay dev` as a process.

use std::process::Output;
use std::time::Duration;

use serde_json::{Value, json};

use crate::fleet::{Fleet, Role};
use crate::support::{eventually, json as printed, sql};

const PATIENCE: Duration = Duration::from_secs(60);

struct Shop {
    fleet: Fleet,
    _dev: Role,
}

impl Shop {
    fn open() -> Self {
        let fleet = Fleet::embedded();
        std::fs::write(fleet.folder().join("key"), &fleet.key).unwrap();
        let dev = fleet.start("dev", &["dev", "--data", "shop.db", "--no-sandbox"]);
        Self { fleet, _dev: dev }
    }

    /// A command of a person, and its exit code.
    fn forebay(&self, args: &[&str]) -> (Output, i32) {
        let mut command = self.fleet.command(args);
        let output = command.args(["--api-url", &self.fleet.api, "--token-file", "key"]).output().unwrap();
        let code = output.status.code().unwrap();
        (output, code)
    }

    /// The answer of a command that must succeed.
    fn done(&self, args: &[&str]) -> Value {
        let (output, code) = self.forebay(&[args, &["--json"]].concat());
        assert_eq!(code, 0, "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
        printed(&output)
    }

    fn api(&self, method: &str, path: &str, body: &Value) -> (u16, Value) {
        let url = format!("{}/v1/{path}", self.fleet.api);
        let headers = ["-H", "Content-Type: application/json", "-H", "Prefer: wait=10"];
        self.fleet.call(&[&headers[..], &["-X", method, "-d", &body.to_string(), &url]].concat())
    }

    /// What came of a spend, however long it takes.
    fn spent(&self, spend: &Value) -> Value {
        let (status, mut answer) = self.api("POST", "members/m-1/spends", spend);
        assert!(status == 200 || status == 202, "{status} {answer}");
        let url = format!("{}/v1/spends/{}", self.fleet.api, answer["spend_id"].as_str().unwrap());
        eventually("the spend is settled", PATIENCE, || {
            if answer["state"].is_null() {
                answer = self.fleet.call(&[&url]).1;
            }
            !answer["state"].is_null()
        });
        answer
    }

    fn incidents(&self) -> Vec<String> {
        let url = format!("{}/v1/incidents", self.fleet.api);
        let (status, page) = self.fleet.call(&[&url]);
        assert_eq!(status, 200, "{page}");
        let rules = page["items"].as_array().unwrap().iter().map(|item| item["rule"].to_string());
        rules.map(|rule| rule.trim_matches('"').to_owned()).collect()
    }
}

#[test]
fn points_are_spent_corrected_taken_back_and_add_up() {
    let shop = Shop::open();
    let programme = json!({
        "id": "welcome", "name": "Welcome", "tz": "Asia/Seoul", "count_mode": "total",
        "starts_on": "2020-01-01", "ends_on": "2099-12-31", "claim_until": "2099-12-31T00:00:00Z",
        "state": "active", "points_per_1000_minor": 10, "points_valid_days": 30, "rules": [],
    });
    assert_eq!(shop.api("PUT", "programmes/welcome", &programme).0, 201);
    // Before the programme that dev brings with it, which would reward the order, too.
    let data = json!({
        "order_id": "O-1", "member_id": "m-1", "currency": "KRW", "amount_minor": 100_000,
        "paid_at": "2021-06-01T00:00:00Z",
    });
    let event =
        json!({ "specversion": "1.0", "id": "p-1", "source": "/s", "type": "order.paid.v1", "data": data });
    shop.fleet.publish(&[event.to_string()]);
    let balance = || shop.done(&["member", "points", "m-1"])["balance"].as_i64().unwrap();
    eventually("the order has earned", PATIENCE, || balance() == 1_000);

    let spent = shop.spent(&json!({ "points": 300, "ref": "cart-1" }));
    assert_eq!(spent["state"], "settled", "{spent}");
    let refused = shop.spent(&json!({ "points": 701 }));
    assert_eq!(refused["reject_code"], json!("insufficient_balance"));

    let adjust = ["member", "adjust", "m-1", "--by", "-50", "--reason", "counted twice", "--key", "ticket-1"];
    assert_eq!(shop.done(&adjust)["balance_after"], json!(650));
    assert_eq!(shop.done(&adjust)["balance_after"], json!(650), "the same key is the same correction");
    let (said, code) = shop.forebay(&["member", "adjust", "m-1", "--by", "-651", "--reason", "too much"]);
    assert_eq!(code, 5, "{}", String::from_utf8_lossy(&said.stderr));

    let txn = spent["txn_id"].as_str().unwrap();
    let reverse = ["ledger", "reverse", txn, "--reason", "the cart was cancelled"];
    assert_eq!(shop.done(&reverse)["balance_after"], json!(950));
    assert_eq!(shop.forebay(&reverse).1, 5, "once");
    let ledger = shop.done(&["member", "ledger", "m-1"]);
    let kinds: Vec<&str> =
        ledger["items"].as_array().unwrap().iter().map(|line| line["kind"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["reverse", "adjust", "spend", "earn"]);
    let lots = &shop.done(&["member", "points", "m-1"])["lots"];
    assert_eq!((lots.as_array().unwrap().len(), &lots[0]["points"]), (1, &json!(950)), "{lots}");

    assert_eq!(shop.done(&["ledger", "check"])["differences"], json!(0));
    sql(&shop.fleet.folder().join("shop.db"), "update member set balance = 951 where id = 'm-1'");
    let (said, code) = shop.forebay(&["ledger", "check"]);
    assert_eq!(code, 1, "{}", String::from_utf8_lossy(&said.stdout));
    assert!(!String::from_utf8_lossy(&said.stdout).contains("m-1"), "members are not named");
    assert!(shop.incidents().contains(&"books_differ".to_owned()));
    assert_eq!(shop.forebay(&["ledger", "mend", "--reason", "changed by hand"]).1, 5, "not confirmed");
    assert_eq!(
        shop.done(&["ledger", "mend", "--reason", "changed by hand", "--yes"])["differences"],
        json!(0)
    );
    assert_eq!((balance(), shop.incidents()), (950, vec![]));
}
