//! DHL Shipment Tracking - Unified.
//!
//! `GET /track/shipments?trackingNumber=…`, one number a call. The starter's quota is one call a second and 250 a
//! day; a parcel may be asked about ten times a day.

mod mapping;
mod parse;

use std::sync::Arc;

use async_trait::async_trait;
use forebay_outbound::Call;
use forebay_schemas::{AdapterId, CarrierCode};
use secrecy::ExposeSecret as _;
use url::Url;

use crate::carrier::{Answered, Asked, Carrier, Limits, Received};
use crate::error::CarrierError;
use crate::numbers;
use crate::registry::Known;
use crate::settings::{Base, SetUpError, Settings, Tools};

/// For the registry.
pub(crate) const KNOWN: Known = Known { id: "dhl", max_batch: 1, build: Dhl::build, push: None };
/// Our codes, and the division that is asked; without one DHL looks in all.
const CARRIERS: &[(&str, Option<&str>)] = &[("dhl", None), ("dhl_express", Some("express"))];
const PATH: &str = "/track/shipments";

/// The adapter.
#[derive(Debug)]
pub struct Dhl {
    base: Base,
    url: Url,
}

impl Dhl {
    /// Checks the settings.
    ///
    /// # Errors
    /// [`SetUpError`], which says what to mend.
    pub fn new(tools: &Tools, settings: Settings) -> Result<Self, SetUpError> {
        let base = Base::new(tools, settings, KNOWN.id, CARRIERS.iter().map(|(code, _)| *code), 1)?;
        Ok(Self { url: base.url(PATH)?, base })
    }

    fn build(tools: &Tools, settings: Settings) -> Result<Arc<dyn Carrier>, SetUpError> {
        Ok(Arc::new(Self::new(tools, settings)?))
    }

    fn question(&self, asked: &Asked) -> Call {
        let mut url = self.url.clone();
        url.query_pairs_mut().append_pair("trackingNumber", &numbers::bare(&asked.number));
        let service = CARRIERS.iter().find(|(code, _)| *code == asked.carrier.as_str());
        if let Some(service) = service.and_then(|(_, service)| *service) {
            url.query_pairs_mut().append_pair("service", service);
        }
        let Settings { key, timeout, .. } = &self.base.settings;
        Call::get(self.base.system(), url)
            .header("dhl-api-key", key.expose_secret().trim())
            .header("accept", "application/json")
            .timeout(*timeout)
    }
}

#[async_trait]
impl Carrier for Dhl {
    fn id(&self) -> &AdapterId {
        &self.base.id
    }

    fn serves(&self) -> &[CarrierCode] {
        &self.base.serves
    }

    fn limits(&self) -> Limits {
        self.base.limits()
    }

    async fn track(&self, asked: &[Asked]) -> Result<Vec<Answered>, CarrierError> {
        let Some(one) = self.base.one(asked)? else { return Ok(Vec::new()) };
        let answer = self.base.http.call(&self.question(one)).await?;
        self.parse(&Received::of(&answer), asked)
    }

    fn parse(&self, received: &Received<'_>, asked: &[Asked]) -> Result<Vec<Answered>, CarrierError> {
        parse::parse(received, asked)
    }
}
