//! The rules that every back end keeps, on a real RabbitMQ: each on a vhost of its own.

use std::sync::Arc;

use async_trait::async_trait;
use forebay_queue::Broker;
use forebay_queue::conformance::Harness;
use forebay_queue_amqp::AmqpBroker;

use crate::support::Vhost;

struct RabbitMq {
    vhost: Vhost,
}

impl RabbitMq {
    async fn fresh() -> Self {
        Self { vhost: Vhost::fresh().await }
    }
}

#[async_trait]
impl Harness for RabbitMq {
    async fn broker(&self) -> Arc<dyn Broker> {
        AmqpBroker::connect(self.vhost.options())
    }

    async fn finish(&self) {
        self.vhost.remove().await;
    }
}

forebay_queue::conformance_tests!(RabbitMq::fresh().await);
