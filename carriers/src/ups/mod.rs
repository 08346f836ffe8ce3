//! UPS Tracking.
//!
//! `GET /api/track/v1/details/{number}`, one number a call, with a bearer token that the whole fleet shares
//! (`POST /security/v1/oauth/token`). Answers may take many seconds.

mod mapping;
mod packages;
mod parse;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use forebay_outbound::{Call, Placed, TokenSource};
use forebay_schemas::{AdapterId, CarrierCode};

use crate::carrier::{Answered, Asked, Carrier, Limits, Received};
use crate::error::CarrierError;
use crate::numbers;
use crate::push::digest;
use crate::registry::Known;
use crate::settings::{Base, SetUpError, Settings, Tools};

/// For the registry.
pub(crate) const KNOWN: Known = Known { id: "ups", max_batch: 1, build: Ups::build, push: None };
const CARRIERS: &[&str] = &["ups"];
const PATH: &str = "/api/track/v1/details/";
const TOKEN_PATH: &str = "/security/v1/oauth/token";
/// How long the token endpoint is left alone that refuses without saying for how long.
const TOKEN_PAUSE: Duration = Duration::from_secs(600);
/// Characters of the id of a question.
const TRANSACTION_CHARS: usize = 32;

/// The adapter.
#[derive(Debug)]
pub struct Ups {
    base: Base,
    tokens: TokenSource,
}

impl Ups {
    /// Checks the settings.
    ///
    /// # Errors
    /// [`SetUpError`], which says what to mend.
    pub fn new(tools: &Tools, settings: Settings) -> Result<Self, SetUpError> {
        let base = Base::new(tools, settings, KNOWN.id, CARRIERS.iter().copied(), 1)?;
        let tokens = base.tokens(tools, TOKEN_PATH, Placed::InHeader, TOKEN_PAUSE)?;
        base.url(PATH)?;
        Ok(Self { base, tokens })
    }

    fn build(tools: &Tools, settings: Settings) -> Result<Arc<dyn Carrier>, SetUpError> {
        Ok(Arc::new(Self::new(tools, settings)?))
    }

    fn question(&self, asked: &Asked) -> Result<Call, CarrierError> {
        // Letters and digits alone, so that nothing in the path has to be escaped.
        let number = numbers::bare(&asked.number);
        let wrong = |e: SetUpError| CarrierError::Rejected { code: e.to_string(), detail: "the base URL" };
        let mut url = self.base.url(&format!("{PATH}{number}")).map_err(wrong)?;
        url.query_pairs_mut().append_pair("locale", "en_US").append_pair("returnSignature", "false");
        let transaction: String = digest(number.as_bytes()).chars().take(TRANSACTION_CHARS).collect();
        let call = Call::get(self.base.system(), url);
        Ok(call
            .header("transid", &transaction)
            .header("transactionsrc", "forebay")
            .header("accept", "application/json")
            .timeout(self.base.settings.timeout))
    }
}

#[async_trait]
impl Carrier for Ups {
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
        let Some(one) = self.base.one(asked)? else { return Ok(Vec::new()) };
        let answer = self.base.call_with_token(&self.tokens, self.question(one)?).await?;
        self.parse(&Received::of(&answer), asked)
    }

    fn parse(&self, received: &Received<'_>, asked: &[Asked]) -> Result<Vec<Answered>, CarrierError> {
        parse::parse(received, asked)
    }
}
