//! AfterShip's webhooks.
//!
//! `aftership-hmac-sha256` is the base64 of the HMAC over the bytes of the body; `event_id` makes it one push however
//! often it comes. `as-webhook-version` is a date; what we read has been the same in all versions with an `event_id`.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use forebay_schemas::{AdapterId, CarrierCode, TrackingNumber};
use http::HeaderMap;
use serde_json::Value;

use super::mapping::{CARRIERS, TOLD};
use super::{KNOWN, parse};
use crate::carrier::{Answered, Asked, Unmapped};
use crate::push::{Push, PushAnswer, PushFault, PushSecrets, digest, header, id_of, signed};
use crate::wire::Object;

const SIGNATURE: &str = "aftership-hmac-sha256";
const VERSION: &str = "as-webhook-version";

/// Reads AfterShip's webhooks.
#[derive(Debug)]
pub struct AfterShipPush {
    id: AdapterId,
    secrets: PushSecrets,
}

impl AfterShipPush {
    /// Takes what one of these secrets signed.
    #[must_use]
    pub fn new(secrets: PushSecrets) -> Self {
        Self { id: id_of(KNOWN.id), secrets }
    }
}

pub(super) fn build(secrets: PushSecrets) -> Arc<dyn Push> {
    Arc::new(AfterShipPush::new(secrets))
}

impl Push for AfterShipPush {
    fn id(&self) -> &AdapterId {
        &self.id
    }

    fn reads(&self) -> &'static [&'static str] {
        &[VERSION]
    }

    fn verify(&self, headers: &HeaderMap, body: &[u8]) -> Result<(), PushFault> {
        let text = header(headers, SIGNATURE).ok_or(PushFault::Unsigned)?;
        let signature = STANDARD.decode(text).map_err(|_| PushFault::WrongSignature)?;
        signed(&self.secrets, |secret| secret.as_bytes().to_vec(), &signature, body)
    }

    fn parse(&self, headers: &HeaderMap, body: &[u8]) -> Result<PushAnswer, PushFault> {
        let json: Value = serde_json::from_slice(body).map_err(|_| PushFault::Malformed("it is not JSON"))?;
        let event = Object::of(&json).ok_or(PushFault::Malformed("it is no object"))?;
        let dedupe_key = event.text("event_id").unwrap_or_else(|| digest(body)).chars().take(128).collect();
        let told = event.text("event").is_some_and(|kind| kind == TOLD);
        let (mut parcels, mut unmapped) = (Vec::new(), Unmapped::default());
        if let Some(tracking) = event.object("msg").filter(|_| told) {
            match asked(tracking) {
                Some(asked) => {
                    let mut codes = Unmapped::default();
                    let outcome = Ok(parse::found(tracking, &mut codes));
                    parcels.push(Answered { asked, outcome, unmapped: codes.into_codes() });
                }
                None => unmapped.insert("carrier", tracking.text("slug")),
            }
        }
        // A version that is no date is one that we know nothing of; what it says is read all the same.
        let version = header(headers, VERSION);
        if let Some(version) = version.filter(|v| chrono::NaiveDate::parse_from_str(v, "%Y-%m-%d").is_err()) {
            let is_month = chrono::NaiveDate::parse_from_str(&format!("{version}-01"), "%Y-%m-%d").is_ok();
            if !is_month {
                unmapped.insert("version", Some(version.to_owned()));
            }
        }
        Ok(PushAnswer { dedupe_key, parcels, changed: Vec::new(), unmapped: unmapped.into_codes() })
    }
}

/// The parcel under our names.
fn asked(tracking: Object<'_>) -> Option<Asked> {
    let slug = tracking.text("slug")?;
    let (ours, _) = CARRIERS.iter().find(|(_, theirs)| *theirs == slug)?;
    let number = TrackingNumber::new(tracking.text("tracking_number")?).ok()?;
    Some(Asked { carrier: CarrierCode::new(*ours).ok()?, number })
}
