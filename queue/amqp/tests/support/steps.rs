//! Steps that the tests of faults share.

use std::sync::Arc;
use std::time::Duration;

use forebay_queue::Broker as _;
use forebay_queue::conformance::scene::{PATIENCE, topology};
use forebay_queue_amqp::AmqpBroker;

use crate::support::Vhost;

impl Vhost {
    /// A connected broker with its queues declared.
    pub(crate) async fn broker(&self) -> Arc<AmqpBroker> {
        let broker = AmqpBroker::connect(self.options());
        broker.declare(&topology()).await.expect("the topology can be declared");
        broker
    }
}

/// Asks again and again until the answer is yes.
pub(crate) async fn eventually<F: Future<Output = bool>>(what: &str, mut ask: impl FnMut() -> F) {
    let until = tokio::time::Instant::now() + PATIENCE;
    while !ask().await {
        assert!(tokio::time::Instant::now() < until, "it never came true that {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
