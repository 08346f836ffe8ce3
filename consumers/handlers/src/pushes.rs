//! Pushes of a carrier's system, read again where they are applied.

use std::sync::Arc;

use forebay_carriers::Push;
use forebay_domain::Outcome;
use forebay_schemas::events::ParcelPushed;
use forebay_schemas::{Code, Digest};
use forebay_store::{Identity, PushDone, PushTally};
use forebay_telemetry::Metrics;
use forebay_worker::Inbound;
use http::{HeaderMap, HeaderName, HeaderValue};
use sha2::{Digest as _, Sha256};

/// Reads what one system pushed.
#[derive(Debug)]
pub(crate) struct Pushes {
    push: Arc<dyn Push>,
    metrics: Metrics,
}

impl Pushes {
    pub(crate) fn new(push: Arc<dyn Push>, metrics: Metrics) -> Self {
        Self { push, metrics }
    }

    /// What a push says. It was readable when it was taken; what is not so any more is another release's, or was put
    /// there by somebody else.
    pub(crate) fn read(
        &self,
        consumer: &'static str,
        inbound: &Inbound,
        pushed: &ParcelPushed,
    ) -> Result<PushDone, Outcome> {
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
        if !unmapped.is_empty() {
            let counter = self.metrics.unmapped_codes.with_label_values(&[self.push.id().as_str()]);
            counter.inc_by(unmapped.len() as u64);
            tracing::warn!(adapter = %self.push.id(), codes = ?unmapped, "codes without a status");
        }
        let changed = answer.changed.into_iter().map(|asked| (asked.carrier, asked.number)).collect();
        Ok(PushDone { identity: identity(consumer, inbound), told, changed })
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
fn identity(consumer: &'static str, inbound: &Inbound) -> Identity {
    let (source, id) = (inbound.event.source.clone(), inbound.event.id.clone());
    let digest = Digest(Sha256::digest(format!("{source}\n{id}").as_bytes()).into());
    Identity { consumer, source, id, digest }
}

fn headers(pushed: &ParcelPushed) -> HeaderMap {
    let header = |(name, value): (&String, &String)| {
        Some((name.parse::<HeaderName>().ok()?, value.parse::<HeaderValue>().ok()?))
    };
    pushed.headers.iter().filter_map(header).collect()
}
