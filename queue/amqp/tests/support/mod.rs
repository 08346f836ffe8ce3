//! What the tests of this crate share: a vhost of their own on a real broker, and a way to break things.

pub(crate) mod management;

use std::time::Duration;

use forebay_queue::{Broker as _, Message, Outgoing};
use forebay_queue_amqp::{Address, AmqpBroker, Options};
use forebay_schemas::trail::Headers;
use forebay_schemas::{AdapterId, Queue, Route, Topology};
use secrecy::SecretString;
use std::sync::Arc;

use management::Management;

/// Longest that any test waits for something that must come.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// A setting that `scripts/test` makes. Without it the test fails: a missing server is never skipped.
#[expect(clippy::disallowed_methods, reason = "tests have no configuration but what scripts/test sets")]
pub(crate) fn setting(name: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| {
        panic!("{name} is not set: run scripts/test, which starts a private RabbitMQ and sets it")
    })
}

/// A vhost that only one test uses, since the queues' names are fixed.
#[derive(Debug)]
pub(crate) struct Vhost {
    pub(crate) name: String,
    pub(crate) management: Management,
    pub(crate) url: url::Url,
}

impl Vhost {
    pub(crate) async fn fresh() -> Self {
        let management = Management::new(&setting("FOREBAY_TEST_RABBITMQ_MANAGEMENT_URL"));
        let mut url: url::Url =
            setting("FOREBAY_TEST_AMQP_URL").parse().expect("FOREBAY_TEST_AMQP_URL is a URL");
        let name = format!("test-{}", uuid::Uuid::from_u128(rand::random()).simple());
        management.put(&format!("/api/vhosts/{name}"), "{}").await;
        let rights = r#"{"configure":".*","write":".*","read":".*"}"#;
        management.put(&format!("/api/permissions/{name}/{}", management.user()), rights).await;
        url.set_path(&format!("/{name}"));
        Self { name, management, url }
    }

    pub(crate) fn options(&self) -> Options {
        options(self.url.as_str())
    }

    /// A connected broker with its queues declared.
    pub(crate) async fn broker(&self) -> Arc<AmqpBroker> {
        let broker = AmqpBroker::connect(self.options());
        broker.declare(&topology()).await.expect("the topology can be declared");
        broker
    }

    /// Removes the vhost with everything in it.
    pub(crate) async fn remove(&self) {
        self.management.delete(&format!("/api/vhosts/{}", self.name)).await;
    }
}

pub(crate) fn options(url: &str) -> Options {
    let address = Address::parse(&SecretString::from(url)).expect("a broker's address");
    Options::new(vec![address], "forebay/test")
}

pub(crate) fn topology() -> Topology {
    Topology::new([AdapterId::new("sweettracker").expect("an adapter's id")])
}

pub(crate) fn message(id: &str) -> Message {
    Message {
        id: id.to_owned(),
        kind: "order.paid.v1".to_owned(),
        timestamp: None,
        headers: Headers::new(),
        body: format!("{{\"id\":\"{id}\"}}").into(),
    }
}

pub(crate) fn to(queue: Queue, id: &str) -> Outgoing {
    Outgoing { route: Route::Work(queue), message: message(id) }
}

/// Asks again and again until the answer is yes.
pub(crate) async fn eventually<F: Future<Output = bool>>(what: &str, mut ask: impl FnMut() -> F) {
    let until = tokio::time::Instant::now() + PATIENCE;
    while !ask().await {
        assert!(tokio::time::Instant::now() < until, "it never came true that {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
