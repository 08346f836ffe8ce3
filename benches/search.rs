//! Searches among very many dead letters, through the same use case that the api calls, on both stores.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use chrono::{DateTime, TimeDelta, Utc};
use forebay_domain::{Clock, SystemClock};
use forebay_handlers::Archive;
use forebay_queue::Message;
use forebay_schemas::{Code, Queue, Trail};
use forebay_store::{DeadLetterFilter, Status, Store};
use forebay_telemetry::Metrics;
use forebay_worker::{RawHandler as _, Received};
use futures::{StreamExt as _, TryStreamExt as _, stream};
use serde_json::json;

use crate::Options;
use crate::back_ends;
use crate::report::{Row, pace, percentile_ms};

/// Letters that are archived at once, and by how many side by side.
const CHUNK: usize = 500;
const ARCHIVING: usize = 4;
/// Searches of each form.
const SEARCHES: usize = 40;
/// A page as the command line asks for it.
const PAGE: u32 = 50;
const WITHIN_MS: f64 = 300.0;
/// How far apart two deaths are on average: a million of them are a month.
const APART_MS: i64 = 2_600;

/// What they died of, in turns: queue, type, code, and how the error begins.
const DEATHS: [(&str, &str, Code, &str); 5] = [
    ("returns", "return.requested.v1", Code::Rejected, "the shop's returns API: status 410 for return"),
    ("results", "return.result.due.v1", Code::Rejected, "the shop's result endpoint: status 422 for return"),
    ("rewards", "order.paid.v1", Code::SchemaInvalid, "/data/amount_minor: not a number in order"),
    ("rewards", "claim.requested.v1", Code::StoreUnavailable, "no answer within 30 s for claim"),
    (
        "returns",
        "return.requested.v1",
        Code::OutsideUnavailable,
        "connection refused while asking for return",
    ),
];

pub(crate) async fn measure(options: &Options) -> Vec<Row> {
    let letters = options.messages();
    let servers = back_ends::servers().await;
    let on_postgres = measured(&servers.store, "PostgreSQL", letters).await;
    let embedded = back_ends::embedded().await;
    let on_sqlite = measured(&embedded.store, "SQLite", letters).await;
    vec![
        Row::bounded("dead letters searched, PostgreSQL, p95", "ms", 1, on_postgres, WITHIN_MS),
        Row::bounded("dead letters searched, SQLite, p95", "ms", 1, on_sqlite, WITHIN_MS),
    ]
}

/// The p95 of the slowest form of search among so many letters, in milliseconds.
async fn measured(store: &Arc<dyn Store>, on: &str, letters: usize) -> f64 {
    let first = fill(store, on, letters).await;
    let times = search(store.as_ref(), first, letters).await;
    let percentiles = times.into_iter().map(|(form, mut times)| (form, percentile_ms(&mut times, 95)));
    percentiles.fold(0.0, |slowest, (form, p95)| {
        println!("search, {on}: {form}, p95 {p95:.1} ms");
        slowest.max(p95)
    })
}

/// Archives so many letters by the handler of the dead-letter queue. When the first of them died.
async fn fill(store: &Arc<dyn Store>, on: &str, letters: usize) -> DateTime<Utc> {
    let first = SystemClock.now() - TimeDelta::milliseconds(APART_MS * i64::try_from(letters).unwrap());
    let metrics = Metrics::new("bench");
    let begun = Instant::now();
    stream::iter((0..letters).step_by(CHUNK))
        .map(|from| {
            let at = death(from, first);
            let archive = Archive::new(Arc::clone(store), Arc::new(At(at)), metrics.clone(), Queue::Dead);
            let chunk = (from..(from + CHUNK).min(letters)).map(|n| Received::of(letter(n, first))).collect();
            async move { archive.handle(chunk, at).await }
        })
        .buffer_unordered(ARCHIVING)
        .try_for_each(async |_| Ok(()))
        .await
        .unwrap();
    let pace = pace(letters, begun.elapsed());
    println!("search: {letters} dead letters were archived in {on} at {pace:.0}/s");
    first
}

/// A clock of the past.
#[derive(Debug)]
struct At(DateTime<Utc>);

impl Clock for At {
    fn now(&self) -> DateTime<Utc> {
        self.0
    }
}

/// When this letter died: with the others of its chunk.
fn death(n: usize, first: DateTime<Utc>) -> DateTime<Utc> {
    first + TimeDelta::milliseconds(APART_MS * i64::try_from(n - n % CHUNK).unwrap())
}

fn letter(n: usize, first: DateTime<Utc>) -> Message {
    let (queue, kind, code, error) = DEATHS[n % DEATHS.len()];
    let event = json!({
        "specversion": "1.0", "id": format!("event-{n}"), "source": "/shop", "type": kind,
        "subject": format!("return/R-{n}"),
        "data": {
            "return_id": format!("R-{n}"), "order_id": format!("O-{n}"), "member_id": format!("M-{}", n % 50_000),
            "parcel": { "carrier": "cj", "tracking_number": format!("6{n:011}") },
        },
    });
    let trail = Trail {
        attempts: 8,
        first_seen: Some(death(n, first)),
        queue: Some(format!("forebay.{queue}")),
        code: Some(code),
        error: Some(format!("{error} R-{n}")),
        ..Trail::default()
    };
    let message = Message {
        id: format!("event-{n}"),
        kind: kind.to_owned(),
        timestamp: Some(first),
        headers: [].into(),
        body: Bytes::from(event.to_string()),
    };
    message.with_trail(&trail)
}

/// What people look for, by the number of a letter that they have in mind.
type Form = (&'static str, fn(usize, DateTime<Utc>) -> DeadLetterFilter);

const FORMS: [Form; 13] = [
    ("the newest", |_, _| DeadLetterFilter::default()),
    ("by order", |n, _| DeadLetterFilter { order: Some(format!("O-{n}")), ..DeadLetterFilter::default() }),
    ("by parcel", |n, _| DeadLetterFilter {
        parcel: Some(format!("6{n:011}")),
        ..DeadLetterFilter::default()
    }),
    ("by member", |n, _| DeadLetterFilter {
        member: Some(format!("M-{}", n % 50_000)),
        ..DeadLetterFilter::default()
    }),
    ("by message", |n, _| DeadLetterFilter {
        message_id: Some(format!("event-{n}")),
        ..DeadLetterFilter::default()
    }),
    ("by subject", |n, _| DeadLetterFilter {
        subject: Some(format!("return/R-{n}")),
        ..DeadLetterFilter::default()
    }),
    ("by an id in the error", |n, _| DeadLetterFilter {
        text: Some(format!("R-{n}")),
        ..DeadLetterFilter::default()
    }),
    ("by words of the error", |n, _| DeadLetterFilter {
        text: Some(["status 410", "connection refused", "nobody wrote this"][n % 3].to_owned()),
        ..DeadLetterFilter::default()
    }),
    ("by code", |n, _| DeadLetterFilter { code: Some(DEATHS[n % 5].2), ..DeadLetterFilter::default() }),
    ("by queue and type", |n, _| DeadLetterFilter {
        queue: Some(format!("forebay.{}", DEATHS[n % 5].0)),
        kind: Some(DEATHS[n % 5].1.to_owned()),
        ..DeadLetterFilter::default()
    }),
    ("by an hour", |n, first| DeadLetterFilter {
        since: Some(death(n, first)),
        until: Some(death(n, first) + TimeDelta::hours(1)),
        ..DeadLetterFilter::default()
    }),
    ("by code and an hour", |n, first| DeadLetterFilter {
        code: Some(DEATHS[n % 5].2),
        since: Some(death(n, first)),
        until: Some(death(n, first) + TimeDelta::hours(1)),
        ..DeadLetterFilter::default()
    }),
    ("a status that none has", |_, _| DeadLetterFilter {
        statuses: vec![Status::Discarded],
        ..DeadLetterFilter::default()
    }),
];

/// How long the searches of each form took.
async fn search(
    store: &dyn Store,
    first: DateTime<Utc>,
    letters: usize,
) -> Vec<(&'static str, Vec<Duration>)> {
    let mut times: Vec<(&str, Vec<Duration>)> = FORMS.iter().map(|(form, _)| (*form, Vec::new())).collect();
    for round in 0..SEARCHES {
        // Far apart, so that no search finds its pages read by the one before.
        let n = (round * 7_919 * 101) % letters;
        for ((form, filter), (_, times)) in FORMS.iter().zip(&mut times) {
            let begun = Instant::now();
            let found = store.dead_letters(&filter(n, first), None, PAGE).await.unwrap();
            times.push(begun.elapsed());
            let none = form.contains("none") || (form.contains("words") && n % 3 == 2);
            assert_eq!(found.is_empty(), none, "{form}: letter {n}");
        }
    }
    times
}
