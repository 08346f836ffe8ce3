//! EasyPost's events.
//!
//! `X-Hmac-Signature: hmac-sha256-hex=…` over the bytes of the body, with the secret in Unicode's form NFKD.

use std::sync::Arc;

use forebay_schemas::{AdapterId, CarrierCode, TrackingNumber};
use http::HeaderMap;
use serde_json::Value;
use unicode_normalization::UnicodeNormalization as _;

use super::mapping::{CARRIERS, TOLD};
use super::{KNOWN, parse};
use crate::carrier::{Answered, Asked, Unmapped};
use crate::push::{Push, PushAnswer, PushFault, PushSecrets, digest, header, hexadecimal, id_of, signed};
use crate::wire::Object;

const SIGNATURE: &str = "x-hmac-signature";
const PREFIX: &str = "hmac-sha256-hex=";

/// Reads EasyPost's events.
#[derive(Debug)]
pub struct EasyPostPush {
    id: AdapterId,
    secrets: PushSecrets,
}

impl EasyPostPush {
    /// Takes what one of these secrets signed.
    #[must_use]
    pub fn new(secrets: PushSecrets) -> Self {
        Self { id: id_of(KNOWN.id), secrets }
    }
}

pub(super) fn build(secrets: PushSecrets) -> Arc<dyn Push> {
    Arc::new(EasyPostPush::new(secrets))
}

impl Push for EasyPostPush {
    fn id(&self) -> &AdapterId {
        &self.id
    }

    fn verify(&self, headers: &HeaderMap, body: &[u8]) -> Result<(), PushFault> {
        let text = header(headers, SIGNATURE).ok_or(PushFault::Unsigned)?;
        let text = text.strip_prefix(PREFIX).ok_or(PushFault::WrongSignature)?;
        let signature = hexadecimal(text).ok_or(PushFault::WrongSignature)?;
        signed(&self.secrets, |secret| secret.nfkd().collect::<String>().into_bytes(), &signature, body)
    }

    fn parse(&self, _: &HeaderMap, body: &[u8]) -> Result<PushAnswer, PushFault> {
        let json: Value = serde_json::from_slice(body).map_err(|_| PushFault::Malformed("it is not JSON"))?;
        let event = Object::of(&json).ok_or(PushFault::Malformed("it is no object"))?;
        let dedupe_key = event.text("id").unwrap_or_else(|| digest(body)).chars().take(128).collect();
        let told = event.text("description").is_some_and(|d| TOLD.contains(&d.as_str()));
        let tracker = event.object("result").filter(|_| told);
        let (mut parcels, mut unmapped) = (Vec::new(), Unmapped::default());
        if let Some(tracker) = tracker {
            match asked(tracker) {
                Some(asked) => {
                    let mut codes = Unmapped::default();
                    let outcome = Ok(parse::found(tracker, &mut codes));
                    parcels.push(Answered { asked, outcome, unmapped: codes.into_codes() });
                }
                None => unmapped.insert("carrier", tracker.text("carrier")),
            }
        }
        Ok(PushAnswer { dedupe_key, parcels, changed: Vec::new(), unmapped: unmapped.into_codes() })
    }
}

/// The parcel under our names.
fn asked(tracker: Object<'_>) -> Option<Asked> {
    let name = tracker.text("carrier")?;
    let (ours, _) = CARRIERS.iter().find(|(_, theirs)| theirs.eq_ignore_ascii_case(&name))?;
    let number = TrackingNumber::new(tracker.text("tracking_code")?).ok()?;
    Some(Asked { carrier: CarrierCode::new(*ours).ok()?, number })
}
