//! What the roles that accept events stand on: the broker, and the spool for when it takes nothing.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use forebay_queue::{Broker, Publisher};
use forebay_spool::{Options, Spool};
use forebay_sqlite::{Db, Error};
use forebay_telemetry::Check;
use tokio::time::Instant;

use crate::compose::System;
use crate::config::SpoolBounds;
use crate::exit::{CONFIGURATION, Exit, UNAVAILABLE};
use crate::reporting::Inside;
use crate::roles::{Running, WATCH_EVERY};

/// Until when after the signal to stop the spool is flushed: the connections are closed within the rest of the 25 s.
const FLUSH_UNTIL: Duration = Duration::from_secs(20);
/// Longest wait for the broker's answer to one look.
const LOOK_BOUND: Duration = Duration::from_secs(2);

/// Where accepted events go.
#[derive(Debug, Clone)]
pub(crate) struct Accepting {
    broker: Arc<dyn Broker>,
    spool: Option<(Arc<Spool>, Db)>,
}

impl Accepting {
    /// The publisher that the accept path uses.
    pub(crate) fn publisher(&self) -> Arc<dyn Publisher> {
        self.spool.as_ref().map_or_else(|| self.broker.publisher(), |(spool, _)| spool.publisher())
    }

    /// What such a process can say of itself.
    pub(crate) fn inside(&self, role: &'static str) -> Inside {
        let spool = self.spool.as_ref().map(|(spool, _)| Arc::clone(spool));
        Inside { role, broker: Arc::clone(&self.broker), spool, keys: None }
    }

    /// Publishes what is spooled as far as the time allows, and closes the file. `told` is when the process was told to
    /// stop; nobody may publish any more.
    pub(crate) async fn close(self, told: Instant) {
        if let Some((spool, db)) = self.spool {
            spool.close(told + FLUSH_UNTIL).await;
            db.close().await;
        }
    }
}

impl System {
    /// Opens the spool that `setting` names, if it names one, before this broker.
    pub(crate) async fn accepting(
        &self,
        broker: &Arc<dyn Broker>,
        setting: &str,
        file: &Path,
        bounds: SpoolBounds,
    ) -> Result<Accepting, Exit> {
        let broker = Arc::clone(broker);
        if file.as_os_str().is_empty() {
            return Ok(Accepting { broker, spool: None });
        }
        let db = Db::open(file).await.map_err(|error| wrong(setting, file, &error))?;
        let options = Options { max_events: bounds.events, max_bytes: bounds.bytes };
        let (clock, metrics) = (Arc::clone(&self.clock), self.metrics.clone());
        let spool = Spool::open(db.clone(), Arc::clone(&broker), options, clock, metrics)
            .await
            .map_err(|error| Exit::new(UNAVAILABLE, format!("{setting} is {}: {error}", file.display())))?;
        Ok(Accepting { broker, spool: Some((spool, db)) })
    }

    /// Watches both: ready while one of them takes events.
    pub(crate) fn watch_accepting(&self, running: &Running, accepting: &Accepting) {
        let (system, stop) = (self.clone(), running.stop.clone());
        let Accepting { broker, spool } = accepting.clone();
        running.tasks.spawn(async move {
            loop {
                let queue = tokio::time::timeout(LOOK_BOUND, system.broker_check(broker.as_ref())).await;
                let queue = queue.unwrap_or_else(|_| Check::failed("queue", "the broker does not answer"));
                match &spool {
                    Some((spool, _)) => {
                        let (queue, spool) = one_of(queue, spool.check().await);
                        system.health.ready(queue);
                        system.health.ready(spool);
                    }
                    None => system.health.ready(queue),
                }
                tokio::select! {
                    () = tokio::time::sleep(WATCH_EVERY) => {}
                    () = stop.cancelled() => break,
                }
            }
        });
    }
}

/// The checks of the queue and the spool, where one stands in for the other.
fn one_of(queue: Check, spool: Result<(), String>) -> (Check, Check) {
    match (queue.ok, spool) {
        (_, Ok(())) if queue.ok => (queue, Check::ok("spool")),
        (_, Ok(())) => (Check::covered(queue.name, queue.detail), Check::ok("spool")),
        (true, Err(why)) => (queue, Check::covered("spool", why)),
        (false, Err(why)) => (queue, Check::failed("spool", why)),
    }
}

fn wrong(setting: &str, file: &Path, error: &Error) -> Exit {
    let file = file.display();
    match error {
        Error::InUse(_) => Exit::new(
            CONFIGURATION,
            format!("{setting} is {file}, which another process uses; give each process a spool of its own"),
        ),
        error => Exit::new(
            CONFIGURATION,
            format!("{setting}: {error}; name a file in a folder that can be written, or \"\" for no spool"),
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ready_while_the_queue_or_the_spool_takes_events() {
        let down = || Check::failed("queue", "gone");
        let full = || Err("the spool is full".to_owned());
        for (queue, spool, ready) in [
            (Check::ok("queue"), Ok(()), true),
            (Check::ok("queue"), full(), true),
            (down(), Ok(()), true),
            (down(), full(), false),
        ] {
            let (queue, spool) = one_of(queue, spool);
            assert_eq!(queue.ok && spool.ok, ready, "{queue:?} {spool:?}");
        }
        let (queue, _) = one_of(down(), Ok(()));
        assert_eq!(queue.detail, "gone", "what is wrong is told though the spool covers it");
    }
}
