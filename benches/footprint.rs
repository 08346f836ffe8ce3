//! Memory of an intake in a burst and of a worker before a long queue; processor time of an idle system.

use std::time::{Duration, Instant};

use crate::accept::Storefront;
use crate::fleet::Role;
use crate::report::Row;
use crate::support::{forebay, free_port};
use crate::{Options, process};

/// How long the worker works, unless it has settled half of the queue before.
const WORKING: Duration = Duration::from_secs(30);
/// How long the idle system is watched, and how long it may come to rest before.
const IDLE: Duration = Duration::from_secs(30);
const RESTING: Duration = Duration::from_secs(5);

const MEMORY_MIB: f64 = 64.0;
const IDLE_PERCENT: f64 = 1.0;

pub(crate) async fn measure(options: &Options) -> Vec<Row> {
    let intake = intake_in_a_burst(options).await;
    let worker = worker_before_a_long_queue(options).await;
    let idle = idle_system().await;
    vec![
        Row::bounded("memory of an intake in a burst", "MiB", 1, intake, MEMORY_MIB),
        Row::bounded("memory of a worker, long queue", "MiB", 1, worker, MEMORY_MIB),
        Row::bounded("processor time of an idle system", "% of a core", 2, idle, IDLE_PERCENT),
    ]
}

/// The most memory that an intake has ever taken, after as many events as the rows of accepting send.
async fn intake_in_a_burst(options: &Options) -> f64 {
    let storefront = Storefront::open(options).await;
    for _ in 0..options.rounds() {
        storefront.in_batches().await;
        storefront.one_by_one().await;
    }
    let peak = process::peak_memory_mib(storefront.intake.pid());
    println!("footprint: an intake took {peak:.1} MiB at most");
    peak
}

/// The most memory that a worker takes which finds so many messages and works on them for a while.
async fn worker_before_a_long_queue(options: &Options) -> f64 {
    let storefront = Storefront::open(options).await;
    let waiting = options.messages();
    storefront.fill(waiting).await;
    let worker = storefront.fleet.start("worker", &["work", "--queues", "rewards"]);
    let booked = || storefront.fleet.count("select count(*) from shop_order");
    let begun = Instant::now();
    while begun.elapsed() < WORKING && booked() < waiting / 2 {
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    let peak = process::peak_memory_mib(worker.pid());
    println!(
        "footprint: a worker that found {waiting} messages took {peak:.1} MiB at most while it settled {} of them",
        booked()
    );
    assert!(booked() > 0, "the worker works");
    peak
}

/// What `dev` uses of a core, with its sandbox in it, while nobody asks anything of it.
async fn idle_system() -> f64 {
    let folder = tempfile::tempdir().unwrap();
    let operations = free_port();
    let mut command = forebay();
    command.arg("dev").current_dir(folder.path());
    command.env("FOREBAY_INTAKE__LISTEN", format!("127.0.0.1:{}", free_port()));
    command.env("FOREBAY_OPERATIONS__LISTEN", format!("127.0.0.1:{operations}"));
    let dev = Role::ready(command, "dev", operations, folder.path());
    tokio::time::sleep(RESTING).await;
    let (before, begun) = (process::processor_time(dev.pid()), Instant::now());
    tokio::time::sleep(IDLE).await;
    let used = process::processor_time(dev.pid()) - before;
    let percent = 100.0 * used.as_secs_f64() / begun.elapsed().as_secs_f64();
    println!(
        "footprint: an idle `dev` used {} ms of processor time in {} s",
        used.as_millis(),
        IDLE.as_secs()
    );
    percent
}
