//! tracker.delivery's webhook: it bears no signature and says only that something changed.
//!
//! Who can reach the address can do no more than have a parcel asked about that is followed already.

use std::sync::Arc;

use forebay_schemas::{AdapterId, CarrierCode, TrackingNumber};
use http::HeaderMap;
use serde_json::Value;

use super::KNOWN;
use super::mapping::CARRIERS;
use crate::carrier::{Asked, Unmapped};
use crate::push::{Push, PushAnswer, PushFault, PushSecrets, digest, id_of};
use crate::wire::Object;

/// Reads tracker.delivery's webhook.
#[derive(Debug)]
pub(super) struct TrackerDeliveryPush {
    id: AdapterId,
}

pub(super) fn build(_: PushSecrets) -> Arc<dyn Push> {
    Arc::new(TrackerDeliveryPush { id: id_of(KNOWN.id) })
}

impl Push for TrackerDeliveryPush {
    fn id(&self) -> &AdapterId {
        &self.id
    }

    fn is_signed(&self) -> bool {
        false
    }

    fn verify(&self, _: &HeaderMap, _: &[u8]) -> Result<(), PushFault> {
        Ok(())
    }

    fn parse(&self, _: &HeaderMap, body: &[u8]) -> Result<PushAnswer, PushFault> {
        let json: Value = serde_json::from_slice(body).map_err(|_| PushFault::Malformed("it is not JSON"))?;
        let event = Object::of(&json).ok_or(PushFault::Malformed("it is no object"))?;
        let theirs = event.text("carrierId").ok_or(PushFault::Malformed("it names no carrier"))?;
        let number = event.text("trackingNumber").and_then(|number| TrackingNumber::new(number).ok());
        let number = number.ok_or(PushFault::Malformed("it names no tracking number"))?;
        let (mut changed, mut unmapped) = (Vec::new(), Unmapped::default());
        let ours = CARRIERS.iter().find(|(_, id)| *id == theirs);
        match ours.and_then(|(ours, _)| CarrierCode::new(*ours).ok()) {
            Some(carrier) => changed.push(Asked { carrier, number: number.clone() }),
            None => unmapped.insert("carrier", Some(theirs.clone())),
        }
        // It becomes a message's id, which logs and traces tell: the number is not to be read from it.
        let dedupe_key = digest(format!("{theirs}/{number}").as_bytes());
        Ok(PushAnswer { dedupe_key, parcels: Vec::new(), changed, unmapped: unmapped.into_codes() })
    }
}

#[cfg(test)]
mod tests {
    use secrecy::SecretString;

    use super::*;

    fn read(body: &str) -> Result<PushAnswer, PushFault> {
        let secrets = PushSecrets { current: SecretString::default(), next: None };
        build(secrets).parse(&HeaderMap::new(), body.as_bytes())
    }

    #[test]
    fn it_names_the_parcel_to_ask_about() {
        let answer = read(r#"{"carrierId":"kr.cjlogistics","trackingNumber":"620000000001"}"#).unwrap();
        assert_eq!((answer.parcels.len(), answer.unmapped.len()), (0, 0));
        assert_eq!(answer.changed[0].carrier.as_str(), "cj");
        assert_eq!(answer.changed[0].number.as_str(), "620000000001");
        assert!(!answer.dedupe_key.contains("620000000001"), "{}", answer.dedupe_key);
        let other = read(r#"{"carrierId":"kr.cjlogistics","trackingNumber":"620000000002"}"#).unwrap();
        assert_ne!(answer.dedupe_key, other.dedupe_key);
    }

    #[test]
    fn a_carrier_that_we_do_not_know_is_counted_and_what_names_no_parcel_is_refused() {
        let answer = read(r#"{"carrierId":"de.dhl","trackingNumber":"620000000001"}"#).unwrap();
        assert_eq!((answer.changed.len(), answer.unmapped.len()), (0, 1));
        for body in ["", "[]", "{}", r#"{"carrierId":"kr.lotte"}"#, r#"{"trackingNumber":"620000000001"}"#] {
            assert!(matches!(read(body), Err(PushFault::Malformed(_))), "{body:?}");
        }
    }
}
