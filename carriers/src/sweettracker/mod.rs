//! Sweet Tracker (스마트택배), which knows the parcels of the carriers of Korea.
//!
//! `POST /api/v1/trackingInfo` with `{t_key, t_code, t_invoice}`, one parcel a call. Errors of the business come
//! under status 200. The form of questions and answers was taken from what public clients of the service send and
//! handle; the vendor publishes no table of errors.

mod events;
mod mapping;
mod parse;
mod wire;

use std::time::Duration;

use async_trait::async_trait;
use forebay_domain::pacing::Quota;
use forebay_domain::parcel::Lookup;
use forebay_outbound::{Call, HttpClient};
use forebay_schemas::{AdapterId, CarrierCode};
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::json;
use url::Url;

use crate::carrier::{Answered, Asked, Carrier, Limits, Received};
use crate::error::CarrierError;

/// The adapter's id.
const ID: &str = "sweettracker";
/// Where it listens, unless the options say otherwise.
const BASE_URL: &str = "https://info.sweettracker.co.kr";
/// The path of a look-up.
const PATH: &str = "/api/v1/trackingInfo";
/// Calls a second that are asked of it unless the options say otherwise. It publishes no number; contracts differ.
const CALLS_A_SECOND: u32 = 10;

/// How Sweet Tracker is reached.
#[derive(Debug, Clone)]
pub struct SweetTrackerOptions {
    /// What stands before `/api/v1/trackingInfo`; the client must allow its host.
    pub base_url: String,
    /// The key (`t_key`).
    pub key: SecretString,
    /// What the contract allows.
    pub quota: Quota,
    /// The time for one call.
    pub timeout: Duration,
}

impl SweetTrackerOptions {
    /// The public service with this key, 10 calls a second, 15 s a call.
    #[must_use]
    pub fn new(key: SecretString) -> Self {
        let quota = Quota {
            limit: CALLS_A_SECOND,
            burst: 2,
            window: Duration::from_secs(1),
            margin: Duration::from_millis(100),
        };
        Self { base_url: BASE_URL.to_owned(), key, quota, timeout: Duration::from_secs(15) }
    }
}

/// A setting that can't be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SetUpError {
    /// The base URL is none.
    #[error("the base URL of Sweet Tracker must be http(s)://host[:port][/path]")]
    BaseUrl,
    /// No key.
    #[error("the key of Sweet Tracker is empty")]
    NoKey,
    /// One of the adapter's own names breaks the rule for names.
    #[error("{0}")]
    Name(String),
}

/// The adapter.
#[derive(Debug)]
pub struct SweetTracker {
    http: HttpClient,
    url: Url,
    options: SweetTrackerOptions,
    id: AdapterId,
    carriers: Vec<CarrierCode>,
}

impl SweetTracker {
    /// Checks the options.
    ///
    /// # Errors
    /// [`SetUpError`], which says what to mend.
    pub fn new(http: HttpClient, options: SweetTrackerOptions) -> Result<Self, SetUpError> {
        // Appended, not joined: a gateway may serve it under a path of its own.
        let url = Url::parse(&format!("{}{PATH}", options.base_url.trim_end_matches('/')));
        let url = url.map_err(|_| SetUpError::BaseUrl)?;
        if !matches!(url.scheme(), "http" | "https") || url.query().is_some() {
            return Err(SetUpError::BaseUrl);
        }
        if options.key.expose_secret().trim().is_empty() {
            return Err(SetUpError::NoKey);
        }
        let id = AdapterId::new(ID).map_err(|e| SetUpError::Name(e.to_string()))?;
        let names = mapping::CARRIERS.iter().map(|c| CarrierCode::new(c.ours));
        let carriers = names.collect::<Result<_, _>>().map_err(|e| SetUpError::Name(e.to_string()))?;
        Ok(Self { http, url, options, id, carriers })
    }

    /// The call for one parcel, or the answer that needs none.
    fn question(&self, asked: &Asked) -> Result<Call, Answered> {
        let known = |outcome| Answered { asked: asked.clone(), outcome, unmapped: Vec::new() };
        let Some(carrier) = mapping::carrier(&asked.carrier) else {
            let detail = "Sweet Tracker does not know this carrier";
            return Err(known(Err(CarrierError::Rejected { code: "carrier_not_served".into(), detail })));
        };
        let number = parse::bare(asked.number.as_str());
        let digits = number.bytes().all(|b| b.is_ascii_digit());
        if number.is_empty() || (!digits && !carrier.letters) {
            return Err(known(Ok(Lookup::InvalidNumber)));
        }
        let body = json!({
            "t_key": self.options.key.expose_secret().trim(),
            "t_code": carrier.theirs,
            "t_invoice": number,
        });
        let call = Call::post_json(format!("carrier/{ID}"), self.url.clone(), &body);
        Ok(call.timeout(self.options.timeout))
    }
}

#[async_trait]
impl Carrier for SweetTracker {
    fn id(&self) -> &AdapterId {
        &self.id
    }

    fn serves(&self) -> &[CarrierCode] {
        &self.carriers
    }

    fn limits(&self) -> Limits {
        Limits { max_batch: 1, quota: self.options.quota, timeout: self.options.timeout }
    }

    async fn track(&self, asked: &[Asked]) -> Result<Vec<Answered>, CarrierError> {
        let one = match asked {
            [] => return Ok(Vec::new()),
            [one] => one,
            _ => {
                let detail = "it takes one parcel a call";
                return Err(CarrierError::Rejected { code: "batch_too_large".into(), detail });
            }
        };
        let call = match self.question(one) {
            Ok(call) => call,
            Err(answered) => return Ok(vec![answered]),
        };
        let answer = self.http.call(&call).await?;
        self.parse(&Received::of(&answer), asked)
    }

    fn parse(&self, received: &Received<'_>, asked: &[Asked]) -> Result<Vec<Answered>, CarrierError> {
        let body = parse::whole(received)?;
        Ok(asked.iter().map(|one| parse::part(&body, one)).collect())
    }
}
