//! The storefront: sends the burst through the real HTTP intake and keeps its own list of what was
//! accepted.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use forebay_outbound::{AllowedHost, Call, HttpClient, HttpOptions};
use forebay_schemas::envelope::CONTENT_TYPE_BATCH;
use forebay_telemetry::Metrics;
use secrecy::SecretString;
use tokio::time::Instant;
use url::Url;

use crate::burst::mix::Planned;
use crate::compose::System;
use crate::exit::{Exit, FAILED, UNAVAILABLE};

/// Events in one request.
const BATCH: usize = 100;
/// Requests under way at once.
const CONNECTIONS: usize = 16;
/// The pause after a request that found nobody.
const AWAY_PAUSE: Duration = Duration::from_millis(200);

/// How the burst is sent.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sending {
    /// Requests are spread evenly over this time; zero is as fast as they are taken.
    pub(crate) over: Duration,
    /// How long one request is sent again until it is accepted.
    pub(crate) patience: Duration,
}

/// What the client saw.
#[derive(Debug, Default)]
pub(crate) struct Sent {
    /// Indexes of the accepted events, in no order.
    pub(crate) accepted: Vec<usize>,
    /// How long each accepting request took.
    pub(crate) latencies: Vec<Duration>,
    /// Requests that were sent again.
    pub(crate) again: usize,
    /// The longest time from a request's first try to its acceptance.
    pub(crate) longest_wait: Duration,
}

/// A client of the intake. Its metrics are its own: the storefront's calls are not Forebay's.
pub(crate) fn storefront(system: &System, intake: &Url) -> Result<HttpClient, Exit> {
    let entry = AllowedHost::of_url(intake, true).map_err(Exit::failed)?;
    let options = HttpOptions { timeout: Duration::from_secs(30), ..HttpOptions::new(vec![entry]) };
    HttpClient::new(options, Arc::clone(&system.clock), Metrics::new("storefront")).map_err(Exit::failed)
}

/// Sends all events; `progress` counts those accepted so far.
pub(crate) async fn send(
    client: &HttpClient,
    intake: &Url,
    key: &SecretString,
    events: &Arc<Vec<Planned>>,
    progress: &Arc<AtomicU64>,
    sending: Sending,
) -> Result<Sent, Exit> {
    let begun = Instant::now();
    let url = intake.join("/v1/events").map_err(Exit::failed)?;
    let next = Arc::new(AtomicUsize::new(0));
    let mut tasks: tokio::task::JoinSet<Result<Sent, Exit>> = tokio::task::JoinSet::new();
    for _ in 0..CONNECTIONS {
        let (client, url, key) = (client.clone(), url.clone(), key.clone());
        let (events, next, progress) = (Arc::clone(events), Arc::clone(&next), Arc::clone(progress));
        tasks.spawn(async move {
            let mut sent = Sent::default();
            loop {
                let begin = next.fetch_add(BATCH, Ordering::Relaxed);
                if begin >= events.len() {
                    return Ok(sent);
                }
                let end = (begin + BATCH).min(events.len());
                tokio::time::sleep_until(begun + sending.over.mul_f64(begin as f64 / events.len() as f64))
                    .await;
                let bodies: Vec<&str> = events[begin..end].iter().map(|e| e.body.as_str()).collect();
                let body = format!("[{}]", bodies.join(","));
                deliver(&client, &url, &key, &body, sending.patience, &mut sent).await?;
                sent.accepted.extend(begin..end);
                progress.fetch_add((end - begin) as u64, Ordering::Relaxed);
            }
        });
    }
    let mut all = Sent::default();
    while let Some(joined) = tasks.join_next().await {
        let sent: Sent = joined.map_err(Exit::failed)??;
        all.accepted.extend(sent.accepted);
        all.latencies.extend(sent.latencies);
        all.again += sent.again;
        all.longest_wait = all.longest_wait.max(sent.longest_wait);
    }
    Ok(all)
}

/// Sends one batch until it is accepted: the same bytes each time, which their identity makes safe.
async fn deliver(
    client: &HttpClient,
    url: &Url,
    key: &SecretString,
    body: &str,
    patience: Duration,
    sent: &mut Sent,
) -> Result<(), Exit> {
    let first = Instant::now();
    loop {
        let call = Call::post("storefront", url.clone(), CONTENT_TYPE_BATCH, body.to_owned()).bearer(key);
        let begun = Instant::now();
        let pause = match client.call(&call).await {
            Ok(answer) if answer.status == 202 => {
                sent.latencies.push(begun.elapsed());
                sent.longest_wait = sent.longest_wait.max(first.elapsed());
                return Ok(());
            }
            Ok(answer) if answer.status == 503 => answer.retry_after.unwrap_or(Duration::from_secs(1)),
            Ok(answer) => {
                let text = String::from_utf8_lossy(&answer.body).into_owned();
                return Err(Exit::new(FAILED, format!("the intake answered {}: {text}", answer.status)));
            }
            Err(_) => AWAY_PAUSE,
        };
        if first.elapsed() + pause > patience {
            let text = format!("the intake did not accept a batch within {} s", patience.as_secs());
            return Err(Exit::new(UNAVAILABLE, text));
        }
        sent.again += 1;
        tokio::time::sleep(pause).await;
    }
}
