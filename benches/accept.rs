//! Events accepted over HTTP, each confirmed by a quorum queue, beside a bare publisher into the same queue.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use serde_json::json;

use crate::Options;
use crate::amqp::{Bare, Client};
use crate::fleet::{Fleet, Role};
use crate::http_load::Target;
use crate::report::{Row, median, pace, percentile_ms};

const EXCHANGE: &str = "forebay.events";
const KIND: &str = "order.paid.v1";
/// The one queue that is bound for it.
const QUEUE: &str = "forebay.rewards";
/// Events of a round, of each way.
const EVENTS: usize = 30_000;
/// Events in one request.
const BATCH: usize = 100;
/// Connections of the storefront that sends batches, and of the one that sends one by one.
const BATCHING: usize = 16;
const SINGLE: usize = 64;

const BASELINE_LEAST: f64 = 10_000.0;
const BATCHES_LEAST: f64 = 0.7;
const SINGLE_LEAST: f64 = 0.25;
const SINGLE_P99_MS: f64 = 100.0;

fn order(n: usize) -> Bare {
    let id = format!("order-{n}");
    let event = json!({
        "specversion": "1.0", "id": id, "source": "/shops/bench", "type": KIND,
        "data": {
            "order_id": format!("O-{n}"), "member_id": format!("m-{}", n % 1_000), "currency": "KRW",
            "amount_minor": 129_000, "paid_at": "2026-11-20T02:59:00Z",
        },
    });
    Bare { id, body: Bytes::from(event.to_string()) }
}

fn batch(events: &[Bare]) -> Bytes {
    let bodies: Vec<&[u8]> = events.iter().map(|event| event.body.as_ref()).collect();
    Bytes::from([b"[".as_slice(), &bodies.join(&b','), b"]"].concat())
}

/// A fleet with an intake and a light client of it, and the events of a round, made beforehand.
pub(crate) struct Storefront {
    pub(crate) fleet: Fleet,
    pub(crate) intake: Role,
    broker: Client,
    messages: Arc<Vec<Bare>>,
    batches: Arc<Vec<Bytes>>,
    single: Arc<Vec<Bytes>>,
}

impl Storefront {
    pub(crate) async fn open(options: &Options) -> Self {
        let messages: Vec<Bare> = (0..options.scaled(EVENTS)).map(order).collect();
        let batches = messages.chunks(BATCH).map(batch).collect();
        let single = messages.iter().map(|event| event.body.clone()).collect();
        let fleet = Fleet::prepared();
        let intake = fleet.start("intake", &["serve", "intake"]);
        let broker = Client::connect(&queue_url(&fleet)).await;
        let (messages, batches, single) = (Arc::new(messages), Arc::new(batches), Arc::new(single));
        Self { fleet, intake, broker, messages, batches, single }
    }

    /// Everything by the bare publisher: events a second.
    async fn bare(&self) -> f64 {
        let elapsed = self.broker.publish_safely(EXCHANGE, KIND, &self.messages).await;
        self.arrived(elapsed).await
    }

    /// Everything over HTTP in batches: events a second.
    pub(crate) async fn in_batches(&self) -> f64 {
        let target = self.target("application/cloudevents-batch+json");
        let (elapsed, _) = target.post_all(&self.batches, BATCHING).await;
        self.arrived(elapsed).await
    }

    /// Everything over HTTP one by one: events a second, and how long each took.
    pub(crate) async fn one_by_one(&self) -> (f64, Vec<Duration>) {
        let target = self.target("application/cloudevents+json");
        let (elapsed, latencies) = target.post_all(&self.single, SINGLE).await;
        (self.arrived(elapsed).await, latencies)
    }

    /// Makes so many messages wait in the queue.
    pub(crate) async fn fill(&self, count: usize) {
        self.broker.publish_fast(EXCHANGE, KIND, order, count).await;
    }

    fn target(&self, content_type: &'static str) -> Target {
        let address = self.fleet.intake.trim_start_matches("http://").to_owned();
        Target { address, key: self.fleet.key.clone(), content_type }
    }

    async fn arrived(&self, elapsed: Duration) -> f64 {
        self.broker.empty(QUEUE, self.messages.len()).await;
        pace(self.messages.len(), elapsed)
    }
}

/// The queue's address as the fleet's processes have it.
fn queue_url(fleet: &Fleet) -> String {
    let command = fleet.command(&[]);
    let found = command.get_envs().find(|(name, _)| *name == "FOREBAY_QUEUE__URL");
    found.unwrap().1.unwrap().to_str().unwrap().to_owned()
}

pub(crate) async fn measure(options: &Options) -> Vec<Row> {
    let storefront = Storefront::open(options).await;
    let (mut batch_rounds, mut single_rounds) = (Vec::new(), Vec::new());
    let (mut p50, mut p99) = (Vec::new(), Vec::new());
    for round in 1..=options.rounds() {
        let bare = storefront.bare().await;
        let batched = storefront.in_batches().await;
        let (singly, mut latencies) = storefront.one_by_one().await;
        batch_rounds.push((batched, bare));
        single_rounds.push((singly, bare));
        p50.push(percentile_ms(&mut latencies, 50));
        p99.push(percentile_ms(&mut latencies, 99));
        println!(
            "accept, round {round}: bare {bare:.0}/s, in batches {batched:.0}/s, one by one {singly:.0}/s \
             (p50 {:.1} ms, p99 {:.1} ms)",
            p50[p50.len() - 1],
            p99[p99.len() - 1],
        );
    }
    let bare = median(batch_rounds.iter().map(|(_, bare)| *bare));
    println!("accept: one by one p50 {:.1} ms", median(p50));
    vec![
        Row::at_least("bare publisher", "events/s", bare, BASELINE_LEAST),
        Row::paces("accepted in batches", "events/s", &batch_rounds, "bare publisher", Some(BATCHES_LEAST)),
        Row::paces("accepted one by one", "events/s", &single_rounds, "bare publisher", Some(SINGLE_LEAST)),
        Row::bounded("accepted one by one, p99", "ms", 1, median(p99), SINGLE_P99_MS),
    ]
}
