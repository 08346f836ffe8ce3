//! The demo: a burst through a whole system in one process, and the proof that nothing was lost or doubled.

mod report;

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use forebay_intake::{ApiKey, Scope};
use forebay_sandbox::Sandbox;
use forebay_telemetry::{LogFormat, logs};
use secrecy::SecretString;
use tokio::time::Instant;
use url::Url;

use crate::burst::client::{self, Sending};
use crate::burst::invariants::{Evidence, Outside};
use crate::burst::mix::{self, Burst, Recipe, Tag};
use crate::burst::straight;
use crate::burst::watch::{Expected, Watch};
use crate::cli::DemoArgs;
use crate::commands::people;
use crate::compose::System;
use crate::config::{BackEndUrl, Config};
use crate::exit::{Exit, FAILED};
use crate::world::{self, Serving};

use self::report::Report;

/// The sandbox's carrier takes so many calls a second.
const QUOTA: u32 = 1_000;
/// How long the intake may take to accept a batch.
const ACCEPT_PATIENCE: Duration = Duration::from_secs(60);

/// Runs the demo; fails when an invariant does not hold.
pub(crate) async fn run(args: DemoArgs) -> Result<(), Exit> {
    logs::init(LogFormat::Pretty, "error,lapin=off", None).map_err(Exit::failed)?;
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
    let running = system.running();
    let serving = world::start_all(&system, &opened, &running, vec![ring]).await?;
    if serving.store.tally().await?.inbox > 0 {
        let text =
            "the store is not empty, and the demo's sums are over the whole store; give it an empty database";
        return Err(Exit::new(FAILED, text));
    }
    let base = sandbox.http_url();
    people::note(&format!("what people read, while this runs: {base}/slack and {base}/mail, in a browser"));
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
    serving.store.put_programme(&mix::programme(now, &Tag::own())?, now).await?;
    let Burst { events, straight } = mix::plan(&Recipe::own(args.events as usize, args.seed), now);
    let events = Arc::new(events);
    let intake = Url::parse(&format!("http://{}", serving.address)).map_err(Exit::failed)?;
    let client = client::storefront(system, &intake)?;
    let accepted_so_far = Arc::new(AtomicU64::new(0));
    let begun = Instant::now();
    let expected = Expected::of(&events, &straight);
    let watch =
        Watch::start(serving, sandbox, &system.metrics, Arc::clone(&accepted_so_far), expected, begun);
    let sending = Sending { over: Duration::ZERO, patience: ACCEPT_PATIENCE };
    let sent = client::send(&client, &intake, key, &events, &accepted_so_far, sending).await?;
    let accepted_in = begun.elapsed();
    straight::publish(serving.broker.publisher().as_ref(), &straight).await?;
    let finish = watch.finished(Duration::from_secs(args.patience_s)).await;
    if let Some(hold) = &args.hold {
        let data = system.config.store.url.sqlite_path().map(|p| p.display().to_string());
        hold_until(hold, &data.unwrap_or_default(), sandbox).await;
    }
    let evidence = Evidence {
        accepted: sent.accepted.iter().map(|i| &events[*i]).collect(),
        straight: &straight,
        store: serving.store.as_ref(),
        tag: &Tag::own(),
        outside: Some(Outside::of(sandbox)),
    };
    let invariants = evidence.check().await?;
    Ok(Report::new(&sent, accepted_in, finish, straight.len(), invariants))
}

/// Waits for a file, so that a test can tamper with the evidence before it is looked at.
async fn hold_until(path: &Path, data: &str, sandbox: &Sandbox) {
    let text = format!("holding for {} data={data} sandbox={}", path.display(), sandbox.http_url());
    people::note(&text);
    while !path.exists() {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}
