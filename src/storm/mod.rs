//! The storm: a burst through an installation of processes, of which some are killed, cut off or slowed down on a
//! schedule, and the count of what was lost or doubled.

mod faults;
mod fleet;
mod private;
mod proxy;
mod report;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use forebay_sandbox::Faults;
use forebay_telemetry::{LogFormat, logs};
use rand::SeedableRng;
use rand::rngs::StdRng;
use tokio::task::JoinHandle;
use tokio::time::Instant;
use url::Url;

use crate::burst::client::{self, Sending, Sent};
use crate::burst::mix;
use crate::cli::StormArgs;
use crate::commands::people;
use crate::exit::{CONFIGURATION, Exit, FAILED};

pub(crate) use self::faults::Dose;
use self::faults::{Fault, Strike};
use self::private::Private;
use self::report::Report;

/// How long the storefront goes on with one request.
const ACCEPT_PATIENCE: Duration = Duration::from_secs(180);
/// How often a line tells how it goes.
const LINE_EVERY: Duration = Duration::from_secs(5);

/// Runs a storm; fails when something was lost or doubled.
pub(crate) async fn run(args: StormArgs) -> Result<(), Exit> {
    logs::init(LogFormat::Pretty, "error,lapin=off").map_err(Exit::failed)?;
    check(&args)?;
    let mut random = StdRng::seed_from_u64(args.seed);
    let over = Duration::from_secs(args.over_s);
    let strikes = faults::plan(&args.faults, over, &mut random);
    let mut private = Private::start(&args).await?;
    let result = strike_and_count(&args, over, strikes, &mut private, &mut random).await;
    let sound = matches!(&result, Ok(report) if report.sound());
    private.end(sound).await?;
    let report = result?;
    report.show(args.json)?;
    if report.sound() { Ok(()) } else { Err(Exit::new(FAILED, "something was lost, doubled or broken")) }
}

fn check(args: &StormArgs) -> Result<(), Exit> {
    let wrong = |text: String| Err(Exit::new(CONFIGURATION, text));
    for Dose { fault, .. } in &args.faults {
        if fault.needs_servers() && args.queue_url.is_none() {
            return wrong(format!("--faults {fault} needs --queue-url and --store-url"));
        }
        let (stop, start) = match fault {
            Fault::Broker => (&args.stop_broker, &args.start_broker),
            Fault::Store => (&args.stop_store, &args.start_store),
            _ => continue,
        };
        if stop.is_none() || start.is_none() {
            return wrong(format!("--faults {fault} needs --stop-{fault} and --start-{fault}"));
        }
    }
    Ok(())
}

async fn strike_and_count(
    args: &StormArgs,
    over: Duration,
    strikes: Vec<Strike>,
    private: &mut Private,
    random: &mut StdRng,
) -> Result<Report, Exit> {
    let mut burst = mix::plan(args.events as usize, args.seed, private.system.clock.now());
    if private.broker.is_none() {
        // Nobody but the one process reaches the queues of its file.
        burst.straight.clear();
    }
    let events = Arc::new(burst.events);
    let accepted = Arc::new(AtomicU64::new(0));
    let begun = Instant::now();
    let sending: JoinHandle<Result<Sent, Exit>> = {
        let intake = Url::parse(&format!("http://{}", private.fleet.intake)).map_err(Exit::failed)?;
        let client = client::storefront(&private.system, &intake)?;
        let (key, events, accepted) = (private.key.clone(), Arc::clone(&events), Arc::clone(&accepted));
        let sending = Sending { over, patience: ACCEPT_PATIENCE };
        tokio::spawn(async move { client::send(&client, &intake, &key, &events, &accepted, sending).await })
    };
    let mut line_at = begun + LINE_EVERY;
    let mut struck: BTreeMap<Fault, usize> = BTreeMap::new();
    let mut ended = Vec::new();
    for strike in strikes {
        let at = begun + strike.at;
        while Instant::now() < at {
            tokio::time::sleep_until(at.min(line_at)).await;
            if Instant::now() >= line_at {
                line_at += LINE_EVERY;
                tell(begun, &accepted, &struck, private);
            }
        }
        hit(args, strike, private, random).await?;
        ended.extend(private.fleet.revive()?);
        *struck.entry(strike.fault).or_default() += 1;
    }
    let sent = sending.await.map_err(Exit::failed)??;
    tell(begun, &accepted, &struck, private);
    private.publish_straight(&burst.straight).await?;
    let drained = Instant::now();
    let settled = private.settled(&events, &burst.straight, Duration::from_secs(args.patience_s)).await?;
    let drained_in = settled.then(|| drained.elapsed());
    ended.extend(private.fleet.revive()?);
    private.fleet.stop().await?;
    let invariants = private.evidence(&events, &sent.accepted, &burst.straight).await?;
    Ok(Report {
        seed: args.seed,
        accepted: sent.accepted.len() + burst.straight.len(),
        sent_again: sent.again,
        longest_outage: sent.longest_wait,
        faults: struck,
        ended,
        drained_in,
        invariants,
    })
}

fn tell(begun: Instant, accepted: &AtomicU64, struck: &BTreeMap<Fault, usize>, private: &Private) {
    let faults: Vec<String> = struck.iter().map(|(fault, n)| format!("{n} {fault}")).collect();
    people::note(&format!(
        "{:5.1} s  accepted {}  results at the shop {}  carrier calls {}  faults {}",
        begun.elapsed().as_secs_f64(),
        accepted.load(Ordering::Relaxed),
        private.sandbox.record().distinct_results().len(),
        private.sandbox.record().carrier_calls(),
        if faults.is_empty() { "none yet".to_owned() } else { faults.join(", ") },
    ));
}

/// Strikes once; what has a length is mended before this returns.
async fn hit(
    args: &StormArgs,
    strike: Strike,
    private: &mut Private,
    random: &mut StdRng,
) -> Result<(), Exit> {
    let outside = match strike.fault {
        Fault::Worker | Fault::Relay | Fault::Intake | Fault::Schedule => {
            return private.fleet.kill(strike.fault, random).await;
        }
        Fault::Broker => return outage(&args.stop_broker, &args.start_broker, strike.lasts).await,
        Fault::Store => return outage(&args.stop_store, &args.start_store, strike.lasts).await,
        Fault::Cut => {
            private.proxies.iter().for_each(proxy::Proxy::cut);
            return Ok(());
        }
        Fault::Freeze => {
            private.proxies.iter().for_each(proxy::Proxy::freeze);
            return Ok(());
        }
        Fault::CarrierSlow => Faults { carrier_latency_ms: 2_000, ..Faults::default() },
        Fault::CarrierFails => Faults { carrier_fail_percent: 50, ..Faults::default() },
        Fault::CarrierLimits => Faults { carrier_rate_limited: Some(1), ..Faults::default() },
        Fault::ShopFails => Faults { results_fail_percent: 50, ..Faults::default() },
    };
    private.sandbox.set_faults(outside);
    tokio::time::sleep(strike.lasts).await;
    private.sandbox.set_faults(Faults::default());
    Ok(())
}

async fn outage(stop: &Option<String>, start: &Option<String>, lasts: Duration) -> Result<(), Exit> {
    shell(stop).await?;
    tokio::time::sleep(lasts).await;
    shell(start).await
}

async fn shell(command: &Option<String>) -> Result<(), Exit> {
    let Some(command) = command else { return Ok(()) };
    let status = tokio::process::Command::new("sh")
        .args(["-c", command])
        .stdin(std::process::Stdio::null())
        .stdout(std::process::Stdio::null())
        .status()
        .await?;
    if status.success() { Ok(()) } else { Err(Exit::new(FAILED, format!("`{command}` failed: {status}"))) }
}
