//! AfterShip Tracking, version 2025-04.
//!
//! A number is looked for by `GET /tracking/2025-04/trackings`, and registered by `POST` when nobody did so before: two
//! calls, each with a permit of its own.
//! Changes are pushed, signed over the raw body.

mod mapping;
mod parse;
mod push;

use std::sync::Arc;

use async_trait::async_trait;
use forebay_domain::parcel::Lookup;
use forebay_outbound::Call;
use forebay_schemas::{AdapterId, CarrierCode};
use secrecy::ExposeSecret as _;
use serde_json::json;
use url::Url;

use crate::carrier::{Answered, Asked, Carrier, Limits, Received};
use crate::error::CarrierError;
use crate::numbers;
use crate::registry::Known;
use crate::settings::{Base, SetUpError, Settings, Tools, not_served};

pub use push::AfterShipPush;

/// For the registry.
pub(crate) const KNOWN: Known =
    Known { id: "aftership", max_batch: 1, build: AfterShip::build, push: Some(push::build) };
const PATH: &str = "/tracking/2025-04/trackings";

/// The adapter.
#[derive(Debug)]
pub struct AfterShip {
    base: Base,
    url: Url,
}

impl AfterShip {
    /// Checks the settings.
    ///
    /// # Errors
    /// [`SetUpError`], which says what to mend.
    pub fn new(tools: &Tools, settings: Settings) -> Result<Self, SetUpError> {
        let base = Base::new(tools, settings, KNOWN.id, mapping::CARRIERS.iter().map(|(ours, _)| *ours), 1)?;
        Ok(Self { url: base.url(PATH)?, base })
    }

    fn build(tools: &Tools, settings: Settings) -> Result<Arc<dyn Carrier>, SetUpError> {
        Ok(Arc::new(Self::new(tools, settings)?))
    }

    fn signed(&self, call: Call) -> Call {
        let Settings { key, timeout, .. } = &self.base.settings;
        call.header("as-api-key", key.expose_secret().trim())
            .header("accept", "application/json")
            .timeout(*timeout)
    }

    fn look(&self, number: &str, slug: &str) -> Call {
        let mut url = self.url.clone();
        url.query_pairs_mut().append_pair("tracking_numbers", number).append_pair("slug", slug);
        self.signed(Call::get(self.base.system(), url))
    }

    fn registering(&self, number: &str, slug: &str) -> Call {
        let body = json!({ "tracking_number": number, "slug": slug });
        self.signed(Call::post_json(self.base.system(), self.url.clone(), &body))
    }
}

/// AfterShip's word for a parcel's carrier.
fn slug(asked: &Asked) -> Option<&'static str> {
    mapping::CARRIERS.iter().find(|(ours, _)| *ours == asked.carrier.as_str()).map(|(_, slug)| *slug)
}

#[async_trait]
impl Carrier for AfterShip {
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
        let Some(slug) = slug(one) else { return Ok(vec![Answered::error(one, not_served())]) };
        let answer = self.base.http.call(&self.look(&numbers::bare(&one.number), slug)).await?;
        let received = Received::of(&answer);
        let answers = self.parse(&received, asked)?;
        let unheard_of = answers.iter().all(|a| a.outcome == Ok(Lookup::NotYetKnown));
        if unheard_of && !parse::is_registered(&received) {
            return Ok(vec![Answered::error(one, CarrierError::Unregistered)]);
        }
        Ok(answers)
    }

    async fn register(&self, asked: &[Asked]) -> Result<Vec<Answered>, CarrierError> {
        let Some(one) = self.base.one(asked)? else { return Ok(Vec::new()) };
        let Some(slug) = slug(one) else { return Ok(vec![Answered::error(one, not_served())]) };
        let answer = self.base.http.call(&self.registering(&numbers::bare(&one.number), slug)).await?;
        self.parse(&Received::of(&answer), asked)
    }

    fn parse(&self, received: &Received<'_>, asked: &[Asked]) -> Result<Vec<Answered>, CarrierError> {
        parse::parse(received, asked)
    }
}
