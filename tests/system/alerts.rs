//! How people are told: the handler of notices between a real store and the sandbox's Slack and mail server.

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use forebay_domain::incident::{About, AlertRule, Incident, Order, RULES, Raise, Severity, Timing};
use forebay_domain::{Clock, ManualClock, Outcome, RandomIds, SystemClock};
use forebay_handlers::notices::{Notices, Sinks, Wording};
use forebay_outbound::{
    AllowedHost, HttpClient, HttpOptions, MailOptions, MailTls, Mailer, Slack, SlackSink,
};
use forebay_queue::Message;
use forebay_sandbox::{Faults, Options, SLACK_CHANNEL, SLACK_TOKEN, Sandbox, SlackPost};
use forebay_schemas::Catalogue;
use forebay_sqlite::Db;
use forebay_store::{By, Lifecycle as _, OutboxRow, Store};
use forebay_store_sqlite::SqliteStore;
use forebay_telemetry::Metrics;
use forebay_worker::{Decoding, Handler, RawHandler as _, Received};
use secrecy::SecretString;
use tempfile::TempDir;
use url::Url;
use uuid::Uuid;

/// How long Slack may take to answer here: one that is well, and one that hangs.
const SLACK_TIMEOUT: Duration = Duration::from_secs(10);
const SLACK_HANGS: Duration = Duration::from_millis(500);

struct Scene {
    sandbox: Sandbox,
    store: Arc<dyn Store>,
    clock: Arc<ManualClock>,
    handler: Decoding,
    db: Db,
    _folder: TempDir,
}

impl Scene {
    async fn new(slack: bool, recipients: &[&str]) -> Self {
        Self::with_timeout(slack, recipients, SLACK_TIMEOUT).await
    }

    async fn with_timeout(slack: bool, recipients: &[&str], timeout: Duration) -> Self {
        let sandbox = Sandbox::start(Options::default()).await.unwrap();
        let folder = tempfile::tempdir().unwrap();
        let db = Db::open(&folder.path().join("shop.db")).await.unwrap();
        let clock = Arc::new(ManualClock::at(SystemClock.now()));
        let told: Arc<dyn Clock> = Arc::clone(&clock) as _;
        let timing = Timing::default();
        let store = SqliteStore::new(db.clone(), Arc::new(RandomIds), Arc::clone(&told), timing);
        store.migrate().await.unwrap();
        let store: Arc<dyn Store> = Arc::new(store);
        let base = Url::parse(&sandbox.http_url()).unwrap();
        let allow = AllowedHost { plain: true, ..AllowedHost::of_url(&base, true).unwrap() };
        let options = HttpOptions { timeout, ..HttpOptions::new(vec![allow]) };
        let metrics = Metrics::new("0");
        let http = HttpClient::new(options, Arc::new(SystemClock), metrics.clone()).unwrap();
        let sink = SlackSink::Bot {
            token: SecretString::from(SLACK_TOKEN),
            channel: SLACK_CHANNEL.into(),
            api_base: base.join("/slack/api/").unwrap(),
        };
        let mail = MailOptions {
            host: sandbox.smtp_addr().ip().to_string(),
            port: sandbox.smtp_addr().port(),
            tls: MailTls::None,
            login: None,
            from: "forebay@shop.example".into(),
            to: recipients.iter().map(|to| (*to).to_owned()).collect(),
        };
        let mail = (!recipients.is_empty()).then(|| Mailer::new(mail, Arc::clone(&told)).unwrap());
        let sinks = Sinks { slack: slack.then(|| Slack::new(http, sink)), mail };
        let wording = Wording { shop: "main".into(), tz: chrono_tz::UTC, runbooks: None, dashboard: None };
        let notices: Arc<dyn Handler> =
            Arc::new(Notices::new(Arc::clone(&store), told, sinks, wording, timing, metrics));
        let handler = Decoding::new(Arc::new(Catalogue::new()), notices);
        Self { sandbox, store, clock, handler, db, _folder: folder }
    }

    fn now(&self) -> DateTime<Utc> {
        self.clock.now()
    }

    fn later(&self, seconds: u64) {
        self.clock.advance(Duration::from_secs(seconds));
    }

    async fn raise(&self, fingerprint: &str, rule: AlertRule, severity: Severity, count: i64) {
        let about = (rule == AlertRule::DeadLetters || rule == AlertRule::BreakerOpen)
            .then(|| About::System("fedex".into()));
        let raise = Raise {
            fingerprint: fingerprint.into(),
            rule,
            about,
            severity,
            title: format!("{fingerprint} is low"),
            impact: "Claims go on.".into(),
            action: "Add stock.".into(),
            sample: String::new(),
            count,
        };
        self.store.raise(vec![raise], self.now()).await.unwrap();
    }

    /// Handles what is due, mails that follow included; what is to come again stays. What became of each.
    async fn deliver(&self) -> Vec<Outcome> {
        let mut outcomes = Vec::new();
        let mut again = Vec::new();
        loop {
            let rows = self.store.outbox_take(100, Duration::from_secs(3_600), self.now()).await.unwrap();
            if rows.is_empty() {
                break;
            }
            for row in rows {
                let id = row.id;
                let outcome = self.handle(row).await;
                match &outcome {
                    Outcome::Done | Outcome::Duplicate => self.store.outbox_published(&[id]).await.unwrap(),
                    _ => again.push(id),
                }
                outcomes.push(outcome);
            }
        }
        self.store.outbox_release(&again, self.now() + TimeDelta::seconds(1)).await.unwrap();
        outcomes
    }

    async fn handle(&self, row: OutboxRow) -> Outcome {
        let message = Message {
            id: row.event_id,
            kind: row.kind,
            timestamp: Some(row.created_at),
            headers: row.headers,
            body: row.body.into(),
        };
        self.handler.handle(vec![Received::of(message)], self.now()).await.unwrap().remove(0)
    }

    fn posts(&self) -> Vec<SlackPost> {
        self.sandbox.record().slack_posts()
    }

    /// The recipients of the mails that came, in their order.
    fn mailed(&self) -> Vec<String> {
        let mut to: Vec<String> =
            self.sandbox.record().mail_list().into_iter().flat_map(|mail| mail.to).collect();
        to.sort();
        to
    }

    async fn open(&self, fingerprint: &str) -> Option<Incident> {
        let open = self.store.open_incidents(20).await.unwrap();
        open.into_iter().find(|incident| incident.raise.fingerprint == fingerprint)
    }

    fn by(&self) -> By {
        By { id: Uuid::max(), actor: "kim".into(), reason: String::new() }
    }

    async fn end(self) {
        self.store.close().await;
        self.db.close().await;
        self.sandbox.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_incident_is_one_message_that_is_changed_in_place_and_what_is_of_note_is_said_in_its_thread() {
    let scene = Scene::new(true, &[]).await;
    let stock = |severity, count| scene.raise("mug", AlertRule::StockLow, severity, count);
    stock(Severity::Warning, 1).await;
    scene.later(30);
    scene.deliver().await;
    assert_eq!(scene.posts().len(), 1);
    // Counts alone are changed in place.
    stock(Severity::Warning, 3).await;
    scene.later(300);
    scene.deliver().await;
    assert_eq!((scene.posts().len(), scene.posts()[0].updates), (1, 1));
    assert!(scene.posts()[0].blocks.to_string().contains("4; 3 since"), "{}", scene.posts()[0].blocks);
    // Ten times as many, an acknowledgement, a rise of its severity.
    stock(Severity::Warning, 6).await;
    scene.later(300);
    scene.deliver().await;
    let id = scene.open("mug").await.unwrap().id;
    scene.store.order_incident(id, Order::Acknowledge, &scene.by(), scene.now()).await.unwrap();
    scene.deliver().await;
    stock(Severity::Critical, 1).await;
    scene.deliver().await;
    let posts = scene.posts();
    let first = &posts[0];
    let replies: Vec<(&str, bool)> =
        posts[1..].iter().map(|post| (post.text.split(' ').next().unwrap(), post.broadcast)).collect();
    assert_eq!(replies, [("📈", false), ("👀", false), ("⬆️", true)]);
    assert!(posts[1..].iter().all(|post| post.thread_ts.as_deref() == Some(first.ts.as_str())));
    // Its end is told in place, with how long it lasted.
    scene.store.resolve(&["mug".to_owned()], scene.now()).await.unwrap();
    scene.deliver().await;
    assert_eq!(scene.posts().len(), 4);
    assert!(scene.posts()[0].text.ends_with("after 10 min 30 s"), "{}", scene.posts()[0].text);
    assert!(scene.deliver().await.is_empty());
    scene.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_wants_silence_is_told_in_the_thread_and_so_is_its_end_and_what_nobody_took_on_is_said_to_all() {
    let scene = Scene::new(true, &[]).await;
    scene.raise("mug", AlertRule::StockLow, Severity::Warning, 1).await;
    scene.later(30);
    scene.deliver().await;
    let id = scene.open("mug").await.unwrap().id;
    let order = Order::Snooze { until: scene.now() + TimeDelta::hours(1) };
    scene.store.order_incident(id, order, &scene.by(), scene.now()).await.unwrap();
    scene.deliver().await;
    scene.raise("mug", AlertRule::StockLow, Severity::Warning, 100).await;
    scene.later(1_800);
    scene.deliver().await;
    assert_eq!(scene.posts().len(), 2, "one says that it is silent, nothing follows");
    scene.later(1_800);
    scene.deliver().await;
    let texts: Vec<String> =
        scene.posts().iter().map(|post| post.text.split(' ').next().unwrap().to_owned()).collect();
    assert_eq!(texts[1..], ["🔕", "🔔"]);
    scene.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn silence_that_is_ordered_while_something_else_is_being_told_is_told_too() {
    let scene = Scene::new(true, &[]).await;
    scene.raise("mug", AlertRule::StockLow, Severity::Warning, 1).await;
    scene.later(30);
    scene.deliver().await;
    let id = scene.open("mug").await.unwrap().id;
    scene.store.order_incident(id, Order::Acknowledge, &scene.by(), scene.now()).await.unwrap();
    scene.sandbox.set_faults(Faults { slack_takes_then_hangs_ms: 1_000, ..Faults::default() });
    let order = async {
        let deadline = tokio::time::Instant::now() + Duration::from_secs(60);
        while scene.posts().len() < 2 {
            assert!(tokio::time::Instant::now() < deadline, "the thread hears who took it on");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        let order = Order::Snooze { until: scene.now() + TimeDelta::hours(1) };
        scene.store.order_incident(id, order, &scene.by(), scene.now()).await.unwrap();
        scene.later(1);
    };
    tokio::join!(scene.deliver(), order);
    scene.deliver().await;
    let texts: Vec<String> =
        scene.posts().iter().map(|post| post.text.split(' ').next().unwrap().to_owned()).collect();
    assert_eq!(texts[1..], ["👀", "🔕"]);
    assert!(scene.posts()[0].blocks.to_string().contains("snoozed by"), "{}", scene.posts()[0].blocks);
    scene.end().await;
}

/// Slack in this state, with mail beside it: what happened to a warning, and how many mails and messages came.
async fn told_while(faults: Faults) -> (Vec<Outcome>, usize, usize, Scene) {
    let timeout = if faults.slack_hangs_ms > 0 { SLACK_HANGS } else { SLACK_TIMEOUT };
    let scene = Scene::with_timeout(true, &["a@shop.example"], timeout).await;
    scene.sandbox.set_faults(faults);
    scene.raise("mug", AlertRule::StockLow, Severity::Warning, 1).await;
    scene.later(30);
    let outcomes = scene.deliver().await;
    let (mails, posts) = (scene.mailed().len(), scene.posts().len());
    (outcomes, mails, posts, scene)
}

#[tokio::test(flavor = "multi_thread")]
async fn what_slack_does_not_take_is_mailed_once_however_slack_fails() {
    let ways = [
        Faults { slack_fails: true, ..Faults::default() },
        Faults { slack_hangs_ms: 20_000, ..Faults::default() },
        Faults { slack_rate_limited: Some(3_600), ..Faults::default() },
    ];
    futures::future::join_all(ways.map(|faults| async move {
        let (outcomes, mails, posts, scene) = told_while(faults.clone()).await;
        assert_eq!(outcomes, [Outcome::Done, Outcome::Done], "{faults:?}");
        assert_eq!((mails, posts), (1, 0), "{faults:?}");
        for _ in 0..3 {
            scene.raise("mug", AlertRule::StockLow, Severity::Warning, 1).await;
            scene.later(400);
            scene.deliver().await;
        }
        assert_eq!(scene.mailed().len(), 1, "counts alone are not mailed: {faults:?}");
        scene.end().await;
    }))
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_short_pause_of_slacks_is_waited_for() {
    let faults = Faults { slack_rate_limited: Some(1), ..Faults::default() };
    let (outcomes, mails, posts, scene) = told_while(faults).await;
    assert!(matches!(outcomes[..], [Outcome::Defer { .. }]), "{outcomes:?}");
    assert_eq!((mails, posts), (0, 0));
    scene.sandbox.set_faults(Faults::default());
    let deadline = tokio::time::Instant::now() + Duration::from_secs(60);
    while scene.posts().is_empty() {
        assert!(tokio::time::Instant::now() < deadline, "it is told when the pause is over");
        scene.later(2);
        scene.deliver().await;
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert_eq!((scene.posts().len(), scene.mailed().len()), (1, 0));
    scene.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slack_that_refuses_is_told_by_mail_alone_and_its_end_too() {
    let faults = Faults { slack_refuses_token: true, ..Faults::default() };
    let (_, mails, posts, scene) = told_while(faults).await;
    assert_eq!((mails, posts), (1, 0));
    let refused = scene.open("slack/refused").await.unwrap();
    assert!(refused.raise.title.contains("invalid_auth"), "{refused:?}");
    assert!(refused.raise.action.contains("token"), "{refused:?}");
    scene.later(30);
    scene.deliver().await;
    assert_eq!(scene.mailed().len(), 2, "one of it");
    assert!(scene.deliver().await.is_empty(), "and no more");
    scene.sandbox.set_faults(Faults::default());
    scene.raise("mug", AlertRule::StockLow, Severity::Critical, 1).await;
    scene.deliver().await;
    assert!(scene.open("slack/refused").await.is_none(), "it takes messages again");
    scene.deliver().await;
    assert!(scene.posts().iter().all(|post| post.text.contains("mug")), "Slack hears nothing of itself");
    assert_eq!(scene.mailed().len(), 4, "what got critical, and that Slack is back");
    scene.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_test_that_is_taken_ends_the_incident_of_the_refusal() {
    let refusing = Faults {
        slack_refuses_token: true,
        mail_rejects_only: Some("b@shop.example".into()),
        ..Faults::default()
    };
    let scene = Scene::new(true, &["a@shop.example", "b@shop.example"]).await;
    scene.sandbox.set_faults(refusing);
    scene.raise("mug", AlertRule::StockLow, Severity::Warning, 1).await;
    scene.later(30);
    scene.deliver().await;
    let refused = ["slack/refused", "mail/1/refused"];
    for refused in refused {
        assert!(scene.open(refused).await.is_some(), "{refused}");
    }
    scene.sandbox.set_faults(Faults::default());
    let id = Uuid::from_u128(1);
    scene.store.ask_alert_test(id, "stock_out", &scene.by(), scene.now()).await.unwrap();
    scene.deliver().await;
    for refused in refused {
        assert!(scene.open(refused).await.is_none(), "{refused}");
    }
    scene.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_recipient_costs_the_others_nothing_and_slack_alone_tells_of_it() {
    let scene = Scene::new(true, &["a@shop.example", "gone@shop.example", "grey@shop.example"]).await;
    scene.sandbox.set_faults(Faults {
        mail_rejects_only: Some("gone@shop.example".into()),
        mail_refuses_only: Some("grey@shop.example".into()),
        ..Faults::default()
    });
    scene.raise("mug", AlertRule::StockOut, Severity::Critical, 1).await;
    scene.later(30);
    let outcomes = scene.deliver().await;
    let retried = outcomes.iter().filter(|outcome| matches!(outcome, Outcome::Retry { .. })).count();
    assert_eq!((outcomes.len(), retried), (4, 1), "{outcomes:?}");
    assert_eq!(scene.mailed(), ["a@shop.example"]);
    let refused = scene.open("mail/1/refused").await.unwrap();
    assert_eq!(refused.raise.title, "Mail to recipient 2 of 3 is refused (550)");
    scene.sandbox.set_faults(Faults::default());
    scene.later(30);
    scene.deliver().await;
    assert_eq!(scene.mailed(), ["a@shop.example", "grey@shop.example"], "each once");
    assert_eq!(scene.posts().len(), 2, "the incident, and the refusal");
    let mail = scene.sandbox.record().mail_list().remove(0);
    assert!(mail.header("Content-Type").unwrap().starts_with("multipart/alternative"), "{mail:?}");
    scene.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn slack_alone_is_tried_until_it_takes_it() {
    let scene = Scene::new(true, &[]).await;
    scene.sandbox.set_faults(Faults { slack_fails: true, ..Faults::default() });
    scene.raise("mug", AlertRule::StockLow, Severity::Warning, 1).await;
    scene.later(30);
    assert!(matches!(scene.deliver().await[..], [Outcome::Retry { .. }]));
    scene.sandbox.set_faults(Faults::default());
    scene.later(5);
    assert_eq!(scene.deliver().await, [Outcome::Done]);
    assert_eq!(scene.posts().len(), 1);
    scene.end().await;
}

/// Delivers until nothing is left to be tried again.
async fn delivered(scene: &Scene) {
    let deadline = tokio::time::Instant::now() + Duration::from_secs(60);
    loop {
        scene.later(2);
        let outcomes = scene.deliver().await;
        if outcomes.iter().all(|outcome| *outcome == Outcome::Done) {
            return;
        }
        assert!(tokio::time::Instant::now() < deadline, "{outcomes:?}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// A message and a reply that Slack takes without saying so, each told to the end once Slack answers again.
async fn taken_without_an_answer(faults: Faults) -> Scene {
    let scene = Scene::with_timeout(true, &[], SLACK_HANGS).await;
    let hangs = Faults { slack_takes_then_hangs_ms: 20_000, ..faults.clone() };
    for severity in [Severity::Warning, Severity::Critical] {
        let before = scene.posts().len();
        scene.sandbox.set_faults(hangs.clone());
        scene.raise("mug", AlertRule::StockLow, severity, 1).await;
        scene.later(30);
        let deadline = tokio::time::Instant::now() + Duration::from_secs(60);
        while scene.posts().len() == before {
            assert!(tokio::time::Instant::now() < deadline, "Slack takes it");
            scene.later(2);
            let outcomes = scene.deliver().await;
            assert!(matches!(outcomes[..], [Outcome::Retry { .. } | Outcome::Defer { .. }]), "{outcomes:?}");
        }
        scene.sandbox.set_faults(faults.clone());
        delivered(&scene).await;
    }
    scene
}

#[tokio::test(flavor = "multi_thread")]
async fn what_slack_took_without_saying_so_is_found_there_and_not_sent_again() {
    let scene = taken_without_an_answer(Faults::default()).await;
    let posts = scene.posts();
    let texts: Vec<&str> = posts.iter().map(|post| post.text.as_str()).collect();
    assert_eq!(posts.len(), 2, "{texts:?}");
    assert!(posts[0].updates > 0 && posts[0].text.contains("[critical]"), "{texts:?}");
    assert!(texts[1].starts_with("⬆️") && posts[1].broadcast, "{texts:?}");
    assert_eq!(scene.open("mug").await.unwrap().slack.unwrap().ts, posts[0].ts);
    scene.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn where_the_bot_may_not_read_a_message_more_is_better_than_none() {
    let scene = taken_without_an_answer(Faults { slack_tells_nothing: true, ..Faults::default() }).await;
    let posts = scene.posts();
    assert!(posts.len() >= 4, "each was sent again: {posts:?}");
    assert!(posts.last().unwrap().text.starts_with("⬆️"), "{posts:?}");
    scene.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_neither_slack_nor_mail_takes_is_tried_until_one_does() {
    let scene = Scene::new(true, &["a@shop.example"]).await;
    scene.sandbox.set_faults(Faults { slack_fails: true, mail_rejects: true, ..Faults::default() });
    scene.raise("mug", AlertRule::StockLow, Severity::Warning, 1).await;
    scene.later(30);
    let outcomes = scene.deliver().await;
    assert!(matches!(outcomes[..], [Outcome::Done, Outcome::Retry { .. }]), "{outcomes:?}");
    scene.sandbox.set_faults(Faults { mail_rejects: true, ..Faults::default() });
    scene.later(5);
    scene.deliver().await;
    assert_eq!(scene.posts().iter().filter(|post| post.text.contains("mug")).count(), 1);
    scene.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slack_that_is_back_before_the_mail_server_tells_it_once() {
    let scene = Scene::new(true, &["a@shop.example", "b@shop.example"]).await;
    scene.sandbox.set_faults(Faults { slack_fails: true, mail_refuses: true, ..Faults::default() });
    scene.raise("mug", AlertRule::StockLow, Severity::Warning, 1).await;
    scene.later(30);
    let outcomes = scene.deliver().await;
    assert!(
        matches!(outcomes[..], [Outcome::Done, Outcome::Retry { .. }, Outcome::Retry { .. }]),
        "{outcomes:?}"
    );
    scene.sandbox.set_faults(Faults { mail_refuses: true, ..Faults::default() });
    scene.later(5);
    scene.deliver().await;
    scene.later(30);
    scene.deliver().await;
    assert_eq!((scene.posts().len(), scene.mailed().len()), (1, 0));
    scene.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_follows_from_an_open_breaker_is_told_after_it() {
    let scene = Scene::new(true, &[]).await;
    scene.raise("letters", AlertRule::DeadLetters, Severity::Warning, 1).await;
    scene.raise("breaker", AlertRule::BreakerOpen, Severity::Warning, 1).await;
    scene.later(30);
    scene.deliver().await;
    assert_eq!(scene.posts().len(), 1, "the cause alone");
    assert!(scene.posts()[0].text.contains("breaker"));
    scene.later(600);
    scene.store.resolve(&["breaker".to_owned()], scene.now()).await.unwrap();
    scene.later(90);
    scene.deliver().await;
    let posts = scene.posts();
    assert!(posts.len() == 2 && posts[1].text.contains("letters"), "{posts:?}");
    scene.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn each_rule_can_be_tested() {
    let scene = Scene::new(false, &["a@shop.example"]).await;
    for (n, of) in (1..).zip(RULES) {
        let id = Uuid::from_u128(n);
        scene.store.ask_alert_test(id, of.name, &scene.by(), scene.now()).await.unwrap();
        assert_eq!(scene.deliver().await, [Outcome::Done], "{}", of.name);
        let answers = scene.store.alert_test(id).await.unwrap().unwrap();
        assert!(answers.iter().all(|answer| answer.taken) && answers.len() == 1, "{}: {answers:?}", of.name);
        let mail = scene.sandbox.record().mail_list().pop().unwrap();
        let command = format!("forebay explain {}", of.name);
        assert!(mail.data.replace("=\r\n", "").contains(&command), "{}: {}", of.name, mail.data);
    }
    scene.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_test_says_that_it_is_one_and_what_each_sink_answered() {
    let scene = Scene::new(true, &["a@shop.example", "b@shop.example"]).await;
    scene
        .sandbox
        .set_faults(Faults { mail_rejects_only: Some("b@shop.example".into()), ..Faults::default() });
    let id = Uuid::from_u128(1);
    scene.store.ask_alert_test(id, "stock_out", &scene.by(), scene.now()).await.unwrap();
    assert_eq!(scene.deliver().await, [Outcome::Done]);
    let answers = scene.store.alert_test(id).await.unwrap().unwrap();
    let told: Vec<(&str, bool)> = answers.iter().map(|a| (a.sink.as_str(), a.taken)).collect();
    assert_eq!(told, [("slack", true), ("mail 1", true), ("mail 2", false)]);
    assert!(answers[2].said.contains("550"), "{answers:?}");
    let posts = scene.posts();
    assert!(posts[0].text.contains("TEST of stock_out"), "{posts:?}");
    assert!(scene.store.open_incidents(10).await.unwrap().is_empty(), "nothing has happened");
    scene.end().await;
}
