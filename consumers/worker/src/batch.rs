//! One batch from delivery to settlement.

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use forebay_domain::crash::{Admission, CrashPolicy};
use forebay_domain::retry::{RetryPolicy, Verdict, park, unpark};
use forebay_domain::{Clock, Outcome};
use forebay_queue::{Consumer, Delivery, Message, Receipt, Settlement};
use forebay_schemas::trail::{TRACE_LINKS, TRACEPARENT};
use forebay_schemas::{Code, Queue, Tier};
use forebay_telemetry::{Metrics, traces};
use rand::seq::SliceRandom as _;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tracing::{Instrument as _, Span};

use crate::handler::{Failure, RawHandler, Received};
use crate::instants::Instants;
use crate::orders::StandingOrders;

/// The longest pause between two tries while what every message needs is away.
const AWAY_PAUSE_MAX: Duration = Duration::from_secs(5);
const AWAY_PAUSE_MIN: Duration = Duration::from_millis(100);

/// What one batch needs to be worked on. One value a queue, shared by its batches.
#[derive(Debug)]
pub(crate) struct Bench {
    pub(crate) queue: Queue,
    pub(crate) label: String,
    pub(crate) handler: Arc<dyn RawHandler>,
    pub(crate) consumer: Arc<dyn Consumer>,
    pub(crate) policy: RetryPolicy,
    pub(crate) crashes: CrashPolicy,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) metrics: Metrics,
    pub(crate) stop: CancellationToken,
    pub(crate) orders: watch::Receiver<StandingOrders>,
}

/// A message that is ready for the handler.
struct Held {
    receipt: Receipt,
    received: Arc<Received>,
    /// How often this copy of it was delivered before.
    unsettled: u32,
}

/// What is done with a delivery.
enum Entry {
    /// The handler gets it, with others.
    Together(Held),
    /// The handler gets it alone.
    Alone(Held),
    /// It is settled without the handler.
    Settled(Receipt, Settlement),
}

/// What follows from a handler's answer.
enum Next {
    /// Each is settled so.
    Settle(Vec<(Receipt, Settlement)>),
    /// The handler is asked about each alone.
    OneByOne(Vec<Held>),
}

impl Bench {
    /// Works on a batch and settles every message of it.
    pub(crate) async fn work(&self, deliveries: Vec<Delivery>) {
        let now = self.clock.now();
        let gauge = self.metrics.in_flight.with_label_values(&[&self.label]);
        let held = i64::try_from(deliveries.len()).unwrap_or(i64::MAX);
        gauge.add(held);
        let mut together = Vec::with_capacity(deliveries.len());
        let mut alone = Vec::new();
        let mut settled = Vec::new();
        for delivery in deliveries {
            match self.admit(delivery, now) {
                Entry::Together(held) => together.push(held),
                Entry::Alone(held) => alone.push(held),
                Entry::Settled(receipt, settlement) => settled.push((receipt, settlement)),
            }
        }
        self.settle(settled).await;
        self.run(together).await;
        // Whoever held a redelivered message may have crashed on it: alone, it can't take others with it. In an order
        // that is not the same after each crash, or those behind the culprit would never get their turn.
        alone.shuffle(&mut rand::rng());
        while let Some(held) = alone.pop() {
            if self.orders.borrow().close(&self.label).is_some() {
                alone.push(held);
                break;
            }
            self.run(vec![held]).await;
        }
        self.put_off(alone).await;
        gauge.sub(held);
    }

    /// Puts off whatever was fetched ahead of a queue that is closed.
    pub(crate) async fn put_off_unreceived(&self) {
        let ahead = self.consumer.unreceived();
        if ahead.is_empty() {
            return;
        }
        let gauge = self.metrics.in_flight.with_label_values(&[&self.label]);
        let held = i64::try_from(ahead.len()).unwrap_or(i64::MAX);
        gauge.add(held);
        tracing::info!(queue = %self.queue, messages = held, "fetched ahead, and put back into the queue");
        let ahead = ahead.into_iter().map(|delivery| {
            let Delivery { receipt, message, delivery_count, .. } = delivery;
            Held { receipt, received: Received::of(message), unsettled: delivery_count }
        });
        self.put_off(ahead.collect()).await;
        gauge.sub(held);
    }

    /// Puts messages back that no handler has seen, by way of the shortest delay: a back end would count what is given
    /// back as delivered.
    async fn put_off(&self, batch: Vec<Held>) {
        let now = self.clock.now();
        let copies = batch.into_iter().map(|Held { receipt, received, unsettled }| {
            let Received { message, trail: past } = Arc::unwrap_or_clone(received);
            let parked_at = past.parked_at;
            let mut trail = park(past, unsettled, now);
            if matches!(self.queue, Queue::Dead | Queue::Unrouted) {
                // The archive tells copies of a letter by their headers, and a letter does not age.
                trail.parked_at = parked_at;
            }
            (receipt, Settlement::Delay(Tier::S5, message.with_trail(&trail)))
        });
        self.settle(copies.collect()).await;
    }

    /// Lets a delivery through to the handler, or says how it is settled without one.
    fn admit(&self, delivery: Delivery, now: DateTime<Utc>) -> Entry {
        let mut trail = unpark(delivery.message.trail(), now);
        if trail.first_seen.is_none() && trail.replay == 0 && !delivery.redelivered {
            self.count_age(&delivery.message, now);
        }
        trail.first_seen.get_or_insert(now);
        // A dead letter keeps the queue that it died in.
        if self.queue != Queue::Dead {
            trail.queue = Some(self.label.clone());
        }
        let Delivery { receipt, message, delivery_count: unsettled, redelivered, .. } = delivery;
        let admission = self.crashes.admit(&trail, unsettled, redelivered, now, rand::random());
        match admission {
            Admission::Guilty(times) => {
                let error = format!("in the hands of {times} workers when they went away");
                // Whoever gets it as a dead letter, or replays it, has no part in that.
                trail.crashes = 0;
                let outcome = Outcome::reject(Code::CrashLoop, error);
                return Entry::Settled(
                    receipt,
                    self.verdict(&outcome, Received { message, trail }.into(), now),
                );
            }
            Admission::Aside(tier, trail) => {
                tracing::warn!(queue = %self.queue, id = %message.id, crashes = trail.crashes, tier = tier.as_str(),
                    "set aside: in a worker's hands when it went away, more than once");
                return Entry::Settled(receipt, Settlement::Delay(tier, message.with_trail(&trail)));
            }
            Admission::Run | Admission::Alone => {}
        }
        let not_before = trail.not_before;
        let received = Arc::new(Received { message, trail });
        match not_before {
            Some(until) if until > now => {
                let outcome = Outcome::Defer { until, why: "not due yet" };
                Entry::Settled(receipt, self.verdict(&outcome, received, now))
            }
            _ if admission == Admission::Run => Entry::Together(Held { receipt, received, unsettled }),
            _ => Entry::Alone(Held { receipt, received, unsettled }),
        }
    }

    /// Runs the handler on messages.
    async fn run(&self, batch: Vec<Held>) {
        if batch.is_empty() {
            return;
        }
        let span = self.span(&batch);
        let answers = self.ask(&batch).instrument(span.clone()).await;
        if let Some(Err(_)) = answers {
            traces::failed(&span);
        }
        let next = span.in_scope(|| self.answered(batch, answers));
        drop(span);
        match next {
            Next::Settle(items) => self.settle(items).await,
            Next::OneByOne(batch) => {
                for held in batch {
                    Box::pin(self.run(vec![held])).await;
                }
            }
        }
    }

    /// The part that this batch has in the traces of its messages.
    fn span(&self, batch: &[Held]) -> Span {
        let alone = match batch {
            [held] => Some(&held.received.message),
            _ => None,
        };
        let cause = alone.and_then(|message| message.headers.get(TRACEPARENT)).map(String::as_str);
        let others = batch.iter().filter(|_| alone.is_none());
        let others =
            others.filter_map(|held| held.received.message.headers.get(TRACEPARENT)).map(String::as_str);
        let links = batch.iter().filter_map(|held| held.received.message.headers.get(TRACE_LINKS));
        let others = others.chain(links.flat_map(|links| links.split(',')));
        let id = alone.map(|message| message.id.as_str());
        traces::processing(&self.label, batch.len(), id, cause, others)
    }

    /// What follows from the handler's answer: it is asked one by one if it failed on messages together.
    fn answered(&self, batch: Vec<Held>, answers: Option<Result<Vec<Outcome>, Failure>>) -> Next {
        match answers {
            Some(Ok(outcomes)) => self.conclude(batch, outcomes),
            Some(Err(failure)) if batch.len() > 1 => {
                tracing::warn!(queue = %self.queue, messages = batch.len(), error = %failure,
                    "a batch failed as a whole; its messages are tried one by one");
                Next::OneByOne(batch)
            }
            Some(Err(failure)) => {
                let outcome = match failure {
                    Failure::Failed { code, error } => Outcome::retry(code, error),
                    Failure::Unavailable(error) => Outcome::retry(Code::StoreUnavailable, error),
                };
                self.conclude(batch, vec![outcome])
            }
            None => Next::Settle(batch.into_iter().map(|h| (h.receipt, Settlement::Return)).collect()),
        }
    }

    /// Asks the handler, again and again while what it needs is away; `None` when the worker stops meanwhile.
    async fn ask(&self, batch: &[Held]) -> Option<Result<Vec<Outcome>, Failure>> {
        let mut pause = AWAY_PAUSE_MIN;
        loop {
            let error = match self.ask_once(batch).await {
                Err(Failure::Unavailable(error)) => error,
                answer => return Some(answer),
            };
            if pause == AWAY_PAUSE_MIN {
                tracing::warn!(queue = %self.queue, messages = batch.len(), %error, "held until it is back");
            }
            tokio::select! {
                () = tokio::time::sleep(pause) => pause = (pause * 2).min(AWAY_PAUSE_MAX),
                () = self.stop.cancelled() => return None,
            }
        }
    }

    async fn ask_once(&self, batch: &[Held]) -> Result<Vec<Outcome>, Failure> {
        let shape = self.handler.shape();
        let handler = Arc::clone(&self.handler);
        let messages = batch.iter().map(|held| Arc::clone(&held.received)).collect();
        let now = self.clock.now();
        let timer = self.metrics.handler_seconds.with_label_values(&[&self.label]).start_timer();
        // A task of its own, so that a panic ends there.
        let mut task = tokio::spawn(async move { handler.handle(messages, now).await }.in_current_span());
        let answer = tokio::time::timeout(shape.deadline, &mut task).await;
        timer.observe_duration();
        match answer {
            Ok(Ok(answer)) => answer,
            Ok(Err(_panic)) => {
                Err(Failure::Failed { code: Code::Panic, error: "the handler panicked".to_owned() })
            }
            Err(_late) => {
                task.abort();
                let error = format!("no answer within {} s", shape.deadline.as_secs());
                let outcome = Outcome::retry(Code::Timeout, error);
                // Late together says nothing about one: trying each alone would only make it later.
                Ok(vec![outcome; batch.len()])
            }
        }
    }

    fn conclude(&self, batch: Vec<Held>, outcomes: Vec<Outcome>) -> Next {
        let now = self.clock.now();
        let missing = Outcome::retry(Code::Panic, "the handler did not answer for this message");
        let answers = outcomes.into_iter().chain(std::iter::repeat(missing));
        let mut items = Vec::with_capacity(batch.len());
        for (held, outcome) in batch.into_iter().zip(answers) {
            self.count(&held.received.message, &outcome, now);
            let mut received = held.received;
            if received.trail.crashes > 0 {
                // The worker is still there: the message is not what makes it crash.
                Arc::make_mut(&mut received).trail.crashes = 0;
            }
            items.push((held.receipt, self.verdict(&outcome, received, now)));
        }
        Next::Settle(items)
    }

    /// How a message is settled.
    fn verdict(&self, outcome: &Outcome, received: Arc<Received>, now: DateTime<Utc>) -> Settlement {
        let message = |received: Arc<Received>| Arc::unwrap_or_clone(received).message;
        match self.policy.decide(outcome, &received.trail, now, rand::random()) {
            Verdict::Ack => Settlement::Ack,
            Verdict::Delay(tier, trail) => Settlement::Delay(tier, message(received).with_trail(&trail)),
            Verdict::Dead(trail) => {
                let (message, code) = (message(received), trail.code.unwrap_or(Code::Rejected));
                self.metrics.dead.with_label_values(&[self.label.as_str(), code.as_str()]).inc();
                tracing::warn!(queue = %self.queue, id = %message.id, kind = %message.kind, %code,
                    attempts = trail.attempts, error = trail.error.as_deref().unwrap_or(""), "dead letter");
                Settlement::DeadLetter(message.with_trail(&trail))
            }
        }
    }

    fn count(&self, message: &Message, outcome: &Outcome, now: DateTime<Utc>) {
        self.metrics.messages.with_label_values(&[self.label.as_str(), outcome.as_str()]).inc();
        match outcome {
            Outcome::Retry { code, error, .. } => {
                self.metrics.retries.with_label_values(&[self.label.as_str(), code.as_str()]).inc();
                tracing::info!(queue = %self.queue, id = %message.id, %code, error, "to be tried again");
            }
            Outcome::Done => {
                let told = Instants::read(&message.body);
                if let Some(happened) = told.time.or(message.timestamp).or(told.recordedtime) {
                    // An author's clock may be ahead of ours.
                    let seconds = (now - happened).as_seconds_f64().max(0.0);
                    self.metrics.critical_seconds.with_label_values(&[&self.label]).observe(seconds);
                }
            }
            _ => {}
        }
    }

    /// Counts how long a message waited for its first attempt.
    fn count_age(&self, message: &Message, now: DateTime<Utc>) {
        let taken = message.timestamp.or_else(|| Instants::read(&message.body).recordedtime);
        if let Some(taken) = taken {
            let seconds = (now - taken).as_seconds_f64().max(0.0);
            self.metrics.delivery_age_seconds.with_label_values(&[&self.label]).observe(seconds);
        }
    }

    async fn settle(&self, items: Vec<(Receipt, Settlement)>) {
        if items.is_empty() {
            return;
        }
        let results = self.consumer.settle(items).await;
        let lost = results.iter().filter(|r| r.is_err()).count();
        if lost > 0 {
            // They come again; the inbox knows those that had their effect.
            let counter = self.metrics.messages.with_label_values(&[self.label.as_str(), "lost"]);
            counter.inc_by(lost as u64);
            tracing::info!(queue = %self.queue, lost, "deliveries were lost before they were settled");
        }
    }
}
