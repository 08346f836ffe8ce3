//! A call that is to be made.

use std::fmt;
use std::time::Duration;

use bytes::Bytes;
use reqwest::Method;
use reqwest::header::{HeaderName, HeaderValue};
use secrecy::{ExposeSecret as _, SecretString};
use url::Url;

use super::error::CallError;

/// One call: where to, with what. The address may hold a secret (a webhook's does), so that neither `Debug` nor
/// any error shows more of it than the host.
#[derive(Clone)]
pub struct Call {
    pub(super) system: String,
    pub(super) method: Method,
    pub(super) url: Url,
    pub(super) body: Bytes,
    pub(super) timeout: Option<Duration>,
    headers: Vec<(&'static str, SecretString)>,
}

impl Call {
    /// A GET. `system` is the label under which the call is counted, e.g. `carrier/sweettracker`.
    pub fn get(system: impl Into<String>, url: Url) -> Self {
        Self {
            system: system.into(),
            method: Method::GET,
            url,
            body: Bytes::new(),
            timeout: None,
            headers: Vec::new(),
        }
    }

    /// A POST of these bytes.
    pub fn post(system: impl Into<String>, url: Url, content_type: &str, body: impl Into<Bytes>) -> Self {
        let call = Self { method: Method::POST, body: body.into(), ..Self::get(system, url) };
        call.header("content-type", content_type)
    }

    /// A POST of JSON.
    pub fn post_json(system: impl Into<String>, url: Url, body: &serde_json::Value) -> Self {
        Self::post(system, url, "application/json", body.to_string())
    }

    /// A PUT of JSON.
    pub fn put_json(system: impl Into<String>, url: Url, body: &serde_json::Value) -> Self {
        Self { method: Method::PUT, ..Self::post_json(system, url, body) }
    }

    /// A DELETE.
    pub fn delete(system: impl Into<String>, url: Url) -> Self {
        Self { method: Method::DELETE, ..Self::get(system, url) }
    }

    /// Adds a header.
    #[must_use]
    pub fn header(mut self, name: &'static str, value: &str) -> Self {
        self.headers.push((name, SecretString::from(value)));
        self
    }

    /// Adds `Authorization: Bearer …`.
    #[must_use]
    pub fn bearer(self, token: &SecretString) -> Self {
        self.header("authorization", &format!("Bearer {}", token.expose_secret()))
    }

    /// Limits the whole call, answer included, to this long instead of the client's own limit.
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = Some(timeout);
        self
    }

    /// What may be said of it in an error: method, scheme, host and port.
    pub(super) fn target(&self) -> String {
        let port = self.url.port().map(|p| format!(":{p}")).unwrap_or_default();
        format!("{} {}://{}{port}", self.method, self.url.scheme(), self.url.host_str().unwrap_or("?"))
    }

    /// The headers as they are sent.
    ///
    /// # Errors
    /// [`CallError::NotSent`] when a value holds what a header can't, e.g. a line break.
    pub(super) fn checked_headers(&self) -> Result<Vec<(HeaderName, HeaderValue)>, CallError> {
        let bad = |name: &str| CallError::NotSent(format!("the header {name} holds what a header can't"));
        let mut out = Vec::with_capacity(self.headers.len());
        for (name, value) in &self.headers {
            let mut value = HeaderValue::from_str(value.expose_secret()).map_err(|_| bad(name))?;
            value.set_sensitive(true);
            out.push((HeaderName::from_bytes(name.as_bytes()).map_err(|_| bad(name))?, value));
        }
        Ok(out)
    }
}

impl fmt::Debug for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Call")
            .field("system", &self.system)
            .field("target", &self.target())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_shows_neither_path_nor_query_nor_headers() {
        let url = Url::parse("https://hooks.example:8443/services/SECRET?key=SECRET").unwrap();
        let call = Call::get("slack", url).bearer(&SecretString::from("SECRET"));
        let text = format!("{call:?}");
        assert!(text.contains("https://hooks.example:8443") && !text.contains("SECRET"), "{text}");
    }

    #[test]
    fn a_line_break_in_a_header_is_refused() {
        let call = Call::get("x", Url::parse("https://a.example").unwrap()).header("webhook-id", "a\r\nb: c");
        assert!(matches!(call.checked_headers(), Err(CallError::NotSent(_))));
    }
}
