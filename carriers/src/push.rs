//! What carriers' systems send us by themselves.
//!
//! A push is verified over the bytes as they came, then read by a pure, total function; whoever serves the route
//! stores it under its key first, so that a repeat has no second effect.

use chrono::{DateTime, Utc};
use forebay_schemas::AdapterId;
use hmac::{Hmac, KeyInit as _, Mac as _};
use http::HeaderMap;
use secrecy::{ExposeSecret as _, SecretString};
use sha2::{Digest as _, Sha256};

use crate::carrier::{Answered, Asked};

/// The secrets that are accepted: one, or two while one takes the place of the other.
#[derive(Debug, Clone)]
pub struct PushSecrets {
    /// The secret in use.
    pub current: SecretString,
    /// The one beside it during a change.
    pub next: Option<SecretString>,
}

/// A push is not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PushFault {
    /// No signature: to be answered with 401.
    #[error("the push bears no signature")]
    Unsigned,
    /// A signature of nobody who knows the secret: 401.
    #[error("the push's signature is wrong")]
    WrongSignature,
    /// Bytes that can't be read: 400.
    #[error("the push can't be read: {0}")]
    Malformed(&'static str),
}

/// What a push says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PushAnswer {
    /// What makes it the same push when it comes again; where it only says that something changed, see
    /// [`PushAnswer::key_at`].
    pub dedupe_key: String,
    /// The parcels that it tells of; none when it is of a kind that does not concern us.
    pub parcels: Vec<Answered>,
    /// The parcels of which it says that something changed, and no more: they are to be asked about.
    pub changed: Vec<Asked>,
    /// What has no meaning of ours, each once: a parcel's own codes stand beside the parcel.
    pub unmapped: Vec<String>,
}

impl PushAnswer {
    /// What makes it the same push when it comes again, having come at `at` first. One that says only that something
    /// changed looks each time the same, and may mean another change each time: it is never the same push.
    #[must_use]
    pub fn key_at(&self, at: DateTime<Utc>) -> String {
        if self.changed.is_empty() {
            return self.dedupe_key.clone();
        }
        format!("{}@{}", self.dedupe_key, at.format("%Y-%m-%dT%H:%M:%S%.6fZ"))
    }
}

/// Reads one system's pushes.
pub trait Push: Send + Sync + std::fmt::Debug {
    /// The adapter whose parcels it tells of.
    fn id(&self) -> &AdapterId;

    /// Its pushes are signed; where they are not, the secret in the address is all that tells who sends them.
    fn is_signed(&self) -> bool {
        true
    }

    /// The headers that [`Push::parse`] reads, in small letters.
    fn reads(&self) -> &'static [&'static str] {
        &[]
    }

    /// The bytes come from who knows the secret. Compares in constant time.
    ///
    /// # Errors
    /// [`PushFault::Unsigned`], [`PushFault::WrongSignature`].
    fn verify(&self, headers: &HeaderMap, body: &[u8]) -> Result<(), PushFault>;

    /// What the bytes say. Pure and total; to be called after [`Push::verify`].
    ///
    /// # Errors
    /// [`PushFault::Malformed`].
    fn parse(&self, headers: &HeaderMap, body: &[u8]) -> Result<PushAnswer, PushFault>;
}

/// One of the secrets signs the body as `signature` says. `key` makes a key of a secret.
pub(crate) fn signed(
    secrets: &PushSecrets,
    key: fn(&str) -> Vec<u8>,
    signature: &[u8],
    body: &[u8],
) -> Result<(), PushFault> {
    let mut right = false;
    for secret in std::iter::once(&secrets.current).chain(&secrets.next) {
        // An empty secret is nobody's.
        if secret.expose_secret().is_empty() {
            continue;
        }
        if let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(&key(secret.expose_secret())) {
            mac.update(body);
            // Both are compared, however the first one turned out.
            right |= mac.verify_slice(signature).is_ok();
        }
    }
    right.then_some(()).ok_or(PushFault::WrongSignature)
}

/// A header's text.
pub(crate) fn header<'h>(headers: &'h HeaderMap, name: &str) -> Option<&'h str> {
    headers.get(name).and_then(|value| value.to_str().ok()).map(str::trim).filter(|text| !text.is_empty())
}

/// Bytes written as two hexadecimal digits each.
pub(crate) fn hexadecimal(text: &str) -> Option<Vec<u8>> {
    let digits: Vec<u8> =
        text.chars().map(|c| c.to_digit(16).and_then(|d| u8::try_from(d).ok())).collect::<Option<_>>()?;
    let (pairs, rest) = digits.as_chunks::<2>();
    rest.is_empty().then(|| pairs.iter().map(|[high, low]| high * 16 + low).collect())
}

/// The id of one of our own adapters.
pub(crate) fn id_of(name: &'static str) -> AdapterId {
    AdapterId::new(name).expect("the adapters' names are well-formed")
}

/// A push without an id of its own is known by its bytes.
pub(crate) fn digest(body: &[u8]) -> String {
    Sha256::digest(body).iter().map(|b| format!("{b:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_only_says_that_something_changed_is_another_push_each_time() {
        let asked = Asked { carrier: "cj".parse().unwrap(), number: "600000000001".parse().unwrap() };
        let (dedupe_key, parcels, unmapped) = ("cj/600000000001".to_owned(), Vec::new(), Vec::new());
        let poke = PushAnswer { dedupe_key, parcels, changed: vec![asked], unmapped };
        let at = |millis: i64| DateTime::from_timestamp_millis(1_700_000_000_000 + millis).unwrap();
        assert_ne!(poke.key_at(at(0)), poke.key_at(at(1)));
        let whole = PushAnswer { changed: Vec::new(), ..poke };
        assert_eq!(whole.key_at(at(0)), whole.key_at(at(9_000)));
    }
}
