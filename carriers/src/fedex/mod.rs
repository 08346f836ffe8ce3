//! FedEx Track API v1.
//!
//! `POST /track/v1/trackingnumbers` with up to 30 numbers, each of which has its own answer; `POST /oauth/token` for
//! the token, which the whole fleet shares.

mod mapping;
mod parse;
mod results;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use forebay_outbound::{Call, Placed, TokenSource};
use forebay_schemas::{AdapterId, CarrierCode};
use serde_json::{Value, json};
use url::Url;

use crate::carrier::{Answered, Asked, Carrier, Limits, Received};
use crate::error::CarrierError;
use crate::numbers;
use crate::registry::Known;
use crate::settings::{Base, SetUpError, Settings, Tools};

/// For the registry.
pub(crate) const KNOWN: Known =
    Known { id: "fedex", max_batch: NUMBERS_MAX, build: Fedex::build, push: None };
const CARRIERS: &[&str] = &["fedex"];
const PATH: &str = "/track/v1/trackingnumbers";
const TOKEN_PATH: &str = "/oauth/token";
/// Most numbers of one call, after the API's schema.
const NUMBERS_MAX: usize = 30;
/// For so long the token endpoint shuts when it is asked too often.
const TOKEN_PAUSE: Duration = Duration::from_secs(600);

/// The adapter.
#[derive(Debug)]
pub struct Fedex {
    base: Base,
    url: Url,
    tokens: TokenSource,
}

impl Fedex {
    /// Checks the settings.
    ///
    /// # Errors
    /// [`SetUpError`], which says what to mend.
    pub fn new(tools: &Tools, settings: Settings) -> Result<Self, SetUpError> {
        let base = Base::new(tools, settings, KNOWN.id, CARRIERS.iter().copied(), NUMBERS_MAX)?;
        let tokens = base.tokens(tools, TOKEN_PATH, Placed::InForm, TOKEN_PAUSE)?;
        Ok(Self { url: base.url(PATH)?, base, tokens })
    }

    fn build(tools: &Tools, settings: Settings) -> Result<Arc<dyn Carrier>, SetUpError> {
        Ok(Arc::new(Self::new(tools, settings)?))
    }

    fn question(&self, asked: &[Asked]) -> Call {
        let number =
            |one: &Asked| json!({ "trackingNumberInfo": { "trackingNumber": numbers::bare(&one.number) } });
        let numbers: Vec<Value> = asked.iter().map(number).collect();
        let body = json!({ "includeDetailedScans": true, "trackingInfo": numbers });
        let call = Call::post_json(self.base.system(), self.url.clone(), &body);
        call.header("x-locale", "en_US").timeout(self.base.settings.timeout)
    }
}

#[async_trait]
impl Carrier for Fedex {
    fn id(&self) -> &AdapterId {
        &self.base.id
    }

    fn serves(&self) -> &[CarrierCode] {
        &self.base.serves
    }

    fn limits(&self) -> Limits {
        self.base.limits()
    }

    async fn ready(&self) -> Result<(), CarrierError> {
        Ok(self.tokens.token().await.map(drop)?)
    }

    async fn track(&self, asked: &[Asked]) -> Result<Vec<Answered>, CarrierError> {
        if self.base.batch(asked)?.is_empty() {
            return Ok(Vec::new());
        }
        let answer = self.base.call_with_token(&self.tokens, self.question(asked)).await?;
        self.parse(&Received::of(&answer), asked)
    }

    fn parse(&self, received: &Received<'_>, asked: &[Asked]) -> Result<Vec<Answered>, CarrierError> {
        let body = parse::whole(received)?;
        parse::told(&body, asked)?;
        Ok(parse::parts(&body, asked))
    }
}
