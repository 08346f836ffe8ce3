//! The storefront of the demo: sends the burst through the real HTTP intake and keeps its own list of what was
//! accepted.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use forebay_outbound::{Call, HttpClient};
use forebay_schemas::envelope::CONTENT_TYPE_BATCH;
use secrecy::SecretString;
use tokio::time::Instant;
use url::Url;

use crate::demo::mix::Planned;
use crate::exit::{Exit, FAILED, UNAVAILABLE};

/// Events in one request.
const BATCH: usize = 100;
/// Requests under way at once.
const CONNECTIONS: usize = 16;
/// How often a request that was not accepted is sent again.
const TRIES: usize = 50;

/// What the client saw.
#[derive(Debug, Default)]
pub(crate) struct Sent {
    /// Indexes of the accepted events, in no order.
    pub(crate) accepted: Vec<usize>,
    /// How long each accepting request took.
    pub(crate) latencies: Vec<Duration>,
    /// Requests that were sent again.
    pub(crate) again: usize,
}

/// Sends all events; `progress` counts those accepted so far.
pub(crate) async fn send(
    client: &HttpClient,
    intake: &Url,
    key: &SecretString,
    events: &Arc<Vec<Planned>>,
    progress: &Arc<AtomicU64>,
) -> Result<Sent, Exit> {
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
                let bodies: Vec<&str> = events[begin..end].iter().map(|e| e.body.as_str()).collect();
                let body = format!("[{}]", bodies.join(","));
                sent.again += deliver(&client, &url, &key, &body, &mut sent.latencies).await?;
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
    }
    Ok(all)
}

/// Sends one batch until it is accepted; returns how often it was sent again. The same bytes each time: identity
/// makes that safe.
async fn deliver(
    client: &HttpClient,
    url: &Url,
    key: &SecretString,
    body: &str,
    latencies: &mut Vec<Duration>,
) -> Result<usize, Exit> {
    for again in 0..TRIES {
        let call = Call::post("demo", url.clone(), CONTENT_TYPE_BATCH, body.to_owned()).bearer(key);
        let begun = Instant::now();
        match client.call(&call).await {
            Ok(answer) if answer.status == 202 => {
                latencies.push(begun.elapsed());
                return Ok(again);
            }
            Ok(answer) if answer.status == 503 => {
                tokio::time::sleep(answer.retry_after.unwrap_or(Duration::from_secs(1))).await;
            }
            Ok(answer) => {
                let text = String::from_utf8_lossy(&answer.body).into_owned();
                return Err(Exit::new(FAILED, format!("the intake answered {}: {text}", answer.status)));
            }
            Err(_) => tokio::time::sleep(Duration::from_millis(200)).await,
        }
    }
    Err(Exit::new(UNAVAILABLE, format!("the intake did not accept a batch in {TRIES} tries")))
}
