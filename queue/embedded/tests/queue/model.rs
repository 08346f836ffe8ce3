//! The queue beside a model of it that fits on a page: whatever is published, taken, settled in any way, delayed,
//! dropped or killed, in any order, both hold the same messages.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use crate::support::{FILE, PATIENCE};
use chrono::DateTime;
use forebay_queue::conformance::scene::{LINGER, consume, message, topology};
use forebay_queue::{Broker, Consumer, Delivery, Message, Outgoing, Receipt, Settlement};
use forebay_queue_embedded::{Clock, EmbeddedBroker, Options};
use forebay_schemas::{Queue, Route, Tier};
use proptest::prelude::*;
use proptest::sample::Index;
use proptest::test_runner::FileFailurePersistence;
use tempfile::TempDir;

const WORK: Queue = Queue::Rewards;
/// More than any case publishes: what is ready is leased at once.
const PREFETCH: u16 = 500;
const START: i64 = 1_753_000_000_000_000;

#[derive(Debug, Clone)]
enum Step {
    Publish(usize),
    Take {
        dead: bool,
        most: usize,
    },
    Ack(Index),
    Return(Index),
    Delay(Index, Tier),
    DeadLetter(Index),
    /// Lets seconds pass; both consumers are replaced, what was received stays held.
    Wait(i64),
    /// Drops a consumer with all that it holds.
    Drop(Index),
    /// Ends the process where it stands, and opens what it leaves behind.
    Kill,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let tier = prop::sample::select(vec![Tier::S5, Tier::S30, Tier::M2]);
    let step = prop_oneof![
        4 => (1usize..8).prop_map(Step::Publish),
        5 => (prop::bool::weighted(0.25), 1usize..6).prop_map(|(dead, most)| Step::Take { dead, most }),
        4 => any::<Index>().prop_map(Step::Ack),
        2 => any::<Index>().prop_map(Step::Return),
        2 => (any::<Index>(), tier).prop_map(|(index, tier)| Step::Delay(index, tier)),
        2 => any::<Index>().prop_map(Step::DeadLetter),
        2 => (1i64..60).prop_map(Step::Wait),
        1 => any::<Index>().prop_map(Step::Drop),
        1 => Just(Step::Kill),
    ];
    prop::collection::vec(step, 1..50)
}

/// Where the model believes a message to be.
#[derive(Debug, Clone, PartialEq)]
enum Place {
    Ready(Queue),
    Held { queue: Queue, by: usize, receipt: Receipt },
    Waiting { until: i64 },
}

#[derive(Debug, Clone)]
struct Known {
    message: Message,
    place: Place,
    /// Fewest and most times that it was delivered and not settled: after a kill nobody knows whether what no one
    /// had received was leased.
    count: (u32, u32),
}

/// The queue and its model.
struct Both {
    folder: TempDir,
    micros: Arc<AtomicI64>,
    broker: Arc<dyn Broker>,
    /// All that were made and not dropped, by number.
    consumers: BTreeMap<usize, Arc<dyn Consumer>>,
    /// Those that take at present: from the work queue, and from the dead letters.
    taking: [usize; 2],
    model: BTreeMap<String, Known>,
    made: usize,
}

async fn open(folder: &TempDir, micros: &Arc<AtomicI64>) -> Arc<dyn Broker> {
    let micros = Arc::clone(micros);
    let clock: Clock =
        Arc::new(move || DateTime::from_timestamp_micros(micros.load(Ordering::SeqCst)).unwrap());
    let db = crate::support::db(folder.path()).await;
    EmbeddedBroker::open(db, topology(), clock, Options::default()).await.unwrap()
}

impl Both {
    async fn new() -> Self {
        let (folder, micros) = (tempfile::tempdir().unwrap(), Arc::new(AtomicI64::new(START)));
        let broker = open(&folder, &micros).await;
        let mut both = Self {
            folder,
            micros,
            broker,
            consumers: BTreeMap::new(),
            taking: [0, 0],
            model: BTreeMap::new(),
            made: 0,
        };
        both.consume_anew().await;
        both
    }

    fn now(&self) -> i64 {
        self.micros.load(Ordering::SeqCst)
    }

    /// Closes the two that take, whose deliveries can still be settled, and makes new ones.
    async fn consume_anew(&mut self) {
        for (which, queue) in [WORK, Queue::Dead].iter().enumerate() {
            if let Some(before) = self.consumers.get(&self.taking[which]) {
                before.close().await;
            }
            self.taking[which] = self.number();
            self.consumers.insert(self.taking[which], consume(&self.broker, queue, PREFETCH));
        }
    }

    fn number(&mut self) -> usize {
        self.made += 1;
        self.made
    }

    /// What waited long enough is ready.
    fn settle_waits(&mut self) {
        let now = self.now();
        for known in self.model.values_mut() {
            if matches!(known.place, Place::Waiting { until } if until <= now) {
                known.place = Place::Ready(WORK);
            }
        }
    }

    fn ready(&self, queue: &Queue) -> usize {
        self.model.values().filter(|known| known.place == Place::Ready(queue.clone())).count()
    }

    async fn step(&mut self, step: Step) {
        match step {
            Step::Publish(count) => self.publish(count).await,
            Step::Take { dead, most } => self.take(usize::from(dead), most).await,
            Step::Ack(index) => self.settle(index, |_| Settlement::Ack).await,
            Step::Return(index) => self.settle(index, |_| Settlement::Return).await,
            Step::Delay(index, tier) => self.settle(index, |copy| Settlement::Delay(tier, copy)).await,
            Step::DeadLetter(index) => self.settle(index, Settlement::DeadLetter).await,
            Step::Wait(seconds) => {
                self.micros.fetch_add(seconds * 1_000_000, Ordering::SeqCst);
                self.settle_waits();
                self.consume_anew().await;
            }
            Step::Drop(index) => self.drop_consumer(index).await,
            Step::Kill => self.kill().await,
        }
        self.compare().await;
    }

    async fn publish(&mut self, count: usize) {
        let messages: Vec<Message> = (0..count).map(|_| message(&format!("m{}", self.number()))).collect();
        let batch = messages.iter().cloned().map(|message| Outgoing { route: Route::Work(WORK), message });
        assert_eq!(self.broker.publisher().publish(batch.collect()).await, vec![Ok(()); count]);
        for message in messages {
            let known = Known { message, place: Place::Ready(WORK), count: (0, 0) };
            self.model.insert(known.message.id.clone(), known);
        }
    }

    async fn take(&mut self, which: usize, most: usize) {
        let queue = [WORK, Queue::Dead][which].clone();
        let (by, mut wanted) = (self.taking[which], most.min(self.ready(&queue)));
        let consumer = Arc::clone(&self.consumers[&by]);
        while wanted > 0 {
            let came = tokio::time::timeout(PATIENCE, consumer.receive(wanted, LINGER)).await.unwrap();
            assert!(!came.is_empty() && came.len() <= wanted);
            wanted -= came.len();
            came.into_iter().for_each(|delivery| self.came(delivery, &queue, by));
        }
    }

    fn came(&mut self, delivery: Delivery, queue: &Queue, by: usize) {
        let known = self.model.get_mut(&delivery.message.id).expect("it was published and not removed");
        assert_eq!(known.place, Place::Ready(queue.clone()), "{delivery:?}");
        assert_eq!(delivery.message, known.message);
        let count = delivery.delivery_count;
        assert!((known.count.0..=known.count.1).contains(&count), "{count} is not in {:?}", known.count);
        assert_eq!(delivery.redelivered, count > 0);
        known.count = (count, count);
        known.place = Place::Held { queue: queue.clone(), by, receipt: delivery.receipt };
    }

    async fn settle(&mut self, index: Index, how: impl FnOnce(Message) -> Settlement) {
        let held: Vec<String> = self.model.values().filter_map(held_id).collect();
        if held.is_empty() {
            return;
        }
        let id = index.get(&held).clone();
        let number = self.number();
        let known = self.model.get_mut(&id).unwrap();
        let Place::Held { queue, by, receipt } = known.place.clone() else { return };
        let mut copy = known.message.clone();
        copy.headers.insert("copy".to_owned(), number.to_string());
        let settlement = how(copy.clone());
        match &settlement {
            Settlement::Ack => drop(self.model.remove(&id)),
            Settlement::Return => {
                known.place = Place::Ready(queue);
                known.count = (known.count.0 + 1, known.count.1 + 1);
            }
            Settlement::Delay(tier, _) if queue == WORK => {
                let until =
                    self.micros.load(Ordering::SeqCst) + i64::try_from(tier.duration().as_micros()).unwrap();
                *known = Known { message: copy, place: Place::Waiting { until }, count: (0, 0) };
            }
            // A delayed dead letter would come back among the dead, which the model leaves out.
            Settlement::Delay(..) => return,
            Settlement::DeadLetter(_) => {
                *known = Known { message: copy, place: Place::Ready(Queue::Dead), count: (0, 0) };
            }
        }
        let consumer = Arc::clone(&self.consumers[&by]);
        assert_eq!(consumer.settle(vec![(receipt, settlement.clone())]).await, [Ok(())]);
        assert!(consumer.settle(vec![(receipt, settlement)]).await[0].is_err(), "settled twice");
    }

    async fn drop_consumer(&mut self, index: Index) {
        let numbers: Vec<usize> = self.consumers.keys().copied().collect();
        let dropped = *index.get(&numbers);
        drop(self.consumers.remove(&dropped));
        for known in self.model.values_mut() {
            if let Place::Held { queue, by, .. } = &known.place
                && *by == dropped
            {
                known.place = Place::Ready(queue.clone());
                known.count = (known.count.0 + 1, known.count.1 + 1);
            }
        }
        self.consume_anew().await;
    }

    async fn kill(&mut self) {
        // What a killed process leaves behind: the file and its journal, as they are now.
        let after = tempfile::tempdir().unwrap();
        for name in [FILE.to_owned(), format!("{FILE}-wal")] {
            std::fs::copy(self.folder.path().join(&name), after.path().join(&name)).unwrap();
        }
        self.broker.close().await;
        self.consumers.clear();
        self.broker = open(&after, &self.micros).await;
        self.folder = after;
        for known in self.model.values_mut() {
            match &known.place {
                Place::Held { queue, .. } => {
                    known.place = Place::Ready(queue.clone());
                    known.count = (known.count.0 + 1, known.count.1 + 1);
                }
                Place::Ready(_) => known.count.1 += 1,
                Place::Waiting { .. } => {}
            }
        }
        self.consume_anew().await;
    }

    /// As many messages are where the model has them.
    async fn compare(&self) {
        for queue in [WORK, Queue::Dead] {
            let depth = self.broker.depth(&queue).await.unwrap();
            let modelled = self.model.values().filter(|known| match &known.place {
                Place::Ready(at) | Place::Held { queue: at, .. } => *at == queue,
                Place::Waiting { .. } => false,
            });
            assert_eq!(depth.ready + depth.unsettled.unwrap(), modelled.count() as u64, "{queue}");
        }
        let mut waiting = 0;
        for tier in Tier::ALL {
            waiting += self.broker.depth(&Queue::Delay(*tier)).await.unwrap().ready;
        }
        let modelled = self.model.values().filter(|known| matches!(known.place, Place::Waiting { .. }));
        assert_eq!(waiting, modelled.count() as u64, "in the tiers");
    }

    /// All that is left comes, once, and then there is nothing.
    async fn drain(mut self) {
        self.step(Step::Wait(3_600)).await;
        for which in [0, 1] {
            self.take(which, usize::MAX).await;
        }
        let held: Vec<Place> =
            std::mem::take(&mut self.model).into_values().map(|known| known.place).collect();
        for place in held {
            let Place::Held { by, receipt, .. } = place else { panic!("it never came: {place:?}") };
            assert_eq!(self.consumers[&by].settle(vec![(receipt, Settlement::Ack)]).await, [Ok(())]);
        }
        self.compare().await;
        self.broker.close().await;
    }
}

fn held_id(known: &Known) -> Option<String> {
    matches!(known.place, Place::Held { .. }).then(|| known.message.id.clone())
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 48,
        failure_persistence: Some(Box::new(FileFailurePersistence::WithSource("regressions"))),
        ..ProptestConfig::default()
    })]

    #[test]
    fn the_queue_holds_what_its_model_holds(steps in steps()) {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        runtime.block_on(async {
            let mut both = Both::new().await;
            for step in steps {
                both.step(step).await;
            }
            both.drain().await;
        });
    }
}
