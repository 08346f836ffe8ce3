//! The demo: a burst through a whole system in one process, and the proof that nothing was lost or doubled.

mod client;
mod invariants;
mod mix;
mod report;
mod watch;

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use bytes::Bytes;
use forebay_intake::{ApiKey, Scope};
use forebay_outbound::{AllowedHost, HttpClient, HttpOptions};
use forebay_queue::{Message, Outgoing, Publisher};
use forebay_sandbox::Sandbox;
use forebay_schemas::{Code, Queue, Route};
use forebay_telemetry::{LogFormat, Metrics, logs};
use secrecy::SecretString;
use tokio::time::Instant;
use url::Url;

use crate::cli::DemoArgs;
use crate::compose::System;
use crate::config::{BackEndUrl, Config};
use crate::exit::{Exit, FAILED, UNAVAILABLE};
use crate::roles::Running;
use crate::world::{self, Serving};

use self::invariants::Evidence;
use self::mix::{Burst, Straight};
use self::report::Report;
use self::watch::{Expected, Watch};

pub(crate) use self::mix::programme as burst_programme;

/// The sandbox's carrier takes so many calls a second.
const QUOTA: u32 = 1_000;
/// How often a straight publish is tried again.
const PUBLISH_TRIES: usize = 20;

/// Runs the demo; fails when an invariant does not hold.
pub(crate) async fn run(args: DemoArgs) -> Result<(), Exit> {
    logs::init(LogFormat::Pretty, "error").map_err(Exit::failed)?;
    let folder = tempfile::tempdir()?;
    let sandbox = Sandbox::start(forebay_sandbox::Options {
        seed: args.seed,
        carrier_quota_per_second: QUOTA,
        ..forebay_sandbox::Options::default()
    })
    .await?;
    let config = configuration(&args, &sandbox, folder.path())?;
    let system = System::new(config);
    let (key, ring) = ApiKey::mint(&rand::random(), Scope::ALL);
    let opened = system.open().await?;
    let running = Running::new();
    let serving = world::start_all(&system, &opened, &running, vec![ring]).await?;
    if serving.store.tally().await?.inbox > 0 {
        let text =
            "the store is not empty, and the demo's sums are over the whole store; give it an empty database";
        return Err(Exit::new(FAILED, text));
    }
    let report = burst(&args, &system, &serving, &sandbox, &key).await;
    running.stop().await;
    serving.broker.close().await;
    serving.store.close().await;
    opened.close().await;
    sandbox.stop().await;
    let report = report?;
    report.show(args.json)?;
    if report.sound() { Ok(()) } else { Err(Exit::new(FAILED, "an invariant does not hold")) }
}

fn configuration(args: &DemoArgs, sandbox: &Sandbox, folder: &Path) -> Result<Config, Exit> {
    let mut config = Config::defaults()?;
    let embedded = format!("sqlite:{}", folder.join("demo.db").display());
    config.queue.url = BackEndUrl::new(args.queue_url.clone().unwrap_or_else(|| embedded.clone()));
    config.store.url = BackEndUrl::new(args.store_url.clone().unwrap_or(embedded));
    config.intake.listen = ([127, 0, 0, 1], 0).into();
    config.alerts.group_wait_s = 1.0;
    config.alerts.update_every_s = 5.0;
    world::point_at(&mut config, sandbox)?;
    let mut faults = Vec::new();
    config.check(&mut faults);
    if faults.is_empty() { Ok(config) } else { Err(crate::config::Faults(faults).into()) }
}

async fn burst(
    args: &DemoArgs,
    system: &System,
    serving: &Serving,
    sandbox: &Sandbox,
    key: &SecretString,
) -> Result<Report, Exit> {
    let now = system.clock.now();
    serving.store.put_programme(&mix::programme(now)?, now).await?;
    let Burst { events, straight } = mix::plan(args.events as usize, args.seed, now);
    let events = Arc::new(events);
    let intake = Url::parse(&format!("http://{}", serving.address)).map_err(Exit::failed)?;
    let client = client(system, &intake)?;
    let accepted_so_far = Arc::new(AtomicU64::new(0));
    let begun = Instant::now();
    let expected = Expected::of(&events, &straight);
    let watch =
        Watch::start(serving, sandbox, &system.metrics, Arc::clone(&accepted_so_far), expected, begun);
    let sent = client::send(&client, &intake, key, &events, &accepted_so_far).await?;
    let accepted_in = begun.elapsed();
    publish_straight(serving.broker.publisher().as_ref(), &straight).await?;
    let finish = watch.finished(Duration::from_secs(args.patience_s)).await;
    if let Some(hold) = &args.hold {
        let data = system.config.store.url.sqlite_path().map(|p| p.display().to_string());
        hold_until(hold, &data.unwrap_or_default(), sandbox).await;
    }
    let evidence = Evidence {
        accepted: sent.accepted.iter().map(|i| &events[*i]).collect(),
        straight: &straight,
        store: serving.store.as_ref(),
        record: sandbox.record(),
        quota: QUOTA,
    };
    let invariants = evidence.check().await?;
    Ok(Report::new(&sent, accepted_in, finish, straight.len(), invariants))
}

fn client(system: &System, intake: &Url) -> Result<HttpClient, Exit> {
    let entry = AllowedHost::of_url(intake, true).map_err(Exit::failed)?;
    // Metrics of its own: the storefront's calls are not Forebay's.
    let options = HttpOptions { timeout: Duration::from_secs(30), ..HttpOptions::new(vec![entry]) };
    HttpClient::new(options, Arc::clone(&system.clock), Metrics::new("demo")).map_err(Exit::failed)
}

/// Plays a shop's faulty program that publishes past the intake.
async fn publish_straight(publisher: &dyn Publisher, straight: &[Straight]) -> Result<(), Exit> {
    let mut batch: Vec<Outgoing> = straight.iter().map(outgoing).collect();
    for _ in 0..PUBLISH_TRIES {
        let fates = publisher.publish(batch.clone()).await;
        batch = batch.into_iter().zip(fates).filter(|(_, fate)| fate.is_err()).map(|(out, _)| out).collect();
        if batch.is_empty() {
            return Ok(());
        }
        tokio::time::sleep(Duration::from_millis(250)).await;
    }
    Err(Exit::new(UNAVAILABLE, "the queue did not take the poison that was published straight to it"))
}

fn outgoing(straight: &Straight) -> Outgoing {
    let route = match straight.code {
        Code::Undecodable => Route::Work(Queue::Returns),
        _ => Route::Event(straight.kind.clone()),
    };
    let message = Message {
        id: straight.id.clone(),
        kind: straight.kind.clone(),
        timestamp: None,
        headers: forebay_schemas::trail::Headers::new(),
        body: Bytes::from(straight.body.clone()),
    };
    Outgoing { route, message }
}

/// Waits for a file, so that a test can tamper with the evidence before it is looked at.
async fn hold_until(path: &Path, data: &str, sandbox: &Sandbox) {
    let text = format!("holding for {} data={data} sandbox={}", path.display(), sandbox.http_url());
    crate::commands::people::note(&text);
    while !path.exists() {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}
