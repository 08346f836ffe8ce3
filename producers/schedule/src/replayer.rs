//! Replays of dead letters: whichever process comes first does the next step, so that one goes on when another dies.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use forebay_domain::Clock;
use forebay_domain::dead_letter::replay::State;
use forebay_store::{Error, PAGE_MAX, PATIENCE, ReplayStep, Store, within};
use forebay_telemetry::{Check, Health, Metrics};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// How often an idle replayer looks.
const IDLE: Duration = Duration::from_secs(1);
/// The pause while the store is away.
const AWAY: Duration = Duration::from_secs(1);
/// How often what is late is looked for, and what is open is measured.
const LOOK_EVERY: Duration = Duration::from_secs(15);
/// A replayed message has had its effect or died by then: the ladder of retries ends within a day, and a day is
/// granted for what was deferred. A note that comes even later still counts.
const SILENCE_MAX: Duration = Duration::from_secs(48 * 3600);
/// Letters opened again in one transaction.
const BATCH: u32 = 500;

/// Replays dead letters.
#[derive(Debug, Clone)]
pub struct Replayer {
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    metrics: Metrics,
    health: Health,
}

impl Replayer {
    /// A replayer on this store.
    #[must_use]
    pub fn new(store: Arc<dyn Store>, clock: Arc<dyn Clock>, metrics: Metrics, health: Health) -> Self {
        Self { store, clock, metrics, health }
    }

    /// Goes on with whatever replays there are until `stop`.
    pub async fn run(&self, stop: CancellationToken) {
        let mut looked: Option<Instant> = None;
        while !stop.is_cancelled() {
            let pause = match within(PATIENCE, self.pass(&mut looked)).await {
                Ok(more) => {
                    self.health.ready(Check::ok("replayer"));
                    let now = self.clock.now().timestamp() as f64;
                    self.metrics.last_done.with_label_values(&["replayer"]).set(now);
                    if more {
                        continue;
                    }
                    IDLE
                }
                Err(error) => {
                    self.health.ready(Check::failed("replayer", error.to_string()));
                    tracing::warn!(%error, "dead letters can't be replayed at present");
                    AWAY
                }
            };
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                () = stop.cancelled() => {}
            }
        }
    }

    /// Does what is due; `false` when there was nothing.
    async fn pass(&self, looked: &mut Option<Instant>) -> Result<bool, Error> {
        if looked.is_none_or(|at| at.elapsed() >= LOOK_EVERY) {
            *looked = Some(Instant::now());
            self.look().await?;
        }
        let Some(step) = self.store.step_replay(self.clock.now()).await? else { return Ok(false) };
        self.count(&step);
        Ok(true)
    }

    fn count(&self, step: &ReplayStep) {
        for (result, count) in [("published", step.published), ("skipped", step.skipped)] {
            self.metrics.replays.with_label_values(&[result]).inc_by(u64::from(count));
        }
        let progress = &step.replay.progress;
        if progress.state != State::Running {
            tracing::info!(replay = %step.replay.id, state = progress.state.as_str(), done = progress.done,
                failed = progress.failed, skipped = progress.skipped, "a replay of dead letters has ended");
        }
    }

    async fn look(&self) -> Result<(), Error> {
        let now = self.clock.now();
        let late = self.store.give_back(now - SILENCE_MAX, BATCH, now).await?;
        if late > 0 {
            tracing::warn!(letters = late, "nothing was heard of replayed dead letters; they are open again");
        }
        let mut open: BTreeMap<(String, &str), i64> = BTreeMap::new();
        for group in self.store.dead_letter_groups(false, PAGE_MAX).await? {
            *open.entry((group.queue, group.code.as_str())).or_default() += group.open;
        }
        self.metrics.dead_letters_open.reset();
        for ((queue, code), count) in open {
            self.metrics.dead_letters_open.with_label_values(&[queue.as_str(), code]).set(count as f64);
        }
        Ok(())
    }
}
