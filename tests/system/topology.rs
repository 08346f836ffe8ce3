//! A topology that changed from one release to the next: what is missing is added under messages and running roles,
//! what can't be changed in place is named with what to do.

use std::process::Output;
use std::time::Duration;

use serde_json::{Value, json};

use crate::events::{order, orders};
use crate::fleet::Fleet;
use crate::support::{curl, eventually, setting};

const PATIENCE: Duration = Duration::from_secs(60);

/// The broker of a fleet, by its management API.
struct Broker {
    login: String,
    base: String,
    vhost: String,
}

impl Broker {
    fn of(fleet: &Fleet) -> Self {
        let amqp = setting("FOREBAY_TEST_AMQP_URL");
        let login = amqp.split("//").nth(1).unwrap().split('@').next().unwrap().to_owned();
        let vhost = fleet.queue.rsplit('/').next().unwrap().to_owned();
        Self { login, base: setting("FOREBAY_TEST_RABBITMQ_MANAGEMENT_URL"), vhost }
    }

    fn call(&self, method: &str, path: &str, body: &Value) -> (u16, Value) {
        let url = format!("{}/api/{}", self.base, path.replace("VHOST", &self.vhost));
        let content = "content-type: application/json";
        let (status, answer) =
            curl(&["-u", &self.login, "-X", method, "-H", content, "-d", &body.to_string(), &url]);
        (status, serde_json::from_str(&answer).unwrap_or(Value::Null))
    }

    fn delete_queue(&self, queue: &str) {
        assert_eq!(self.call("DELETE", &format!("queues/VHOST/{queue}"), &json!({})).0, 204, "{queue}");
    }

    fn has_queue(&self, queue: &str) -> bool {
        self.call("GET", &format!("queues/VHOST/{queue}"), &json!({})).0 == 200
    }

    fn bindings(&self, queue: &str) -> Vec<String> {
        let (_, found) = self.call("GET", &format!("queues/VHOST/{queue}/bindings"), &json!({}));
        let key = |binding: &Value| binding["routing_key"].as_str().unwrap().to_owned();
        found.as_array().unwrap().iter().map(key).collect()
    }

    /// Removes the marker: to roles this is the topology of another release.
    fn unmark(&self) {
        let (_, queues) = self.call("GET", "queues/VHOST", &json!({}));
        let marker = queues.as_array().unwrap().iter().map(|queue| queue["name"].as_str().unwrap());
        let marker = marker.filter(|name| name.starts_with("forebay.topology")).collect::<Vec<_>>();
        assert_eq!(marker.len(), 1, "{queues}");
        self.delete_queue(marker[0]);
    }
}

fn told(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

fn topology(fleet: &Fleet, command: &str) -> Output {
    fleet.command(&["topology", command]).output().unwrap()
}

#[test]
fn what_an_older_topology_lacks_is_added_under_messages_and_running_roles() {
    let fleet = Fleet::prepared();
    let broker = Broker::of(&fleet);
    let _intake = fleet.start("intake", &["serve", "intake"]);
    let booked = || fleet.count("select count(*) from shop_order");
    fleet.publish(&orders(0..10));
    // The older release knew neither this queue nor this binding.
    broker.delete_queue("forebay.notices");
    let bound = broker.bindings("forebay.rewards");
    let binding = "bindings/VHOST/e/forebay.events/q/forebay.rewards/order.refunded.v1";
    assert_eq!(broker.call("DELETE", binding, &json!({})).0, 204);
    broker.unmark();

    let plan = told(&topology(&fleet, "plan"));
    for line in
        ["queue forebay.notices (quorum", "binding forebay.events to forebay.rewards (order.refunded.v1)"]
    {
        assert!(plan.contains(line), "{line} is not in {plan}");
    }
    assert!(!broker.has_queue("forebay.notices"), "a plan changes nothing");
    let doctor = told(&fleet.command(&["doctor"]).output().unwrap());
    assert!(doctor.contains("forebay topology apply"), "{doctor}");

    let applied = topology(&fleet, "apply");
    assert!(applied.status.success(), "{}", told(&applied));
    assert!(broker.has_queue("forebay.notices"));
    let mut again = broker.bindings("forebay.rewards");
    let mut wanted = bound;
    again.sort();
    wanted.sort();
    assert_eq!(again, wanted);
    let _worker = fleet.start("worker", &["work"]);
    eventually("what waited is settled", PATIENCE, || booked() == 10);

    // Under a running worker the queues of the next release come, and it goes on.
    broker.delete_queue("forebay.results");
    broker.unmark();
    assert!(topology(&fleet, "apply").status.success());
    fleet.publish(&orders(10..20));
    eventually("the worker goes on", PATIENCE, || booked() == 20);
    assert_eq!(fleet.count("select count(*) from dead_letter"), 0);
}

#[test]
fn what_can_not_be_changed_in_place_is_named_with_what_to_do() {
    let fleet = Fleet::prepared();
    let broker = Broker::of(&fleet);
    let _intake = fleet.start("intake", &["serve", "intake"]);
    broker.delete_queue("forebay.results");
    let other = json!({ "durable": true, "arguments": { "x-queue-type": "quorum", "x-delivery-limit": 3 } });
    assert_eq!(broker.call("PUT", "queues/VHOST/forebay.results", &other).0, 201);
    broker.unmark();
    fleet.publish(&[order(1)]);
    let refused = topology(&fleet, "apply");
    let words = told(&refused);
    assert_eq!(refused.status.code(), Some(69), "{words}");
    for part in ["forebay.results", "empty and delete it", "forebay topology apply"] {
        assert!(words.contains(part), "{part} is not in {words}");
    }
    let doctor = told(&fleet.command(&["doctor"]).output().unwrap());
    assert!(doctor.contains("forebay topology apply"), "nothing says that all is there: {doctor}");
    // As it says.
    broker.delete_queue("forebay.results");
    assert!(topology(&fleet, "apply").status.success());
    let _worker = fleet.start("worker", &["work"]);
    eventually("what waited is settled", PATIENCE, || fleet.count("select count(*) from shop_order") == 1);
}
