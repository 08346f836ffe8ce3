//! `Prefer: wait=<seconds>` (RFC 7240): waiting for an outcome. The store is asked again and again; nothing that
//! accepting needs is held meanwhile.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, HeaderValue};
use axum::response::{IntoResponse, Response};
use forebay_store::Error;
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::json;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::{Instant, sleep_until, timeout_at};

use crate::api::Api;
use crate::openapi::{Input, Operation, Output};

/// Longest wait, in seconds; a longer one is cut to it.
const MOST_SECONDS: u64 = 10;
/// Pause before the store is asked for the second time; it grows by half each time.
const FIRST_PAUSE: Duration = Duration::from_millis(50);
/// Longest pause.
const LONGEST_PAUSE: Duration = Duration::from_millis(200);
/// How much longer than the wait itself the store's last answer may take.
const GRACE: Duration = Duration::from_millis(500);

/// How long the client would wait, in seconds; 0 for not at all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Wish(u64);

impl FromRequestParts<Arc<Api>> for Wish {
    type Rejection = Infallible;
    async fn from_request_parts(parts: &mut Parts, _: &Arc<Api>) -> Result<Self, Infallible> {
        Ok(Self::of(&parts.headers))
    }
}

impl Input for Wish {
    fn tell(operation: &mut Operation<'_>) {
        let about = format!(
            "`wait=2` waits so many seconds for the outcome, {MOST_SECONDS} at most; any other preference is passed over."
        );
        operation.header("Prefer", false, &about, json!({ "type": "string" }));
    }
}

impl Wish {
    /// A preference that can't be read is none: that is how RFC 7240 wants it.
    fn of(headers: &HeaderMap) -> Self {
        let preferences = headers.get_all("prefer").iter().filter_map(|value| value.to_str().ok());
        let mut waits = preferences.flat_map(|value| value.split(',')).filter_map(|preference| {
            let (name, seconds) = preference.split(';').next()?.split_once('=')?;
            let seconds = seconds.trim().trim_matches('"').parse::<u64>().ok()?;
            name.trim().eq_ignore_ascii_case("wait").then_some(seconds.min(MOST_SECONDS))
        });
        Self(waits.next().unwrap_or(0))
    }

    /// Begins to wait, unless nobody wants to or too many wait already.
    pub(crate) fn begin(self, api: &Api) -> Option<Waiting> {
        let place = Arc::clone(&api.waiting);
        let place = (self.0 > 0).then(|| place.try_acquire_owned().ok()).flatten()?;
        let deadline = Instant::now() + Duration::from_secs(self.0);
        Some(Waiting { deadline, pause: FIRST_PAUSE, _place: place })
    }

    /// The outcome that was waited for.
    pub(crate) fn granted<T>(self, outcome: T) -> Waited<T> {
        Waited { seconds: self.0, outcome }
    }
}

/// An outcome, with the word that the wish was heard.
#[derive(Debug)]
pub(crate) struct Waited<T> {
    seconds: u64,
    outcome: T,
}

const APPLIED: HeaderName = HeaderName::from_static("preference-applied");

impl<T: Serialize> IntoResponse for Waited<T> {
    fn into_response(self) -> Response {
        let mut response = Json(self.outcome).into_response();
        if let Ok(value) = HeaderValue::try_from(format!("wait={}", self.seconds)) {
            response.headers_mut().insert(APPLIED, value);
        }
        response
    }
}

impl<T: JsonSchema> Output for Waited<T> {
    fn tell(operation: &mut Operation<'_>) {
        operation.like::<Json<T>>(|status, answer| {
            let heard = json!({ "type": "string", "pattern": "^wait=[0-9]+$" });
            answer.header("Preference-Applied", "That the wish to wait was heard.", heard);
            status
        });
    }
}

/// A wait under way.
#[derive(Debug)]
pub(crate) struct Waiting {
    deadline: Instant,
    pause: Duration,
    _place: OwnedSemaphorePermit,
}

impl Waiting {
    /// The store's answer; none when it fails or takes too long: then there is no outcome to wait for.
    pub(crate) async fn ask<T>(&self, answer: impl Future<Output = Result<T, Error>>) -> Option<T> {
        timeout_at(self.deadline + GRACE, answer).await.ok()?.ok()
    }

    /// Pauses until it is time to ask again; `false` when the wait is over. The last time to ask is at its very end.
    pub(crate) async fn again(&mut self) -> bool {
        let now = Instant::now();
        if now >= self.deadline {
            return false;
        }
        sleep_until((now + self.pause).min(self.deadline)).await;
        self.pause = (self.pause * 3 / 2).min(LONGEST_PAUSE);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wish(values: &[&'static str]) -> u64 {
        let headers = values.iter().map(|v| (HeaderName::from_static("prefer"), HeaderValue::from_static(v)));
        Wish::of(&headers.collect()).0
    }

    #[test]
    fn a_wait_is_found_among_other_preferences_and_cut_to_the_longest() {
        assert_eq!(wish(&["wait=2"]), 2);
        assert_eq!(wish(&["respond-async, wait=3; foo=bar"]), 3);
        assert_eq!(wish(&["return=minimal", "Wait = \"4\""]), 4);
        assert_eq!(wish(&["wait=99999"]), 10);
    }

    #[test]
    fn a_wait_that_can_not_be_read_is_none() {
        for value in ["", "wait", "wait=", "wait=-1", "wait=2.5", "waiting=2"] {
            assert_eq!(wish(&[value]), 0, "{value}");
        }
    }
}
