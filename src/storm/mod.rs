//! The storm: a burst through an installation of processes, of which some are killed, cut off or slowed down on a
//! schedule, and the count of what was lost or doubled.

mod far_sandbox;
mod faults;
mod fleet;
mod installation;
mod orders;
mod private;
mod proxy;
mod report;
mod running;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use forebay_telemetry::{LogFormat, logs};
use rand::SeedableRng;
use rand::rngs::StdRng;
use tokio::task::JoinHandle;
use tokio::time::Instant;

use crate::burst::client::{self, Sending, Sent};
use crate::burst::mix;
use crate::cli::StormArgs;
use crate::commands::people;
use crate::exit::{CONFIGURATION, Exit, FAILED};

pub(crate) use self::faults::{Dose, FaultCommand};
use self::faults::{Fault, Strike};
use self::installation::{Installation, Sums};
use self::orders::Orders;
use self::private::Private;
use self::report::Report;
use self::running::Running;

/// How long the storefront goes on with one request.
const ACCEPT_PATIENCE: Duration = Duration::from_secs(180);
/// How often a line tells how it goes.
const LINE_EVERY: Duration = Duration::from_secs(5);

/// Runs a storm; fails when something was lost or doubled.
pub(crate) async fn run(args: StormArgs) -> Result<(), Exit> {
    logs::init(LogFormat::Pretty, "error,lapin=off", None).map_err(Exit::failed)?;
    let orders = Orders::of(&args);
    check(&args, &orders)?;
    let mut random = StdRng::seed_from_u64(args.seed);
    let over = Duration::from_secs(args.over_s);
    let strikes = faults::plan(&args.faults, over, &mut random);
    let mut installation: Box<dyn Installation> = match args.intake.clone() {
        Some(intake) => Box::new(Running::reach(&args, intake).await?),
        None => Box::new(Private::start(&args).await?),
    };
    let result = strike_and_count(&args, &orders, strikes, installation.as_mut(), &mut random).await;
    let sound = matches!(&result, Ok(report) if report.sound());
    installation.end(sound).await?;
    let report = result?;
    report.show(args.json)?;
    if report.sound() { Ok(()) } else { Err(Exit::new(FAILED, "something was lost, doubled or broken")) }
}

fn check(args: &StormArgs, orders: &Orders) -> Result<(), Exit> {
    let wrong = |text: String| Err(Exit::new(CONFIGURATION, text));
    if args.intake.is_none() && args.store_url.is_some() != args.queue_url.is_some() {
        return wrong("--store-url needs --queue-url, or --intake for an installation that runs".to_owned());
    }
    for Dose { fault, .. } in &args.faults {
        match (fault, &args.intake) {
            (fault, Some(_)) if fault.of_the_outside().is_some() && args.sandbox.is_some() => {}
            (fault, Some(_)) if fault.of_the_outside().is_some() && !orders.know(*fault) => {
                return wrong(format!("--faults {fault} needs --sandbox, or --on {fault}=COMMAND"));
            }
            (fault, Some(_)) => orders.need(*fault)?,
            (fault, None) if fault.needs_servers() && args.queue_url.is_none() => {
                return wrong(format!("--faults {fault} needs --queue-url and --store-url"));
            }
            (Fault::Broker | Fault::Store, None) => orders.need(*fault)?,
            (_, None) => {}
        }
    }
    Ok(())
}

async fn strike_and_count(
    args: &StormArgs,
    orders: &Orders,
    strikes: Vec<Strike>,
    installation: &mut dyn Installation,
    random: &mut StdRng,
) -> Result<Report, Exit> {
    let recipe = installation.recipe(args.events as usize, args.seed);
    let burst = mix::plan(&recipe, installation.system().clock.now());
    let events = Arc::new(burst.events);
    let accepted = Arc::new(AtomicU64::new(0));
    let begun = Instant::now();
    let sending: JoinHandle<Result<Sent, Exit>> = {
        let intake = installation.intake();
        let client = client::storefront(installation.system(), &intake)?;
        let (key, events, accepted) = (installation.key(), Arc::clone(&events), Arc::clone(&accepted));
        let sending = Sending { over: Duration::from_secs(args.over_s), patience: ACCEPT_PATIENCE };
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
                tell(begun, &accepted, &struck, installation).await;
            }
        }
        if !orders.obey(strike.fault, strike.lasts).await? {
            installation.strike(strike, random).await?;
        }
        ended.extend(installation.revive()?);
        *struck.entry(strike.fault).or_default() += 1;
    }
    let sent = sending.await.map_err(Exit::failed)??;
    tell(begun, &accepted, &struck, installation).await;
    let straight = installation.publish_straight(burst.straight).await?;
    let drained = Instant::now();
    ended.extend(installation.revive()?);
    let sums = Sums {
        events: &events,
        accepted: &sent.accepted,
        straight: &straight,
        patience: Duration::from_secs(args.patience_s),
    };
    let (in_time, invariants) = installation.settled(&sums).await?;
    let drained_in = in_time.then(|| drained.elapsed());
    Ok(Report {
        seed: args.seed,
        accepted: sent.accepted.len() + straight.len(),
        sent_again: sent.again,
        longest_outage: sent.longest_wait,
        faults: struck,
        ended,
        drained_in,
        invariants,
    })
}

async fn tell(
    begun: Instant,
    accepted: &AtomicU64,
    struck: &BTreeMap<Fault, usize>,
    installation: &dyn Installation,
) {
    let faults: Vec<String> = struck.iter().map(|(fault, n)| format!("{n} {fault}")).collect();
    people::note(&format!(
        "{:5.1} s  accepted {}  {}  faults {}",
        begun.elapsed().as_secs_f64(),
        accepted.load(Ordering::Relaxed),
        installation.outside().await,
        if faults.is_empty() { "none yet".to_owned() } else { faults.join(", ") },
    ));
}
