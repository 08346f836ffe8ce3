//! Takes rows, publishes them, removes them; several batches at once.

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use forebay_domain::Clock;
use forebay_queue::{Message, Outgoing, PublishError, Publisher};
use forebay_schemas::Route;
use forebay_schemas::trail::TRACEPARENT;
use forebay_store::{Error, OutboxRow, PATIENCE, Store, within};
use forebay_telemetry::{Check, Health, Metrics};
use tokio::sync::Mutex;
use tokio_util::sync::CancellationToken;

use crate::broker_watch::BrokerWatch;

/// How the relay works.
#[derive(Debug, Clone, Copy)]
pub struct RelayOptions {
    /// Rows taken at once.
    pub batch: u32,
    /// Batches under way at once.
    pub lanes: usize,
    /// How long a row is this relay's; longer than a publish may take.
    pub lease: Duration,
    /// How often an idle relay looks at least, whatever wakes it.
    pub idle: Duration,
}

impl Default for RelayOptions {
    fn default() -> Self {
        Self { batch: 500, lanes: 2, lease: Duration::from_secs(30), idle: Duration::from_secs(2) }
    }
}

/// The first pause while the store is away, and the one after a batch of which nothing could be published.
const PAUSE: Duration = Duration::from_millis(500);
/// How long rows wait that could not be published.
const REFUSED_WAIT: Duration = Duration::from_secs(2);
/// How long a row waits that no queue takes: a person has to mend the topology first.
const UNROUTABLE_WAIT: Duration = Duration::from_secs(60);
/// The longest pause while the store is away.
const AWAY_PAUSE_MAX: Duration = Duration::from_secs(5);
/// How often the lag is measured.
const LAG_EVERY: Duration = Duration::from_secs(2);

/// Publishes what the outbox holds.
#[derive(Debug, Clone)]
pub struct Relay {
    store: Arc<dyn Store>,
    publisher: Arc<dyn Publisher>,
    clock: Arc<dyn Clock>,
    metrics: Metrics,
    health: Health,
    options: RelayOptions,
    broker: Arc<BrokerWatch>,
    /// Whose turn it is to look for rows: while there are none, one lane asks for all of them.
    turn: Arc<Mutex<()>>,
}

impl Relay {
    /// A relay from this store to this publisher.
    #[must_use]
    pub fn new(
        store: Arc<dyn Store>,
        publisher: Arc<dyn Publisher>,
        clock: Arc<dyn Clock>,
        metrics: Metrics,
        health: Health,
        options: RelayOptions,
    ) -> Self {
        let (broker, turn) = (Arc::default(), Arc::default());
        Self { store, publisher, clock, metrics, health, options, broker, turn }
    }

    /// Publishes until `stop`; what is under way is finished first.
    pub async fn run(&self, stop: CancellationToken) {
        let mut lanes = tokio::task::JoinSet::new();
        for _ in 0..self.options.lanes.max(1) {
            let (relay, stop) = (self.clone(), stop.clone());
            lanes.spawn(async move { relay.lane(stop).await });
        }
        let (relay, lag_stop) = (self.clone(), stop.clone());
        lanes.spawn(async move { relay.measure(lag_stop).await });
        while lanes.join_next().await.is_some() {}
    }

    async fn lane(&self, stop: CancellationToken) {
        let mut pause = PAUSE;
        loop {
            let turn = self.turn.lock().await;
            if stop.is_cancelled() {
                return;
            }
            let passed = match self.take().await {
                Ok(rows) if rows.is_empty() => {
                    pause = PAUSE;
                    tokio::select! {
                        () = self.store.outbox_changed(self.options.idle) => {}
                        () = stop.cancelled() => {}
                    }
                    continue;
                }
                Ok(rows) => {
                    drop(turn);
                    self.send(rows).await
                }
                Err(error) => Err(error),
            };
            match passed {
                Ok(()) => pause = PAUSE,
                Err(error) => {
                    self.health.ready(Check::failed("relay", error.to_string()));
                    tracing::warn!(%error, "the outbox can't be relayed at present");
                    tokio::select! {
                        () = tokio::time::sleep(pause) => pause = (pause * 2).min(AWAY_PAUSE_MAX),
                        () = stop.cancelled() => {}
                    }
                }
            }
        }
    }

    /// Publishes one batch; returns how many rows it took.
    ///
    /// # Errors
    /// When the store fails; the rows come again when their lease is over.
    pub async fn pass(&self) -> Result<usize, Error> {
        let rows = self.take().await?;
        let taken = rows.len();
        if taken > 0 {
            self.send(rows).await?;
        }
        Ok(taken)
    }

    async fn take(&self) -> Result<Vec<OutboxRow>, Error> {
        let now = self.clock.now();
        let taking = self.store.outbox_take(self.options.batch, self.options.lease, now);
        let rows = within(PATIENCE, taking).await?;
        self.health.ready(Check::ok("relay"));
        self.metrics.last_done.with_label_values(&["relay"]).set(now.timestamp() as f64);
        Ok(rows)
    }

    async fn send(&self, rows: Vec<OutboxRow>) -> Result<(), Error> {
        let now = self.clock.now();
        let mut outgoing = Vec::with_capacity(rows.len());
        let mut ids = Vec::with_capacity(rows.len());
        let mut unroutable = Vec::new();
        for row in rows {
            match Route::from_text(&row.route) {
                Ok(route) => {
                    ids.push(row.id);
                    outgoing.push(Outgoing { route, message: message(row) });
                }
                Err(error) => {
                    tracing::error!(row = row.id, route = %row.route, %error, "an outbox row has no route");
                    unroutable.push(row.id);
                }
            }
        }
        let fates = self.publisher.publish(outgoing).await;
        self.conclude(&ids, &fates, unroutable, now).await?;
        self.broker.saw(self.store.as_ref(), &fates, self.clock.now()).await
    }

    async fn conclude(
        &self,
        ids: &[i64],
        fates: &[Result<(), PublishError>],
        mut unroutable: Vec<i64>,
        now: DateTime<Utc>,
    ) -> Result<(), Error> {
        let mut published = Vec::with_capacity(ids.len());
        let mut refused = Vec::new();
        for (id, fate) in ids.iter().zip(fates) {
            match fate {
                Ok(()) => published.push(*id),
                Err(error @ (PublishError::Unroutable(_) | PublishError::TooLarge(_))) => {
                    tracing::error!(row = id, %error, "an outbox row can't be published");
                    unroutable.push(*id);
                }
                Err(error) => {
                    tracing::debug!(row = id, %error, "an outbox row is to be published again");
                    refused.push(*id);
                }
            }
        }
        if !published.is_empty() {
            within(PATIENCE, self.store.outbox_published(&published)).await?;
            self.metrics.outbox_published.inc_by(published.len() as u64);
        }
        if !refused.is_empty() {
            within(PATIENCE, self.store.outbox_release(&refused, now + REFUSED_WAIT)).await?;
            if published.is_empty() {
                tokio::time::sleep(PAUSE).await;
            }
        }
        if !unroutable.is_empty() {
            within(PATIENCE, self.store.outbox_release(&unroutable, now + UNROUTABLE_WAIT)).await?;
        }
        Ok(())
    }

    async fn measure(&self, stop: CancellationToken) {
        while !stop.is_cancelled() {
            let now = self.clock.now();
            if let Ok(lag) = within(PATIENCE, self.store.outbox_lag(now)).await {
                self.metrics.outbox_due.set(lag.due as f64);
                let age = lag.oldest.map_or(0.0, |oldest| (now - oldest).as_seconds_f64().max(0.0));
                self.metrics.outbox_oldest_seconds.set(age);
                let age = Duration::try_from_secs_f64(age).unwrap_or_default();
                if let Err(error) = self.broker.waits(self.store.as_ref(), age, now).await {
                    tracing::warn!(%error, "that the broker is down can't be noted at present");
                }
            }
            tokio::select! {
                () = tokio::time::sleep(LAG_EVERY) => {}
                () = stop.cancelled() => {}
            }
        }
    }
}

fn message(row: OutboxRow) -> Message {
    let mut headers = row.headers;
    if let Some(traceparent) = row.traceparent {
        headers.insert(TRACEPARENT.to_owned(), traceparent);
    }
    Message {
        id: row.event_id,
        kind: row.kind,
        timestamp: Some(row.created_at),
        headers,
        body: row.body.into(),
    }
}
