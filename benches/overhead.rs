//! What logs, metrics and traces cost: claims on one hot reward, settled by the worker as a process, once with all of
//! them on and once with all of them off, in turns. Part of it is what a message carries so that it can be traced, which is
//! shown by itself.

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::routing::post;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use parking_lot::Mutex;
use prost::Message as _;
use tokio_util::sync::CancellationToken;

use crate::back_ends::{self, Set, ask};
use crate::fleet::Role;
use crate::report::Row;
use crate::settle::left_in_queue;
use crate::support::{curl, forebay, free_port, fresh_servers};
use crate::{Options, claims, process};

/// Claims of a turn.
const CLAIMS: usize = 40_000;
/// How often the metrics are read, which is more often than Prometheus does by default.
const SCRAPED_EVERY: Duration = Duration::from_secs(1);
/// Longest wait for a turn.
const PATIENCE: Duration = Duration::from_secs(300);
/// The least part of the pace without any of it that must be left.
const LEAST: f64 = 0.95;

/// Of how many traces one is recorded; none where nothing is on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Watched {
    /// No log, nobody who reads the metrics, no traces.
    Not,
    /// The same, of messages that carry the trace context of a storefront.
    Carried,
    /// Logs, metrics, and one trace of ten, as it is by default.
    Some,
    /// Logs, metrics, and every trace.
    All,
}

impl Watched {
    const ALL: [Self; 4] = [Self::Not, Self::Carried, Self::Some, Self::All];

    fn is_watched(self) -> bool {
        self.one_of().is_some()
    }

    fn one_of(self) -> Option<usize> {
        match self {
            Self::Not | Self::Carried => None,
            Self::Some => Some(10),
            Self::All => Some(1),
        }
    }

    /// What an intake that is watched in this way would have written into the `n`-th message.
    fn traceparent(self, n: usize) -> Option<String> {
        let recorded = match self {
            Self::Not => return None,
            _ => u8::from(self.one_of().is_none_or(|one_of| n.is_multiple_of(one_of))),
        };
        Some(format!("00-{:032x}-{:016x}-{recorded:02x}", n + 1, n + 1))
    }
}

/// A collector of traces: it keeps what it gets until the turn is over, so that reading it takes no time of the turn.
#[derive(Debug, Default)]
struct Collector(Mutex<Vec<Bytes>>);

impl Collector {
    async fn listening() -> (Arc<Self>, String) {
        let collector = Arc::new(Self::default());
        let take = async |State(collector): State<Arc<Self>>, body: Bytes| collector.0.lock().push(body);
        let router = Router::new().route("/v1/traces", post(take)).with_state(Arc::clone(&collector));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = format!("http://{}/v1/traces", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, router).await });
        (collector, endpoint)
    }

    /// Spans that came since it was asked last.
    fn spans(&self) -> usize {
        let batches = std::mem::take(&mut *self.0.lock());
        let requests = batches.into_iter().map(|body| ExportTraceServiceRequest::decode(body).unwrap());
        let scopes = requests.flat_map(|request| request.resource_spans).flat_map(|of| of.scope_spans);
        scopes.map(|scope| scope.spans.len()).sum()
    }
}

/// What one turn showed.
#[derive(Debug, Clone, Copy)]
struct Turn {
    /// Claims a second.
    pace: f64,
    /// Claims a second of the worker's processor time.
    frugality: f64,
}

pub(crate) async fn measure(options: &Options) -> Vec<Row> {
    let servers = fresh_servers();
    let set = back_ends::on(&servers).await;
    let database = servers.1.as_str();
    let (collector, endpoint) = Collector::listening().await;
    claims::open_programme(set.store.as_ref()).await;
    let count = options.scaled(CLAIMS);
    let mut rounds = Vec::new();
    for round in 0..options.rounds() {
        let mut turns = [None; Watched::ALL.len()];
        // Each comes first in its turn: the books grow meanwhile.
        for n in 0..Watched::ALL.len() {
            let place = (round + n) % Watched::ALL.len();
            let watched = Watched::ALL[place];
            let source = format!("/overhead/{round}/{n}");
            tidy(database);
            claims::enqueue_within(&set, &source, count, |n| watched.traceparent(n)).await;
            let worker = Worker { servers: &servers, watched, endpoint: &endpoint };
            let turn = worker.settle(&set, database, &source, count).await;
            let spans = collector.spans();
            assert_eq!(spans > 0, watched.is_watched(), "{spans} spans of a worker with {watched:?}");
            println!(
                "overhead, round {}: watched {watched:?} {:.0}/s, {:.0} a second of processor time, {spans} spans",
                round + 1,
                turn.pace,
                turn.frugality
            );
            turns[place] = Some(turn);
        }
        rounds.push(turns.map(Option::unwrap));
    }
    let beside = |place: usize, of: fn(&Turn) -> f64| -> Vec<(f64, f64)> {
        rounds.iter().map(|turns| (of(&turns[place]), of(&turns[0]))).collect()
    };
    let off = "without logs, metrics and traces";
    let turns =
        ["messages that carry a trace, unwatched", "settling, watched", "the same, each trace recorded"];
    let paces = turns.iter().enumerate().map(|(place, what)| {
        let least = Watched::ALL[place + 1].is_watched().then_some(LEAST);
        Row::paces(*what, "claims/s", &beside(place + 1, |turn| turn.pace), off, least)
    });
    let frugality = turns.iter().enumerate().map(|(place, what)| {
        let what = format!("of a worker's second: {what}");
        Row::paces(what, "claims", &beside(place + 1, |turn| turn.frugality), off, None)
    });
    paces.chain(frugality).collect()
}

/// A worker that settles what waits for it.
struct Worker<'a> {
    servers: &'a (String, String),
    watched: Watched,
    endpoint: &'a str,
}

impl Worker<'_> {
    async fn settle(&self, set: &Set, database: &str, source: &str, count: usize) -> Turn {
        let folder = tempfile::tempdir().unwrap();
        let worker = self.start(folder.path());
        let stop = CancellationToken::new();
        let scraping = self.watched.is_watched().then(|| {
            let (url, stop) = (format!("{}/metrics", worker.operations()), stop.clone());
            tokio::task::spawn_blocking(move || scrape(&url, &stop))
        });
        let deadline = Instant::now() + PATIENCE;
        while left_in_queue(set).await > 0 || granted(database, source) < count {
            assert!(Instant::now() < deadline, "the queue is emptied in time");
        }
        let used = process::processor_time(worker.pid());
        stop.cancel();
        if let Some(scraping) = scraping {
            assert!(scraping.await.unwrap() > 0, "the metrics are read");
        }
        worker.stop();
        let log = std::fs::metadata(folder.path().join("worker.log")).unwrap().len();
        assert_eq!(log > 0, self.watched.is_watched(), "{log} bytes of log");
        Turn { pace: pace(database, source), frugality: count as f64 / used.as_secs_f64() }
    }

    fn start(&self, folder: &std::path::Path) -> Role {
        let (queue, store) = self.servers;
        let operations = free_port();
        let mut command = forebay();
        command.args(["work", "--queues", "rewards"]).current_dir(folder);
        command.env("FOREBAY_QUEUE__URL", queue).env("FOREBAY_STORE__URL", store);
        command.env("FOREBAY_OPERATIONS__LISTEN", format!("127.0.0.1:{operations}"));
        command.env("FOREBAY_LOG__FORMAT", "json");
        match self.watched.one_of() {
            None => command.env("FOREBAY_LOG__FILTER", "off"),
            Some(one_of) => command
                .env("FOREBAY_TRACES__ENDPOINT", self.endpoint)
                .env("FOREBAY_TRACES__SAMPLE", (1.0 / one_of as f64).to_string()),
        };
        Role::ready(command, "worker", operations, folder)
    }
}

/// Reads the metrics again and again; how often it did.
fn scrape(url: &str, stop: &CancellationToken) -> usize {
    let mut times = 0;
    while !stop.is_cancelled() {
        assert_eq!(curl(&[url]).0, 200);
        times += 1;
        std::thread::sleep(SCRAPED_EVERY);
    }
    times
}

/// Lets no turn pay for the one before it.
fn tidy(database: &str) {
    for statement in ["truncate forebay.outbox", "vacuum analyze", "checkpoint"] {
        ask(database, statement);
    }
}

fn granted(database: &str, source: &str) -> usize {
    let statement = format!("select count(*) from claim where source = '{source}' and state = 'granted'");
    ask(database, &statement).parse().unwrap()
}

/// Claims a second, from the first set to the last: what a process takes to start and to stop is no part of it.
fn pace(database: &str, source: &str) -> f64 {
    let statement = format!(
        "with begun as materialized (select min(settled_at) as first from claim where source = '{source}')
         select count(*) filter (where settled_at > first) / extract(epoch from max(settled_at) - min(first))
         from claim, begun where source = '{source}'"
    );
    ask(database, &statement).parse().unwrap()
}
