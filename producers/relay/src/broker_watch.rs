//! Whether the broker takes what is published: the relay is the one process that has both it and the store.
//!
//! The incident can't be told while the broker is away, since tellings travel through it; Prometheus tells of that. It
//! silences what follows from it, and people find it in the list.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use forebay_domain::incident::{AlertRule, Raise, Severity};
use forebay_queue::PublishError;
use forebay_store::{Error, PATIENCE, Store, within};

const FINGERPRINT: &str = "broker";
/// For so long nothing is published, and rows wait, before the broker counts as down.
const DOWN_AFTER: TimeDelta = TimeDelta::seconds(15);
/// So often a relay that publishes says that the broker is there: another one may have said that it is not.
const SAID_EVERY: TimeDelta = TimeDelta::seconds(60);

#[derive(Debug, Default)]
struct Seen {
    away_since: Option<DateTime<Utc>>,
    raised: bool,
    said_well: Option<DateTime<Utc>>,
}

/// What the lanes of a relay see of the broker.
#[derive(Debug, Default)]
pub(crate) struct BrokerWatch(Mutex<Seen>);

impl BrokerWatch {
    /// A batch met these fates.
    pub(crate) async fn saw(
        &self,
        store: &dyn Store,
        fates: &[Result<(), PublishError>],
        now: DateTime<Utc>,
    ) -> Result<(), Error> {
        let away = |fate: &Result<(), PublishError>| {
            matches!(fate, Err(PublishError::Unavailable(_) | PublishError::Unknown))
        };
        let back = {
            let mut seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            if !fates.is_empty() && fates.iter().all(away) {
                seen.away_since.get_or_insert(now);
                return Ok(());
            }
            if !fates.iter().any(Result::is_ok) {
                return Ok(());
            }
            let again = seen.said_well.is_none_or(|said| now - said >= SAID_EVERY);
            let back = seen.raised || again;
            if back {
                seen.said_well = Some(now);
            }
            (seen.away_since, seen.raised) = (None, false);
            back
        };
        if back {
            let ended = within(PATIENCE, store.resolve(&[FINGERPRINT.to_owned()], now)).await;
            if ended.is_err() {
                self.0.lock().unwrap_or_else(PoisonError::into_inner).said_well = None;
            }
            return ended;
        }
        Ok(())
    }

    /// The oldest row that is due waits for so long.
    pub(crate) async fn waits(
        &self,
        store: &dyn Store,
        oldest: Duration,
        now: DateTime<Utc>,
    ) -> Result<(), Error> {
        let since = {
            let mut seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            let Some(since) = seen.away_since.filter(|since| now - *since >= DOWN_AFTER) else {
                return Ok(());
            };
            let waits = TimeDelta::from_std(oldest).is_ok_and(|oldest| oldest >= DOWN_AFTER);
            if seen.raised || !waits {
                return Ok(());
            }
            seen.raised = true;
            since
        };
        let raise = Raise {
            fingerprint: FINGERPRINT.to_owned(),
            rule: AlertRule::BrokerDown,
            about: None,
            severity: Severity::Critical,
            title: "The broker takes nothing".to_owned(),
            impact: "What was accepted is kept, in spools and in the outbox; nothing is handled until the broker is back. \
                     Alerts that follow from it are silent until then."
                .to_owned(),
            action: "forebay explain broker_down".to_owned(),
            sample: format!("nothing was published since {}", since.format("%Y-%m-%d %H:%M:%S UTC")),
            count: 1,
        };
        let raised = within(PATIENCE, store.raise(vec![raise], now)).await;
        if raised.is_err() {
            self.0.lock().unwrap_or_else(PoisonError::into_inner).raised = false;
        }
        raised
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use forebay_domain::incident::Timing;
    use forebay_domain::{Clock as _, ManualClock, RandomIds};
    use forebay_sqlite::Db;
    use forebay_store::Lifecycle as _;
    use forebay_store::conformance::now;
    use forebay_store_sqlite::SqliteStore;

    use super::*;

    #[tokio::test]
    async fn a_broker_that_takes_nothing_for_a_while_is_an_incident_until_it_takes_something() {
        let folder = tempfile::tempdir().unwrap();
        let db = Db::open(folder.path().join("store.db")).await.unwrap();
        let clock = Arc::new(ManualClock::at(now()));
        let store = SqliteStore::new(db, Arc::new(RandomIds), Arc::clone(&clock) as _, Timing::default());
        store.migrate().await.unwrap();
        let store: &dyn Store = &store;
        let watch = BrokerWatch::default();
        let away = [Err(PublishError::Unavailable("gone".into())), Err(PublishError::Unknown)];
        let open = async || store.silencing_incidents().await.unwrap().len();
        watch.saw(store, &away, clock.now()).await.unwrap();
        clock.advance(Duration::from_secs(14));
        watch.saw(store, &away, clock.now()).await.unwrap();
        watch.waits(store, Duration::from_secs(60), clock.now()).await.unwrap();
        assert_eq!(open().await, 0, "not for so short a time");
        clock.advance(Duration::from_secs(2));
        watch.waits(store, Duration::from_secs(1), clock.now()).await.unwrap();
        assert_eq!(open().await, 0, "another relay publishes");
        watch.waits(store, Duration::from_secs(60), clock.now()).await.unwrap();
        watch.waits(store, Duration::from_secs(62), clock.now()).await.unwrap();
        assert_eq!(open().await, 1);
        watch.saw(store, &[Err(PublishError::Refused)], clock.now()).await.unwrap();
        assert_eq!(open().await, 1, "a full queue tells nothing");
        watch.saw(store, &[Ok(())], clock.now()).await.unwrap();
        assert_eq!(open().await, 0);
    }
}
