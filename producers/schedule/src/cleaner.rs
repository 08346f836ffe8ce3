//! Clean-up: what is only remembered for a while goes once an hour, in small batches.

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use forebay_domain::Clock;
use forebay_store::{Error, Firing, Memory, PATIENCE, Store, within};
use forebay_telemetry::Metrics;
use tokio_util::sync::CancellationToken;

/// Rows that one transaction removes: few enough that nobody waits for it.
const BATCH: u32 = 500;
/// The pause between two batches, in which others write.
const PAUSE: Duration = Duration::from_millis(20);
/// How often the clock is looked at.
const TICK: Duration = Duration::from_secs(60);
/// Old slots of the schedule are of no use to anybody.
const FIRINGS: Duration = Duration::from_secs(35 * 24 * 3600);

/// How long a worker of which nothing is heard is still listed.
const WORKERS: Duration = Duration::from_secs(24 * 3600);

/// How long what is done is remembered.
#[derive(Debug, Clone, Copy)]
pub struct Keep {
    /// The inbox and the effect ledger: a repeat that comes later has its effect again, so this must be longer than
    /// anything can be replayed.
    pub inbox: Duration,
    /// Incidents, from their resolution on, and replays from their end on.
    pub incidents: Duration,
    /// Dead letters, from their first death on; less than the inbox.
    pub dead_letters: Duration,
    /// Dead letters that are resolved or discarded, from then on.
    pub closed_dead_letters: Duration,
    /// What people did.
    pub audit_log: Duration,
}

impl Keep {
    fn of(&self, memory: Memory) -> Duration {
        match memory {
            Memory::Inbox | Memory::Effects => self.inbox,
            Memory::Firings => FIRINGS,
            Memory::Incidents | Memory::Replays => self.incidents,
            Memory::OpenDeadLetters => self.dead_letters,
            Memory::ClosedDeadLetters => self.closed_dead_letters,
            Memory::AuditLog => self.audit_log,
            Memory::Workers => WORKERS,
        }
    }
}

/// Removes what is old.
#[derive(Debug, Clone)]
pub struct Cleaner {
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    metrics: Metrics,
    keep: Keep,
}

impl Cleaner {
    /// A cleaner that keeps this long.
    #[must_use]
    pub fn new(store: Arc<dyn Store>, clock: Arc<dyn Clock>, metrics: Metrics, keep: Keep) -> Self {
        Self { store, clock, metrics, keep }
    }

    /// Cleans up once an hour, whoever of any number of processes comes first, until `stop`.
    pub async fn run(&self, stop: CancellationToken) {
        let mut seen = None;
        while !stop.is_cancelled() {
            let slot = self.clock.now().format("%Y-%m-%dT%H").to_string();
            if seen.as_ref() != Some(&slot) {
                match self.clean(&slot, &stop).await {
                    Ok(()) => seen = Some(slot),
                    Err(error) => tracing::warn!(%error, "the clean-up can't go on at present"),
                }
            }
            tokio::select! {
                () = tokio::time::sleep(TICK) => {}
                () = stop.cancelled() => {}
            }
        }
    }

    async fn clean(&self, slot: &str, stop: &CancellationToken) -> Result<(), Error> {
        let now = self.clock.now();
        let firing = Firing { job: "clean-up", slot: slot.to_owned(), outbox: vec![], raises: vec![] };
        let fired = within(PATIENCE, self.store.fire_once(firing, now)).await?;
        let result = if fired { "fired" } else { "elsewhere" };
        self.metrics.schedule_firings.with_label_values(&["clean-up", result]).inc();
        if fired {
            for memory in Memory::ALL {
                self.forget(*memory, now, stop).await?;
            }
        }
        Ok(())
    }

    async fn forget(
        &self,
        memory: Memory,
        now: DateTime<Utc>,
        stop: &CancellationToken,
    ) -> Result<(), Error> {
        let before = now - self.keep.of(memory);
        let removed = self.metrics.forgotten.with_label_values(&[memory.as_str()]);
        while !stop.is_cancelled() {
            let gone = within(PATIENCE, self.store.forget(memory, before, BATCH)).await?;
            removed.inc_by(u64::from(gone));
            if gone < BATCH {
                break;
            }
            tokio::time::sleep(PAUSE).await;
        }
        Ok(())
    }
}
