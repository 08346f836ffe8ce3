//! The rules that watch the system, on faults of a real store: each opens one incident and ends it once, whoever looks.

use async_trait::async_trait;
use forebay_domain::NewOutbox;
use forebay_domain::incident::Incident;
use forebay_domain::watch::{Condition, Credential, Limits, QueueSeen, Sign, WATCHED, Watcher};
use forebay_schedule::{QueueLook, Watch};
use forebay_schemas::events::CollectReturns;
use forebay_schemas::{Queue, Route};
use forebay_store::Error;
use secrecy::SecretString;

use super::*;

const LIMITS: Limits = Limits {
    drain_late_s: 60.0,
    intake_refuses_s: 60.0,
    member_keys_unavailable_s: 60.0,
    no_consumers_s: 60.0,
    outbox_old_s: 60.0,
    queue_old_s: 60.0,
    schedule_missed_s: 60.0,
    spool_in_use_s: 60.0,
    token_not_renewed_s: 60.0,
    credentials_expire_days: 14.0,
    well_for_s: 60.0,
};
const MINUTE: Duration = Duration::from_secs(60);
const PROCESS: &str = "intake at one";

/// There are no queues; those are looked at in the system's tests.
#[derive(Debug)]
struct NoQueues;

#[async_trait]
impl QueueLook for NoQueues {
    async fn look(&self) -> Result<Vec<Result<QueueSeen, String>>, Error> {
        Ok(Vec::new())
    }
}

impl Scene {
    fn watch(&self, credentials: &[Credential]) -> Watch {
        Watch::over_the_schedule(Arc::clone(&self.store), self.told(), self.metrics.clone(), LIMITS)
            .over_all(Arc::new(NoQueues), credentials.to_vec())
    }

    async fn incidents(&self, open: bool) -> Vec<Incident> {
        let filter = IncidentFilter { open: Some(open), ..IncidentFilter::default() };
        let mut incidents = self.store.list_incidents(&filter, None, 100).await.unwrap();
        incidents.sort_by(|a, b| a.raise.rule.cmp(&b.raise.rule));
        incidents
    }

    fn sign(&self, condition: Condition, since: DateTime<Utc>) -> Sign {
        let process = PROCESS.to_owned();
        Sign { process, condition, subject: String::new(), since, seen_at: self.now(), detail: String::new() }
    }

    /// The schedule's own tasks are done now.
    fn done(&self) {
        for task in ["clock", "planner", "replayer"] {
            self.metrics.last_done.with_label_values(&[task]).set(self.now().timestamp() as f64);
        }
    }
}

fn rules(incidents: &[Incident]) -> Vec<&str> {
    incidents.iter().map(|incident| incident.raise.rule.as_str()).collect()
}

#[tokio::test]
async fn what_lasts_is_opened_once_and_ended_once_over_two_processes() {
    let scene = Scene::new().await;
    let key = Credential { name: "carriers.aftership.key".into(), ends_at: scene.now() + 10 * DAY };
    let (one, two) = (scene.watch(std::slice::from_ref(&key)), scene.watch(&[key]));
    let (mut first, mut second) = (Watcher::default(), Watcher::default());
    // Nobody relays, nobody brings a token, and the schedule stands still after this.
    let begun = scene.now();
    scene.done();
    let command = CollectReturns { because_of: "test".into() };
    let row = NewOutbox::command("c-1", Route::Work(Queue::Returns), begun, &command);
    scene.store.outbox_add(vec![row]).await.unwrap();
    scene.store.token("carrier/fedex/aa", Duration::ZERO).await.unwrap();
    for _ in 0..=6 {
        scene.clock.advance(MINUTE / 2);
        let signs = Condition::ALL.iter().map(|condition| scene.sign(*condition, begun));
        scene.store.note_signs(PROCESS, scene.now(), &signs.collect::<Vec<_>>()).await.unwrap();
        one.look(&mut first).await.unwrap();
        two.look(&mut second).await.unwrap();
    }
    let open = scene.incidents(true).await;
    let told = [
        "credentials_expire",
        "intake_refuses",
        "member_keys_unavailable",
        "outbox_old",
        "schedule_missed",
        "schedule_missed",
        "schedule_missed",
        "spool_in_use",
        "token_not_renewed",
    ];
    assert_eq!(rules(&open), told);
    assert!(open.iter().all(|incident| incident.raise.count == 1), "each was seen once: {open:?}");

    // All of it is mended but the key.
    let rows = scene.store.outbox_take(500, Duration::ZERO, scene.now()).await.unwrap();
    let ids: Vec<i64> = rows.iter().map(|row| row.id).collect();
    scene.store.outbox_published(&ids).await.unwrap();
    let token = SecretString::from("token");
    scene.store.keep_token("carrier/fedex/aa", &token, Duration::from_secs(3_600)).await.unwrap();
    for _ in 0..6 {
        scene.clock.advance(MINUTE / 2);
        scene.done();
        two.look(&mut second).await.unwrap();
        one.look(&mut first).await.unwrap();
    }
    assert_eq!(rules(&scene.incidents(true).await), ["credentials_expire"]);
    let over = scene.incidents(false).await;
    assert_eq!(rules(&over), told[1..]);
    assert!(over.iter().all(|incident| incident.revision == 2), "opened, and ended once: {over:?}");
    assert!(WATCHED.len() > rules(&over).len() - 2);
}

#[tokio::test]
async fn credentials_that_end_soon_and_then_have_ended_are_one_incident_that_got_worse() {
    let scene = Scene::new().await;
    let key = Credential { name: "carriers.aftership.key".into(), ends_at: scene.now() + DAY };
    let (watch, mut watcher) = (scene.watch(&[key]), Watcher::default());
    let mut seen = Vec::new();
    for _ in 0..4 {
        watch.look(&mut watcher).await.unwrap();
        let mut open = scene.incidents(true).await;
        // Nobody relays the notices, which is told as well.
        open.retain(|incident| incident.raise.rule == "credentials_expire");
        let Incident { revision, raise, .. } = &open[0];
        seen.push((open.len(), *revision, raise.severity, raise.title.clone()));
        scene.clock.advance(DAY / 2 + MINUTE);
    }
    let one =
        |revision, severity, title: &str| (1, revision, severity, format!("carriers.aftership.key {title}"));
    let told = [
        one(1, Severity::Warning, "ends in 1 d 0 h"),
        one(1, Severity::Warning, "ends in 11 h 59 min"),
        one(2, Severity::Critical, "has ended"),
        one(2, Severity::Critical, "has ended"),
    ];
    assert_eq!(seen, told);
}

#[tokio::test]
async fn a_schedule_that_stopped_is_told_by_who_watches_it_from_outside() {
    let scene = Scene::new().await;
    scene.done();
    scene.watch(&[]).look(&mut Watcher::default()).await.unwrap();
    let outside =
        Watch::over_the_schedule(Arc::clone(&scene.store), scene.told(), Metrics::new("out"), LIMITS);
    let mut watcher = Watcher::default();
    // It has nothing to say of what only the schedule looks at.
    let sign = scene.sign(Condition::SpoolInUse, scene.now() - DAY);
    scene.store.note_signs(PROCESS, scene.now(), &[sign]).await.unwrap();
    for _ in 0..5 {
        outside.look(&mut watcher).await.unwrap();
        scene.clock.advance(MINUTE / 3);
    }
    assert_eq!(rules(&scene.incidents(true).await), ["schedule_missed"; 3]);
}
