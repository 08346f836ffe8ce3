//! What an adapter is built from.

use std::time::Duration;

use forebay_domain::pacing::Quota;
use forebay_outbound::{Answer, Call, HttpClient, Placed, TokenDesk, TokenOptions, TokenSource};
use forebay_schemas::{AdapterId, CarrierCode};
use secrecy::{ExposeSecret as _, SecretString};
use url::Url;

use crate::carrier::{Asked, Limits};
use crate::error::CarrierError;

/// How a carrier's system is reached, and what it bears.
#[derive(Debug, Clone)]
pub struct Settings {
    /// What stands before the paths of its API; the client must allow its host.
    pub base_url: String,
    /// The public half of the credentials; empty where there is none.
    pub client_id: String,
    /// The key, or the secret half of the credentials.
    pub key: SecretString,
    /// The carriers that it is asked about; empty: all that it knows.
    pub serves: Vec<CarrierCode>,
    /// What the contract allows.
    pub quota: Quota,
    /// The time for one call.
    pub timeout: Duration,
    /// Where its system is to push what becomes of a parcel, where it has to be asked to; it holds a secret.
    pub callback: Option<SecretString>,
}

impl Settings {
    /// This address and key, 10 calls a second, 15 s a call.
    #[must_use]
    pub fn new(base_url: impl Into<String>, client_id: impl Into<String>, key: SecretString) -> Self {
        let quota =
            Quota { limit: 10, burst: 2, window: Duration::from_secs(1), margin: Duration::from_millis(100) };
        let (base_url, client_id) = (base_url.into(), client_id.into());
        Self {
            base_url,
            client_id,
            key,
            serves: Vec::new(),
            quota,
            timeout: Duration::from_secs(15),
            callback: None,
        }
    }
}

/// What adapters make calls with.
#[derive(Debug, Clone)]
pub struct Tools {
    /// The guarded client.
    pub http: HttpClient,
    /// Where tokens are shared over the fleet.
    pub tokens: TokenDesk,
}

/// A setting that can't be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SetUpError {
    /// The base URL is none.
    #[error("url must be http(s)://host[:port][/path], without a query")]
    BaseUrl,
    /// No key.
    #[error("key is empty")]
    NoKey,
    /// No client id, and the system needs one.
    #[error("client_id is missing; this system's credentials have two halves, client_id and key")]
    NoClientId,
    /// It is to be asked about a carrier that it does not know.
    #[error("serves names \"{0}\", which this system does not know")]
    NotServed(CarrierCode),
    /// One of the adapter's own names breaks the rule for names.
    #[error("{0}")]
    Name(String),
}

/// What every adapter holds.
#[derive(Debug)]
pub(crate) struct Base {
    pub(crate) http: HttpClient,
    pub(crate) settings: Settings,
    pub(crate) id: AdapterId,
    pub(crate) serves: Vec<CarrierCode>,
    pub(crate) max_batch: usize,
}

impl Base {
    /// Checks the settings. `knows` are the codes of the carriers that the system knows.
    pub(crate) fn new<'c>(
        tools: &Tools,
        settings: Settings,
        id: &str,
        knows: impl Iterator<Item = &'c str>,
        max_batch: usize,
    ) -> Result<Self, SetUpError> {
        if settings.key.expose_secret().trim().is_empty() {
            return Err(SetUpError::NoKey);
        }
        let wrong = |error: &dyn std::fmt::Display| SetUpError::Name(error.to_string());
        let knows: Result<Vec<_>, _> = knows.map(CarrierCode::new).collect();
        let knows = knows.map_err(|error| wrong(&error))?;
        if let Some(stranger) = settings.serves.iter().find(|code| !knows.contains(code)) {
            return Err(SetUpError::NotServed(stranger.clone()));
        }
        let serves = if settings.serves.is_empty() { knows } else { settings.serves.clone() };
        let id = AdapterId::new(id).map_err(|error| wrong(&error))?;
        let base = Self { http: tools.http.clone(), settings, id, serves, max_batch };
        base.url("")?;
        Ok(base)
    }

    /// The address of a path. Appended, not joined: a gateway may serve the API under a path of its own.
    pub(crate) fn url(&self, path: &str) -> Result<Url, SetUpError> {
        let text = format!("{}{path}", self.settings.base_url.trim_end_matches('/'));
        let url = Url::parse(&text).map_err(|_| SetUpError::BaseUrl)?;
        let sound = matches!(url.scheme(), "http" | "https") && url.query().is_none();
        if sound && url.has_host() { Ok(url) } else { Err(SetUpError::BaseUrl) }
    }

    /// The tokens of this system.
    pub(crate) fn tokens(
        &self,
        tools: &Tools,
        path: &str,
        placed: Placed,
        pause: Duration,
    ) -> Result<TokenSource, SetUpError> {
        let Settings { client_id, key, .. } = &self.settings;
        if client_id.trim().is_empty() {
            return Err(SetUpError::NoClientId);
        }
        let (url, key, client_id) = (self.url(path)?, key.clone(), client_id.clone());
        let system = self.system();
        Ok(tools.tokens.source(TokenOptions { key: system, url, client_id, secret: key, placed, pause }))
    }

    /// Makes the call with a token. A token that is refused is dropped for the whole fleet, and the question comes
    /// again, with a permit of its own; when the new one is refused as well, it is the credentials.
    pub(crate) async fn call_with_token(
        &self,
        tokens: &TokenSource,
        question: Call,
    ) -> Result<Answer, CarrierError> {
        let token = tokens.at_hand().await?;
        let answer = self.http.call(&question.bearer(&token)).await?;
        if answer.status != 401 {
            return Ok(answer);
        }
        match tokens.refused(&token).await {
            true => Err(CarrierError::TokenRefused),
            false => Err(CarrierError::Auth("status 401, with a new token".into())),
        }
    }

    /// What the call is counted as.
    pub(crate) fn system(&self) -> String {
        format!("carrier/{}", self.id)
    }

    /// What the system bears.
    pub(crate) fn limits(&self) -> Limits {
        Limits { max_batch: self.max_batch, quota: self.settings.quota, timeout: self.settings.timeout }
    }

    /// The one parcel that is asked about; nothing when there is none.
    pub(crate) fn one<'a>(&self, asked: &'a [Asked]) -> Result<Option<&'a Asked>, CarrierError> {
        self.batch(asked).map(<[Asked]>::first)
    }

    /// The parcels, unless they are more than one call takes.
    pub(crate) fn batch<'a>(&self, asked: &'a [Asked]) -> Result<&'a [Asked], CarrierError> {
        if asked.len() <= self.max_batch {
            return Ok(asked);
        }
        let detail = "a call takes fewer parcels";
        Err(CarrierError::Rejected { code: "batch_too_large".into(), detail })
    }
}

/// The adapter is asked about a carrier that its system does not know.
pub(crate) fn not_served() -> CarrierError {
    let detail = "this system does not know the carrier";
    CarrierError::Rejected { code: "carrier_not_served".into(), detail }
}
