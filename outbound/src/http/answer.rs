//! What came back.

use std::fmt;
use std::time::Duration;

use bytes::Bytes;
use chrono::{DateTime, Utc};
use forebay_schemas::Code;
use reqwest::header::{DATE, HeaderMap, RETRY_AFTER};

/// The longest `Retry-After` that is believed; a longer one counts as this.
pub const RETRY_AFTER_MAX: Duration = Duration::from_secs(24 * 3600);

/// A whole answer. `Debug` shows no contents: they may be personal.
#[derive(Clone)]
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// The body, within the size limit.
    pub body: Bytes,
    /// How long the other side asks to be left alone, at most [`RETRY_AFTER_MAX`].
    pub retry_after: Option<Duration>,
    headers: HeaderMap,
}

impl fmt::Debug for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bytes = self.body.len();
        f.debug_struct("Answer").field("status", &self.status).field("bytes", &bytes).finish_non_exhaustive()
    }
}

impl Answer {
    pub(super) fn new(status: u16, headers: HeaderMap, body: Bytes, now: DateTime<Utc>) -> Self {
        let retry_after = retry_after(&headers, now);
        Self { status, body, retry_after, headers }
    }

    /// A header's value, when there is one and it is text.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|v| v.to_str().ok())
    }

    /// All headers.
    #[must_use]
    pub fn headers(&self) -> &HeaderMap {
        &self.headers
    }

    /// The status is one of 200 to 299.
    #[must_use]
    pub fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }

    /// What the metric counts it as.
    pub(super) fn result(&self) -> &'static str {
        match self.status {
            200..300 => "ok",
            401 | 403 => Code::Credentials.as_str(),
            429 => Code::RateLimited.as_str(),
            500.. => Code::OutsideUnavailable.as_str(),
            _ => Code::Rejected.as_str(),
        }
    }
}

/// `Retry-After` in either form of RFC 9110 (10.2.3). A date counts from the answer's own `Date` if it has one, so
/// that the two clocks need not agree.
fn retry_after(headers: &HeaderMap, now: DateTime<Utc>) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    if !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit()) {
        let seconds = text.parse().unwrap_or(u64::MAX);
        return Some(Duration::from_secs(seconds).min(RETRY_AFTER_MAX));
    }
    let date = |text: &str| DateTime::parse_from_rfc2822(text).ok().map(|d| d.with_timezone(&Utc));
    let from = headers.get(DATE).and_then(|v| v.to_str().ok()).and_then(date).unwrap_or(now);
    let wait = (date(text)? - from).to_std().unwrap_or(Duration::ZERO);
    Some(wait.min(RETRY_AFTER_MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wait(retry_after_text: &str, date: Option<&str>) -> Option<Duration> {
        let mut headers = HeaderMap::new();
        headers.insert(RETRY_AFTER, retry_after_text.parse().unwrap());
        if let Some(date) = date {
            headers.insert(DATE, date.parse().unwrap());
        }
        retry_after(&headers, DateTime::from_timestamp(1_700_000_000, 0).unwrap())
    }

    #[test]
    fn retry_after_is_read_in_both_forms_and_capped() {
        assert_eq!(wait("30", None), Some(Duration::from_secs(30)));
        assert_eq!(wait("99999999999999999999999", None), Some(RETRY_AFTER_MAX));
        // 1,700,000,000 is Tue, 14 Nov 2023 22:13:20 GMT.
        assert_eq!(wait("Tue, 14 Nov 2023 22:14:00 GMT", None), Some(Duration::from_secs(40)));
        let date = Some("Tue, 14 Nov 2023 22:13:50 GMT");
        assert_eq!(wait("Tue, 14 Nov 2023 22:14:00 GMT", date), Some(Duration::from_secs(10)));
        assert_eq!(wait("Tue, 14 Nov 2023 22:00:00 GMT", None), Some(Duration::ZERO));
        assert_eq!(wait("Thu, 01 Jan 2099 00:00:00 GMT", None), Some(RETRY_AFTER_MAX));
    }

    #[test]
    fn an_unreadable_retry_after_counts_as_none() {
        for text in ["", "-3", "soon", "1.5"] {
            assert_eq!(wait(text, None), None, "{text:?}");
        }
    }
}
