//! The rules that watch the system, wired: in the schedule over everything, in workers and apis over the schedule.

use std::sync::Arc;

use async_trait::async_trait;
use chrono::{NaiveTime, TimeZone as _};
use forebay_api::Lookout;
use forebay_domain::watch::{Credential, QueueSeen};
use forebay_queue::Broker;
use forebay_schedule::{QueueLook, Watch};
use forebay_store::{Error, Store};

use crate::compose::System;
use crate::roles::Running;

/// The lookout, as the rules look through it.
#[derive(Debug)]
struct Through(Arc<Lookout>);

#[async_trait]
impl QueueLook for Through {
    async fn look(&self) -> Result<Vec<Result<QueueSeen, String>>, Error> {
        self.0.seen().await
    }
}

impl System {
    /// Watches everything, as a part of the schedule.
    pub(crate) fn run_watch(&self, running: &Running, broker: &Arc<dyn Broker>, store: &Arc<dyn Store>) {
        let lookout = Arc::new(self.lookout(broker, store));
        self.run(running, self.watch(store).over_all(Arc::new(Through(lookout)), self.credentials()));
    }

    /// Watches whether there is a schedule.
    pub(crate) fn run_watch_of_schedule(&self, running: &Running, store: &Arc<dyn Store>) {
        self.run(running, self.watch(store));
    }

    fn watch(&self, store: &Arc<dyn Store>) -> Watch {
        let (store, clock) = (Arc::clone(store), Arc::clone(&self.clock));
        Watch::over_the_schedule(store, clock, self.metrics.clone(), self.config.alerts.limits)
    }

    fn run(&self, running: &Running, watch: Watch) {
        let stop = running.stop.clone();
        running.tasks.spawn(async move { watch.run(stop).await });
    }

    /// The credentials whose end is configured. A key ends with its day, by the shop's clock.
    fn credentials(&self) -> Vec<Credential> {
        let tz = self.config.shop.tz;
        let ending = self.config.carriers.configured().filter_map(|(id, system)| {
            let end = system.key_ends_on?.succ_opt()?.and_time(NaiveTime::MIN);
            let ends_at =
                tz.from_local_datetime(&end).earliest().map_or_else(|| end.and_utc(), |at| at.to_utc());
            Some(Credential { name: format!("carriers.{id}.key"), ends_at })
        });
        ending.collect()
    }
}
