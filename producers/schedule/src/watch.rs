//! Rules that watch the system: what is seen of queues, outbox, tokens and processes becomes incidents, which end by
//! themselves.
//!
//! Any number of processes may look. What is open stands in the store; an opening is a firing of the schedule, so that
//! of those who see the same at once one opens it; and the end of what has ended changes nothing.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, TimeDelta, Utc};
use forebay_domain::Clock;
use forebay_domain::incident::AlertRule;
use forebay_domain::watch::{
    Credential, Limits, QueueSeen, Sight, Task, WATCHED, Watcher, of_credential, of_outbox, of_queue,
    of_renewal, of_sign, of_task, unseen,
};
use forebay_store::{Error, Firing, PATIENCE, Store, within};
use forebay_telemetry::Metrics;
use tokio_util::sync::CancellationToken;

/// What the schedule does again and again, as the metrics name it; who does not see it done raises an alert.
const TASKS: [&str; 3] = ["clock", "planner", "replayer"];
/// An opening, or that it got worse, is one within so long a time, whoever sees it.
const OPENING_S: i64 = 30;
/// Signs that are older are not read.
const SIGNS_FOR: TimeDelta = TimeDelta::minutes(10);
/// A token that nobody has sought for so long is not missed.
const SOUGHT_FOR: TimeDelta = TimeDelta::hours(1);

/// Who looks at the queues.
#[async_trait]
pub trait QueueLook: Send + Sync + fmt::Debug {
    /// What is seen of each queue; only its name where the back end did not answer.
    async fn look(&self) -> Result<Vec<Result<QueueSeen, String>>, Error>;
}

/// Watches.
#[derive(Debug)]
pub struct Watch {
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    metrics: Metrics,
    limits: Limits,
    /// What the schedule alone sees to.
    own: Option<Own>,
}

#[derive(Debug)]
struct Own {
    queues: Arc<dyn QueueLook>,
    credentials: Vec<Credential>,
}

impl Watch {
    /// Watches the schedule, from outside it.
    #[must_use]
    pub fn over_the_schedule(
        store: Arc<dyn Store>,
        clock: Arc<dyn Clock>,
        metrics: Metrics,
        limits: Limits,
    ) -> Self {
        Self { store, clock, metrics, limits, own: None }
    }

    /// The same, as a part of the schedule: it watches everything, and tells that the schedule goes on.
    #[must_use]
    pub fn over_all(self, queues: Arc<dyn QueueLook>, credentials: Vec<Credential>) -> Self {
        Self { own: Some(Own { queues, credentials }), ..self }
    }

    /// Watches until `stop`.
    pub async fn run(&self, stop: CancellationToken) {
        let mut watcher = Watcher::default();
        let every = self.limits.look_every();
        while !stop.is_cancelled() {
            if let Err(error) = within(PATIENCE, self.look(&mut watcher)).await {
                tracing::warn!(%error, "the system can't be watched at present");
            }
            tokio::select! {
                () = tokio::time::sleep(every) => {}
                () = stop.cancelled() => {}
            }
        }
    }

    /// Looks once.
    ///
    /// # Errors
    /// When the store fails; then nothing is opened and nothing ended.
    pub async fn look(&self, watcher: &mut Watcher) -> Result<(), Error> {
        let now = self.clock.now();
        let (limits, store) = (&self.limits, self.store.as_ref());
        let mut sights = Vec::new();
        let mut rules: Vec<&str> = vec![AlertRule::ScheduleMissed.as_str()];
        if let Some(own) = &self.own {
            store.note_tasks(&self.done()).await?;
            sights.extend(self.own_sights(own, now).await?);
            rules = WATCHED.iter().map(|rule| rule.as_str()).collect();
        }
        let tasks = store.tasks().await?;
        let known = tasks.iter().filter(|task| TASKS.contains(&task.name.as_str()));
        sights.extend(known.map(|task| of_task(task, limits, now)));
        let open = store.open_of(&rules).await?;
        let well_for = Duration::try_from_secs_f64(limits.well_for_s).unwrap_or_default();
        let verdicts = watcher.judge(sights, &open, well_for, now);
        for raise in verdicts.raises {
            let (severity, at) = (raise.severity.as_str(), now.timestamp().div_euclid(OPENING_S));
            let slot = format!("{}/{severity}/{at}", raise.fingerprint);
            let firing = Firing { job: "watch", slot, outbox: vec![], raises: vec![raise] };
            let fired = store.fire_once(firing, now).await?;
            let result = if fired { "fired" } else { "elsewhere" };
            self.metrics.schedule_firings.with_label_values(&["watch", result]).inc();
        }
        store.refresh(&verdicts.refreshes, now).await?;
        if !verdicts.resolves.is_empty() {
            store.resolve(&verdicts.resolves, now).await?;
        }
        Ok(())
    }

    async fn own_sights(&self, own: &Own, now: DateTime<Utc>) -> Result<Vec<Sight>, Error> {
        let (limits, store) = (&self.limits, self.store.as_ref());
        let mut sights = Vec::new();
        for seen in own.queues.look().await? {
            sights.extend(match seen {
                Ok(seen) => of_queue(&seen, limits),
                Err(queue) => unseen(&queue),
            });
        }
        let lag = store.outbox_lag(now).await?;
        let age = lag.oldest.and_then(|oldest| (now - oldest).to_std().ok()).unwrap_or_default();
        sights.push(of_outbox(lag.due, age, limits));
        sights.extend(own.credentials.iter().map(|credential| of_credential(credential, limits, now)));
        let signs = store.signs(now - SIGNS_FOR).await?;
        sights.extend(signs.iter().map(|heard| of_sign(heard, limits, now)));
        let mut renewals = store.not_renewed(now - SOUGHT_FOR).await?;
        // One system may have had several credentials.
        renewals.dedup_by(|a, b| a.system == b.system);
        sights.extend(renewals.iter().map(|renewal| of_renewal(renewal, limits, now)));
        Ok(sights)
    }

    /// When this process last did what the schedule does.
    fn done(&self) -> Vec<Task> {
        let done = |name: &str| {
            let at = self.metrics.last_done.with_label_values(&[name]).get();
            let done_at = DateTime::from_timestamp(at as i64, 0).filter(|_| at > 0.0)?;
            Some(Task { name: name.to_owned(), done_at })
        };
        TASKS.iter().filter_map(|name| done(name)).collect()
    }
}
