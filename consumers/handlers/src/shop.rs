//! The shop's own systems: its returns API, which is read, and its result endpoint, which is told.
//!
//! The returns API answers `GET ?cursor=…&limit=…` with `{"returns": […], "next_cursor": "…"|null}`; each return
//! has the fields of `return.requested.v1`. The result endpoint takes `POST` of the data of `return.picked_up.v1`,
//! signed after Standard Webhooks, with an `Idempotency-Key` that it must honour.

use std::time::Duration;

use chrono::{DateTime, Utc};
use forebay_domain::Outcome;
use forebay_outbound::{Answer, Call, CallError, HttpClient, Signer};
use forebay_schemas::Code;
use forebay_schemas::events::{ReturnPickedUp, ReturnRequested};
use secrecy::SecretString;
use serde::Deserialize;
use url::Url;

/// Returns in one page.
const PAGE: usize = 200;
const RETURNS: &str = "shop/returns";
const RESULTS: &str = "shop/results";

/// Where the shop's systems are.
#[derive(Debug)]
pub struct ShopOptions {
    /// The returns API.
    pub returns_url: Option<Url>,
    /// Its bearer token.
    pub returns_token: Option<SecretString>,
    /// The result endpoint, and what signs the calls to it.
    pub results: Option<(Url, Signer)>,
}

/// Speaks to the shop.
#[derive(Debug)]
pub struct ShopApi {
    client: HttpClient,
    options: ShopOptions,
}

/// One page of the returns API.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Collected {
    /// The returns that could be read.
    pub returns: Vec<ReturnRequested>,
    /// Where the next page begins; `None` at the end.
    pub next_cursor: Option<String>,
}

#[derive(Deserialize)]
struct Page {
    returns: Vec<serde_json::Value>,
    #[serde(default)]
    next_cursor: Option<String>,
}

/// What the result endpoint made of a result.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Delivered {
    /// It took it.
    Taken,
    /// It did not, or it can't be told.
    Failed {
        /// What the harness is to do.
        outcome: Outcome,
        /// The call may have arrived.
        unknown: bool,
    },
}

impl ShopApi {
    /// Speaks to these systems through this client.
    #[must_use]
    pub fn new(client: HttpClient, options: ShopOptions) -> Self {
        Self { client, options }
    }

    /// Reads the page that begins at `cursor`. A return that can't be read is left out and told in the log; it costs
    /// its neighbours nothing.
    pub(crate) async fn page(&self, cursor: Option<&str>) -> Result<Collected, Outcome> {
        let Some(mut url) = self.options.returns_url.clone() else {
            return Err(Outcome::reject(Code::Rejected, "returns.api_url is not configured"));
        };
        url.query_pairs_mut().append_pair("limit", &PAGE.to_string());
        if let Some(cursor) = cursor {
            url.query_pairs_mut().append_pair("cursor", cursor);
        }
        let mut call = Call::get(RETURNS, url);
        if let Some(token) = &self.options.returns_token {
            call = call.bearer(token);
        }
        let answer = self.client.read(&call).await.map_err(|e| not_reached(&e))?;
        if !answer.is_success() {
            return Err(not_taken(&answer));
        }
        collected(&answer.body)
    }

    /// Sends a result once.
    pub(crate) async fn deliver(&self, key: &str, result: &ReturnPickedUp, now: DateTime<Utc>) -> Delivered {
        let failed = |outcome| Delivered::Failed { outcome, unknown: false };
        let Some((url, signer)) = &self.options.results else {
            return failed(Outcome::reject(Code::Rejected, "returns.result_url is not configured"));
        };
        let body = match serde_json::to_vec(result) {
            Ok(body) => body,
            Err(error) => return failed(Outcome::reject(Code::Rejected, error.to_string())),
        };
        let headers = match signer.sign(key, now, &body) {
            Ok(headers) => headers,
            Err(error) => return failed(Outcome::reject(Code::Rejected, error.to_string())),
        };
        let call = Call::post(RESULTS, url.clone(), "application/json", body).header("idempotency-key", key);
        match self.client.call(&headers.on(call)).await {
            Ok(answer) if answer.is_success() => Delivered::Taken,
            Ok(answer) => failed(not_taken(&answer)),
            Err(error @ CallError::NoAnswer(_)) => {
                Delivered::Failed { outcome: Outcome::Unknown { error: error.to_string() }, unknown: true }
            }
            Err(error) => failed(not_reached(&error)),
        }
    }
}

/// What a page holds. A shop that sends more than it was asked for is taken at its word: the next cursor lies behind
/// all of them.
fn collected(body: &[u8]) -> Result<Collected, Outcome> {
    let page: Page = serde_json::from_slice(body).map_err(|_| {
        Outcome::retry(Code::OutsideMalformed, "the returns API sent what is no page of returns")
    })?;
    let returns = page.returns.into_iter().filter_map(readable).collect();
    Ok(Collected { returns, next_cursor: page.next_cursor })
}

fn readable(value: serde_json::Value) -> Option<ReturnRequested> {
    match serde_json::from_value(value) {
        Ok(found) => Some(found),
        Err(_) => {
            tracing::warn!("the returns API sent a return that can't be read; it was left out");
            None
        }
    }
}

fn not_reached(error: &CallError) -> Outcome {
    match error {
        CallError::NotAllowed(_) => Outcome::reject(Code::Rejected, error.to_string()),
        CallError::TooLarge { .. } => Outcome::retry(Code::OutsideMalformed, error.to_string()),
        _ => Outcome::retry(Code::OutsideUnavailable, error.to_string()),
    }
}

/// What a status other than 2xx means for the message.
fn not_taken(answer: &Answer) -> Outcome {
    let error = format!("the shop answered with status {}", answer.status);
    let code = match answer.status {
        401 | 403 => Code::Credentials,
        429 => Code::RateLimited,
        408 | 425 | 500.. => Code::OutsideUnavailable,
        _ => return Outcome::reject(Code::Rejected, error),
    };
    Outcome::Retry { code, error, after: answer.retry_after.filter(|wait| *wait > Duration::ZERO) }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn page(returns: &[Value]) -> Vec<u8> {
        json!({ "returns": returns, "next_cursor": "n" }).to_string().into_bytes()
    }

    fn one(n: usize) -> Value {
        json!({ "return_id": format!("R-{n}"), "order_id": "O-1", "requested_at": "2026-01-01T00:00:00Z" })
    }

    #[test]
    fn a_page_that_is_longer_than_asked_for_is_read_whole() {
        let returns: Vec<Value> = (0..PAGE * 3).map(one).collect();
        let read = collected(&page(&returns)).unwrap();
        assert_eq!((read.returns.len(), read.next_cursor.as_deref()), (PAGE * 3, Some("n")));
    }

    #[test]
    fn a_return_that_can_not_be_read_costs_its_neighbours_nothing() {
        let read = collected(&page(&[one(1), json!({ "return_id": 7 }), json!(null), one(2)])).unwrap();
        let ids: Vec<&str> = read.returns.iter().map(|r| r.return_id.as_str()).collect();
        assert_eq!(ids, ["R-1", "R-2"]);
        for junk in [&b""[..], b"[]", b"<html>", b"{\"returns\":{}}"] {
            assert!(collected(junk).is_err());
        }
    }
}
