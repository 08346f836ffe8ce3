//! What the tests of this crate share: a vhost of their own on a real broker, and patience.

pub(crate) mod management;

use std::sync::Arc;
use std::time::Duration;

use forebay_queue::Broker as _;
use forebay_queue::conformance::scene::{PATIENCE, topology};
use forebay_queue_amqp::{Address, AmqpBroker, Options};
use management::Management;
use secrecy::SecretString;

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
        patient(options(self.url.as_str()))
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
    let nodes = Address::parse_nodes(&SecretString::from(url)).expect("a broker's address");
    Options::new(nodes, "forebay/test")
}

/// The same for a broker on a machine that is busy with other things: what must succeed is waited for.
pub(crate) fn patient(options: Options) -> Options {
    Options { publish_deadline: PATIENCE, connect_timeout: Duration::from_secs(30), ..options }
}

/// Asks again and again until the answer is yes.
pub(crate) async fn eventually<F: Future<Output = bool>>(what: &str, mut ask: impl FnMut() -> F) {
    let until = tokio::time::Instant::now() + PATIENCE;
    while !ask().await {
        assert!(tokio::time::Instant::now() < until, "it never came true that {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
