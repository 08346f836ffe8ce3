//! The back end as a whole.

use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Weak};
use std::time::Duration;

use async_trait::async_trait;
use forebay_queue::{Broker, BrokerError, ConsumeOptions, Consumer, Depth, Link as Condition, Publisher};
use forebay_schemas::{Queue, Topology};
use futures::future::join_all;
use parking_lot::Mutex;

use crate::consumer::AmqpConsumer;
use crate::declaration;
use crate::link::Link;
use crate::options::Options;
use crate::publisher::AmqpPublisher;
use crate::stats::Stats;
use crate::topology::Objects;

/// Longest wait for what is under way when closing.
const CLOSE_BOUND: Duration = Duration::from_secs(3);

/// RabbitMQ. Dropping it, its publisher and its consumers closes the connections, too, but waits for nothing.
#[derive(Debug)]
pub struct AmqpBroker {
    options: Arc<Options>,
    publishing: Arc<Link>,
    consuming: Arc<Link>,
    publisher: Arc<AmqpPublisher>,
    consumers: Mutex<Vec<Weak<AmqpConsumer>>>,
    stats: Arc<Stats>,
    /// Numbers the channels of all consumers.
    epochs: Arc<AtomicU64>,
}

impl AmqpBroker {
    /// Starts to connect and returns at once, whether there is a broker or not: [`Broker::link`] tells. Must be
    /// called within a tokio runtime, which must outlive the broker.
    #[must_use]
    pub fn connect(options: Options) -> Arc<Self> {
        let options = Arc::new(options);
        let stats = Arc::new(Stats::default());
        let publishing = Link::open("publish", Arc::clone(&options), Arc::clone(&stats));
        let consuming = Link::open("consume", Arc::clone(&options), Arc::clone(&stats));
        let publisher = AmqpPublisher::new(
            Arc::clone(&publishing),
            options.publish_channels,
            options.publish_deadline,
            Arc::clone(&stats),
        );
        // Begins anywhere, so that a receipt of another broker of this process is not taken for one of ours.
        let epochs = Arc::new(AtomicU64::new(u64::from(rand::random::<u32>()) << 31));
        Arc::new(Self {
            options,
            publishing,
            consuming,
            publisher,
            consumers: Mutex::default(),
            stats,
            epochs,
        })
    }

    /// The counters.
    #[must_use]
    pub fn stats(&self) -> &Arc<Stats> {
        &self.stats
    }

    fn objects(&self, topology: &Topology) -> Objects {
        Objects::of(topology, &self.options.topology)
    }
}

#[async_trait]
impl Broker for AmqpBroker {
    fn publisher(&self) -> Arc<dyn Publisher> {
        Arc::clone(&self.publisher) as Arc<dyn Publisher>
    }

    fn consume(&self, queue: Queue, options: ConsumeOptions) -> Arc<dyn Consumer> {
        let consumer = AmqpConsumer::start(
            queue,
            options,
            &self.options,
            Arc::clone(&self.consuming),
            Arc::clone(&self.publisher),
            Arc::clone(&self.stats),
            Arc::clone(&self.epochs),
        );
        let mut consumers = self.consumers.lock();
        consumers.retain(|consumer| consumer.strong_count() > 0);
        consumers.push(Arc::downgrade(&consumer));
        consumer
    }

    async fn depth(&self, queue: &Queue) -> Result<Depth, BrokerError> {
        declaration::depth(&self.consuming, queue).await
    }

    async fn declare(&self, topology: &Topology) -> Result<(), BrokerError> {
        declaration::declare(&self.consuming, &self.objects(topology)).await
    }

    async fn check(&self, topology: &Topology) -> Result<(), BrokerError> {
        declaration::check(&self.consuming, &self.objects(topology)).await
    }

    fn plan(&self, topology: &Topology) -> Vec<String> {
        let objects = self.objects(topology);
        let mut lines = objects.lines();
        lines.push(format!("queue {} (quorum; says that all of the above is there)", objects.marker));
        lines
    }

    fn link(&self) -> Condition {
        match (self.publishing.condition(), self.consuming.condition()) {
            (Condition::Down(why), _) | (_, Condition::Down(why)) => Condition::Down(why),
            (Condition::Blocked(why), _) | (_, Condition::Blocked(why)) => Condition::Blocked(why),
            (Condition::Up, Condition::Up) => Condition::Up,
        }
    }

    async fn close(&self) {
        let consumers: Vec<_> = self.consumers.lock().iter().filter_map(Weak::upgrade).collect();
        join_all(consumers.iter().map(|consumer| consumer.close())).await;
        join_all(consumers.iter().map(|consumer| consumer.finish(CLOSE_BOUND))).await;
        self.publisher.finish(CLOSE_BOUND).await;
        tokio::join!(self.publishing.close(), self.consuming.close());
        consumers.iter().for_each(|consumer| consumer.forget());
    }
}
