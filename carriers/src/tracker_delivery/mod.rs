//! tracker.delivery, hosted or on a server of one's own: carriers of Korea and Japan.
//!
//! GraphQL, `POST /graphql`, one parcel a call. Errors come under status 200. Its webhook says only that something
//! changed, without a signature; the parcel is asked about afterwards like any other. It has to be asked for, parcel by
//! parcel (`registerTrackWebhook`), and ends after 48 hours unless it is asked for again, which only moves the end.

mod mapping;
mod parse;
mod push;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, SecondsFormat, Utc};
use forebay_outbound::Call;
use forebay_schemas::{AdapterId, CarrierCode};
use secrecy::ExposeSecret as _;
use serde_json::{Value, json};
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

const SUBSCRIBE: &str =
    "mutation Register($input: RegisterTrackWebhookInput!) { registerTrackWebhook(input: $input) }";
/// For so long a webhook is asked for, as its documentation recommends.
const SUBSCRIPTION: Duration = Duration::from_secs(48 * 3600);

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
        let number = numbers::bare(&asked.number);
        let variables = json!({ "carrierId": theirs, "trackingNumber": number });
        self.call(&json!({ "query": QUERY, "variables": variables }))
    }

    fn call(&self, body: &Value) -> Call {
        let Settings { client_id, key, timeout, .. } = &self.base.settings;
        let credentials = format!("TRACKQL-API-KEY {}:{}", client_id.trim(), key.expose_secret().trim());
        let call = Call::post_json(self.base.system(), self.url.clone(), body);
        call.header("authorization", &credentials).header("accept", "application/json").timeout(*timeout)
    }
}

/// tracker.delivery's word for a parcel's carrier.
fn theirs(asked: &Asked) -> Option<&'static str> {
    mapping::CARRIERS.iter().find(|(ours, _)| *ours == asked.carrier.as_str()).map(|(_, theirs)| *theirs)
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
        let Some(theirs) = theirs(one) else { return Ok(vec![Answered::error(one, not_served())]) };
        let answer = self.base.http.call(&self.question(one, theirs)).await?;
        self.parse(&Received::of(&answer), asked)
    }

    fn subscription(&self) -> Option<Duration> {
        self.base.settings.callback.is_some().then_some(SUBSCRIPTION)
    }

    async fn subscribe(&self, asked: &Asked, until: DateTime<Utc>) -> Result<(), CarrierError> {
        let (Some(theirs), Some(callback)) = (theirs(asked), &self.base.settings.callback) else {
            return Err(not_served());
        };
        let input = json!({
            "carrierId": theirs,
            "trackingNumber": numbers::bare(&asked.number),
            "callbackUrl": callback.expose_secret(),
            "expirationTime": until.to_rfc3339_opts(SecondsFormat::Secs, true),
        });
        let body = json!({ "query": SUBSCRIBE, "variables": { "input": input } });
        let answer = self.base.http.call(&self.call(&body)).await?;
        parse::subscribed(&Received::of(&answer))
    }

    fn parse(&self, received: &Received<'_>, asked: &[Asked]) -> Result<Vec<Answered>, CarrierError> {
        let body = parse::whole(received)?;
        Ok(asked.iter().map(|one| parse::part(&body, one, received)).collect())
    }
}
