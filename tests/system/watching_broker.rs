//! The rule about the broker, on a relay whose connection to it falls silent.

use std::time::Duration;

use crate::fleet::Fleet;
use crate::proxy::Proxy;
use crate::support::{eventually, free_port};

const PATIENCE: Duration = Duration::from_secs(120);

#[test]
fn a_broker_that_takes_nothing_from_the_relay_is_one_incident_until_it_does() {
    let fleet = Fleet::prepared();
    let port = free_port();
    let (login, vhost) = fleet.queue.rsplit_once('/').unwrap();
    let through = format!("{}@127.0.0.1:{port}/{vhost}", login.rsplit_once('@').unwrap().0);
    let proxy = Proxy::start(port, &fleet.queue);
    // Asks for a collection of returns each two seconds, by the outbox.
    let _schedule = fleet.start("schedule", &["schedule"]);
    let _relay = fleet.start_with("relay", &["relay"], &[("FOREBAY_QUEUE__URL", &through)]);
    let told = |which: &str| {
        fleet.count(&format!("select count(*) from incident where rule = 'broker_down' and {which}"))
    };
    eventually("the relay publishes", PATIENCE, || fleet.count("select count(*) from outbox") == 0);
    assert_eq!(told("true"), 0);
    proxy.freeze(true);
    eventually("it is told", PATIENCE, || told("resolved_at is null") == 1);
    proxy.freeze(false);
    eventually("it is over", PATIENCE, || told("resolved_at is null") == 0);
    assert_eq!((told("true"), told("count = 1")), (1, 1), "however long it lasted, it was raised once");
}
