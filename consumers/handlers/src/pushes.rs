//! Pushes of carriers' systems, read again where they are applied.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use forebay_carriers::Push;
use forebay_domain::{Clock, Outcome};
use forebay_schemas::events::ParcelPushed;
use forebay_schemas::{AdapterId, Code, Digest, Payload};
use forebay_store::{Identity, PushDone, PushTally, Store};
use forebay_telemetry::Metrics;
use forebay_worker::{Failure, Handler, Inbound, Shape};
use http::{HeaderMap, HeaderName, HeaderValue};
use sha2::{Digest as _, Sha256};

use crate::answers;
use crate::codes::UnmappedCodes;
use crate::tracking::CONSUMER;

/// Applies what carriers' systems push. It calls nobody, so that no carrier that is left alone keeps it waiting.
#[derive(Debug)]
pub struct Pushes {
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    readers: BTreeMap<AdapterId, PushReader>,
}

impl Pushes {
    /// Applies what these systems push.
    #[must_use]
    pub fn new(
        store: Arc<dyn Store>,
        clock: Arc<dyn Clock>,
        pushes: Vec<Arc<dyn Push>>,
        metrics: &Metrics,
    ) -> Self {
        let reader = |push: Arc<dyn Push>| {
            let (id, store, clock) = (push.id().clone(), Arc::clone(&store), Arc::clone(&clock));
            let codes = UnmappedCodes::of(id.clone(), store, clock, metrics.clone());
            (id, PushReader::new(push, codes, metrics.clone()))
        };
        let readers = pushes.into_iter().map(reader).collect();
        Self { store, clock, readers }
    }

    fn read(&self, inbound: &Inbound) -> Result<(AdapterId, PushDone), Outcome> {
        let Payload::ParcelPushed(pushed) = &inbound.payload else {
            return Err(Outcome::reject(Code::Rejected, "this type is not handled in the queue of pushes"));
        };
        let Some(reader) = self.readers.get(&pushed.adapter) else {
            let error = format!("the system \"{}\" pushes nothing that is known here", pushed.adapter);
            return Err(Outcome::reject(Code::Rejected, error));
        };
        Ok((pushed.adapter.clone(), reader.read(inbound, pushed)?))
    }

    /// Applies what one system pushed. One set a system, since what becomes of it is counted by system.
    async fn apply(&self, adapter: &AdapterId, done: Vec<PushDone>) -> Result<Vec<Outcome>, Failure> {
        let applied = self.store.apply_pushes(done, self.clock.now()).await.map_err(answers::failure)?;
        if let Some(reader) = self.readers.get(adapter) {
            reader.count(&applied.tally);
            reader.codes.tell().await;
        }
        Ok(applied.handled.into_iter().map(answers::outcome).collect())
    }
}

#[async_trait]
impl Handler for Pushes {
    fn shape(&self) -> Shape {
        let linger = Duration::from_millis(20);
        Shape { batch: 100, linger, concurrency: 2, deadline: Duration::from_secs(30) }
    }

    async fn handle(&self, batch: Vec<Inbound>) -> Result<Vec<Outcome>, Failure> {
        let mut outcomes: Vec<Option<Outcome>> = Vec::with_capacity(batch.len());
        let mut read: BTreeMap<AdapterId, (Vec<usize>, Vec<PushDone>)> = BTreeMap::new();
        for (place, inbound) in batch.iter().enumerate() {
            outcomes.push(match self.read(inbound) {
                Ok((adapter, done)) => {
                    let (places, all) = read.entry(adapter).or_default();
                    places.push(place);
                    all.push(done);
                    None
                }
                Err(refused) => Some(refused),
            });
        }
        for (adapter, (places, done)) in read {
            for (place, outcome) in places.into_iter().zip(self.apply(&adapter, done).await?) {
                outcomes[place] = Some(outcome);
            }
        }
        Ok(outcomes.into_iter().map(|outcome| outcome.unwrap_or_else(answers::unanswered)).collect())
    }
}

/// Reads what one system pushed.
#[derive(Debug)]
pub(crate) struct PushReader {
    push: Arc<dyn Push>,
    codes: UnmappedCodes,
    metrics: Metrics,
}

impl PushReader {
    pub(crate) fn new(push: Arc<dyn Push>, codes: UnmappedCodes, metrics: Metrics) -> Self {
        Self { push, codes, metrics }
    }

    /// What a push says. It was readable when it was taken; what is not so any more is another release's, or was put
    /// there by somebody else.
    pub(crate) fn read(&self, inbound: &Inbound, pushed: &ParcelPushed) -> Result<PushDone, Outcome> {
        let body = pushed.bytes().map_err(|fault| Outcome::reject(Code::Undecodable, fault.to_string()))?;
        let answer = self
            .push
            .parse(&headers(pushed), &body)
            .map_err(|fault| Outcome::reject(Code::Undecodable, fault.to_string()))?;
        let (mut told, mut unmapped) = (Vec::new(), answer.unmapped);
        for parcel in answer.parcels {
            unmapped.extend(parcel.unmapped);
            match parcel.outcome {
                Ok(lookup) => told.push((parcel.asked.carrier, parcel.asked.number, lookup)),
                Err(error) => {
                    tracing::warn!(adapter = %self.push.id(), %error, "a push tells nothing of a parcel")
                }
            }
        }
        self.codes.count(&unmapped);
        let changed = answer.changed.into_iter().map(|asked| (asked.carrier, asked.number)).collect();
        Ok(PushDone { identity: identity(inbound), told, changed })
    }

    pub(crate) fn count(&self, tally: &PushTally) {
        let counts = [
            ("merged", tally.merged),
            ("late", tally.late),
            ("to_look_up", tally.to_look_up),
            ("not_followed", tally.not_followed),
        ];
        for (result, count) in counts {
            self.metrics.pushed_parcels.with_label_values(&[self.push.id().as_str(), result]).inc_by(count);
        }
    }
}

/// The sender says which push it is. One that is sent again may tell of its own sending, and so not be the same byte for
/// byte: what it says twice counts once all the same.
fn identity(inbound: &Inbound) -> Identity {
    let (source, id) = (inbound.event.source.clone(), inbound.event.id.clone());
    let digest = Digest(Sha256::digest(format!("{source}\n{id}").as_bytes()).into());
    Identity { consumer: CONSUMER, source, id, digest }
}

fn headers(pushed: &ParcelPushed) -> HeaderMap {
    let header = |(name, value): (&String, &String)| {
        Some((name.parse::<HeaderName>().ok()?, value.parse::<HeaderValue>().ok()?))
    };
    pushed.headers.iter().filter_map(header).collect()
}
