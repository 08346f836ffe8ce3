//! Sweet Tracker (스마트택배), which knows the parcels of the carriers of Korea.
//!
//! `POST /api/v1/trackingInfo` with `{t_key, t_code, t_invoice}`, one parcel a call. Errors of the business come
//! under status 200. The form of questions and answers was taken from what public clients of the service send and
//! handle; the vendor publishes no table of errors.

mod events;
mod mapping;
mod parse;

use async_trait::async_trait;
use forebay_domain::parcel::Lookup;
use forebay_outbound::Call;
use forebay_schemas::{AdapterId, CarrierCode};
use secrecy::ExposeSecret as _;
use serde_json::json;
use url::Url;

use crate::carrier::{Answered, Asked, Carrier, Limits, Received};
use crate::error::CarrierError;
use crate::registry::Known;
use crate::settings::{Base, SetUpError, Settings, Tools, not_served};

/// For the registry.
pub(crate) const KNOWN: Known =
    Known { id: "sweettracker", max_batch: 1, build: SweetTracker::build, push: None };
/// The path of a look-up.
const PATH: &str = "/api/v1/trackingInfo";

/// The adapter.
#[derive(Debug)]
pub struct SweetTracker {
    base: Base,
    url: Url,
}

impl SweetTracker {
    /// Checks the settings.
    ///
    /// # Errors
    /// [`SetUpError`], which says what to mend.
    pub fn new(tools: &Tools, settings: Settings) -> Result<Self, SetUpError> {
        let knows = mapping::CARRIERS.iter().map(|c| c.ours);
        let base = Base::new(tools, settings, KNOWN.id, knows, 1)?;
        Ok(Self { url: base.url(PATH)?, base })
    }

    fn build(tools: &Tools, settings: Settings) -> Result<std::sync::Arc<dyn Carrier>, SetUpError> {
        Ok(std::sync::Arc::new(Self::new(tools, settings)?))
    }

    /// The call for one parcel, or the answer that needs none.
    fn question(&self, asked: &Asked) -> Result<Call, Answered> {
        let known = |outcome| Answered { asked: asked.clone(), outcome, unmapped: Vec::new() };
        let Some(carrier) = mapping::carrier(&asked.carrier) else {
            return Err(known(Err(not_served())));
        };
        let number = parse::bare(asked.number.as_str());
        let digits = number.bytes().all(|b| b.is_ascii_digit());
        if number.is_empty() || (!digits && !carrier.letters) {
            return Err(known(Ok(Lookup::InvalidNumber)));
        }
        let body = json!({
            "t_key": self.base.settings.key.expose_secret().trim(),
            "t_code": carrier.theirs,
            "t_invoice": number,
        });
        let call = Call::post_json(self.base.system(), self.url.clone(), &body);
        Ok(call.timeout(self.base.settings.timeout))
    }
}

#[async_trait]
impl Carrier for SweetTracker {
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
        let call = match self.question(one) {
            Ok(call) => call,
            Err(answered) => return Ok(vec![answered]),
        };
        let answer = self.base.http.call(&call).await?;
        self.parse(&Received::of(&answer), asked)
    }

    fn parse(&self, received: &Received<'_>, asked: &[Asked]) -> Result<Vec<Answered>, CarrierError> {
        let body = parse::whole(received)?;
        Ok(asked.iter().map(|one| parse::part(&body, one)).collect())
    }
}
