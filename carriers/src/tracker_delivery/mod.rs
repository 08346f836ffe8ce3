//! tracker.delivery, hosted or on a server of one's own: carriers of Korea and Japan.
//!
//! GraphQL, `POST /graphql`, one parcel a call. Errors come under status 200. Its webhook says only that something
//! changed, without a signature; the parcel is asked about afterwards like any other.

mod mapping;
mod parse;
mod push;

use std::sync::Arc;

use async_trait::async_trait;
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

/// For the registry.
pub(crate) const KNOWN: Known =
    Known { id: "tracker_delivery", max_batch: 1, build: TrackerDelivery::build, push: Some(push::build) };
const PATH: &str = "/graphql";
/// Events of one parcel that are asked for, the newest ones.
const QUERY: &str = "query Track($carrierId: ID!, $trackingNumber: String!) { \
    track(carrierId: $carrierId, trackingNumber: $trackingNumber) { \
    lastEvent { time status { code name } } \
    events(last: 100) { edges { node { time status { code name } description location { name countryCode } } } } } }";

/// The adapter.
#[derive(Debug)]
pub struct TrackerDelivery {
    base: Base,
    url: Url,
}

impl TrackerDelivery {
    /// Checks the settings.
    ///
    /// # Errors
    /// [`SetUpError`], which says what to mend.
    pub fn new(tools: &Tools, settings: Settings) -> Result<Self, SetUpError> {
        if settings.client_id.trim().is_empty() {
            return Err(SetUpError::NoClientId);
        }
        let base = Base::new(tools, settings, KNOWN.id, mapping::CARRIERS.iter().map(|(ours, _)| *ours), 1)?;
        Ok(Self { url: base.url(PATH)?, base })
    }

    fn build(tools: &Tools, settings: Settings) -> Result<Arc<dyn Carrier>, SetUpError> {
        Ok(Arc::new(Self::new(tools, settings)?))
    }

    fn question(&self, asked: &Asked, theirs: &str) -> Call {
        let Settings { client_id, key, timeout, .. } = &self.base.settings;
        let number = numbers::bare(&asked.number);
        let body = json!({
            "query": QUERY,
            "variables": { "carrierId": theirs, "trackingNumber": number },
        });
        let credentials = format!("TRACKQL-API-KEY {}:{}", client_id.trim(), key.expose_secret().trim());
        let call = Call::post_json(self.base.system(), self.url.clone(), &body);
        call.header("authorization", &credentials).header("accept", "application/json").timeout(*timeout)
    }
}

#[async_trait]
impl Carrier for TrackerDelivery {
    fn id(&self) -> &AdapterId {
        &self.base.id
    }

    fn serves(&self) -> &[CarrierCode] {
        &self.base.serves
    }

    fn limits(&self) -> Limits {
        self.base.limits()
    }

    fn fails_by_parcel(&self) -> bool {
        true
    }

    async fn track(&self, asked: &[Asked]) -> Result<Vec<Answered>, CarrierError> {
        let Some(one) = self.base.one(asked)? else { return Ok(Vec::new()) };
        let Some((_, theirs)) = mapping::CARRIERS.iter().find(|(ours, _)| *ours == one.carrier.as_str())
        else {
            return Ok(vec![Answered::error(one, not_served())]);
        };
        let answer = self.base.http.call(&self.question(one, theirs)).await?;
        self.parse(&Received::of(&answer), asked)
    }

    fn parse(&self, received: &Received<'_>, asked: &[Asked]) -> Result<Vec<Answered>, CarrierError> {
        let body = parse::whole(received)?;
        Ok(asked.iter().map(|one| parse::part(&body, one, received)).collect())
    }
}
