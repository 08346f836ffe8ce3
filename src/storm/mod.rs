//! The storm: a burst through an installation of processes, of which some are killed, cut off or slowed down on a
//! schedule, and the count of what was lost or doubled.

mod course;
mod far_sandbox;
mod faults;
mod fleet;
mod installation;
mod mending;
mod orders;
mod private;
mod proxy;
mod report;
mod running;
mod told;

use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use forebay_telemetry::{LogFormat, logs};
use rand::SeedableRng;
use rand::rngs::StdRng;
use tokio::task::JoinHandle;
use tokio::time::Instant;

use crate::burst::client::{self, Sending, Sent};
use crate::burst::mix;
use crate::cli::StormArgs;
use crate::exit::{CONFIGURATION, Exit, FAILED};

use self::course::Course;
pub(crate) use self::faults::{Dose, FaultCommand};
use self::faults::{Fault, Strike};
use self::installation::{Installation, Sums};
use self::orders::Orders;
use self::private::Private;
use self::report::Report;
use self::running::Running;

/// How long the storefront goes on with one request.
pub(crate) const ACCEPT_PATIENCE: Duration = Duration::from_secs(180);

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
    let own_only = [("--settings", args.settings.is_some()), ("--until-well", args.until_well)];
    if let Some((option, _)) = own_only.iter().find(|(_, given)| *given && args.intake.is_some()) {
        return wrong(format!("{option} is for the storm's own installation; leave out --intake"));
    }
    if args.until_well && args.store_url.is_none() {
        return wrong("--until-well needs --queue-url and --store-url".to_owned());
    }
    if args.pages.is_some() && args.intake.is_some() && args.sandbox.is_none() {
        return wrong("--pages needs --sandbox, which is where the messages went".to_owned());
    }
    if args.intake.is_none() && args.store_url.is_some() != args.queue_url.is_some() {
        return wrong("--store-url needs --queue-url, or --intake for an installation that runs".to_owned());
    }
    for Dose { fault, .. } in &args.faults {
        match (fault, &args.intake) {
            (fault, Some(_)) if fault.of_the_outside().is_some() && args.sandbox.is_some() => {}
            (fault, Some(_)) if fault.of_the_outside().is_some() && !orders.know(*fault) => {
                return wrong(format!("--faults {fault} needs --sandbox, or --on {fault}=COMMAND"));
            }
            (Fault::Poison, _) => {}
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
    let since = installation.system().clock.now();
    let burst = mix::plan(&recipe, since);
    let events = Arc::new(burst.events);
    let accepted = Arc::new(AtomicU64::new(0));
    let sending: JoinHandle<Result<Sent, Exit>> = {
        let intake = installation.intake();
        let client = client::storefront(installation.system(), &intake)?;
        let (key, events, accepted) = (installation.key(), Arc::clone(&events), Arc::clone(&accepted));
        let sending = Sending { over: Duration::from_secs(args.over_s), patience: ACCEPT_PATIENCE };
        tokio::spawn(async move { client::send(&client, &intake, &key, &events, &accepted, sending).await })
    };
    let mut course = Course::begin(accepted);
    course.run(strikes, &recipe.tag, orders, installation, random).await?;
    let sent = sending.await.map_err(Exit::failed)??;
    course.tell(installation).await;
    let straight = installation.publish_straight(burst.straight).await?;
    let drained = Instant::now();
    let Course { struck, mut ended, flood, .. } = course;
    ended.extend(installation.revive()?);
    let poison = flood.len();
    let mut events = Vec::clone(&events);
    let accepted: Vec<usize> =
        sent.accepted.iter().copied().chain(events.len()..events.len() + poison).collect();
    events.extend(flood);
    let sums = Sums {
        events: &events,
        accepted: &accepted,
        straight: &straight,
        patience: Duration::from_secs(args.patience_s),
        until_well: args.until_well.then_some(since),
    };
    let (in_time, invariants) = installation.settled(&sums).await?;
    let drained_in = in_time.then(|| drained.elapsed());
    let told = installation.told(since).await?;
    if let Some(folder) = &args.pages {
        told.save_pages(folder)?;
    }
    Ok(Report {
        poison,
        told,
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
