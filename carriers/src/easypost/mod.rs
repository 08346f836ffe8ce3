//! EasyPost: trackers of the carriers of America.
//!
//! `POST /v2/trackers` gives the tracker of a code and makes it where there is none. Changes are pushed as events,
//! signed over the raw body; the scheme has no time stamp, so that a repeat is known by the event's id alone.

mod mapping;
mod parse;
mod push;

use std::sync::Arc;

use async_trait::async_trait;
use forebay_outbound::Call;
use forebay_schemas::{AdapterId, CarrierCode};
use serde_json::json;
use url::Url;

use crate::carrier::{Answered, Asked, Carrier, Limits, Received};
use crate::error::CarrierError;
use crate::numbers;
use crate::registry::Known;
use crate::settings::{Base, SetUpError, Settings, Tools, not_served};

pub use push::EasyPostPush;

/// For the registry.
pub(crate) const KNOWN: Known =
    Known { id: "easypost", max_batch: 1, build: EasyPost::build, push: Some(push::build) };
const PATH: &str = "/v2/trackers";

/// The adapter.
#[derive(Debug)]
pub struct EasyPost {
    base: Base,
    url: Url,
}

impl EasyPost {
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

    fn question(&self, asked: &Asked, theirs: &str) -> Call {
        let number = numbers::bare(&asked.number);
        let body = json!({ "tracker": { "tracking_code": number, "carrier": theirs } });
        let call = Call::post_json(self.base.system(), self.url.clone(), &body);
        call.bearer(&self.base.settings.key)
            .header("accept", "application/json")
            .timeout(self.base.settings.timeout)
    }
}

#[async_trait]
impl Carrier for EasyPost {
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
        let Some((_, theirs)) = mapping::CARRIERS.iter().find(|(ours, _)| *ours == one.carrier.as_str())
        else {
            return Ok(vec![Answered::error(one, not_served())]);
        };
        let answer = self.base.http.call(&self.question(one, theirs)).await?;
        self.parse(&Received::of(&answer), asked)
    }

    fn parse(&self, received: &Received<'_>, asked: &[Asked]) -> Result<Vec<Answered>, CarrierError> {
        parse::parse(received, asked)
    }
}
