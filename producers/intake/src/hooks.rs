//! Who may push: the carriers' systems whose pushes are taken, each behind an address of its own.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use axum::http::HeaderMap;
use chrono::{DateTime, Utc};
use forebay_schemas::AdapterId;
use secrecy::{ExposeSecret as _, SecretString};
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;

/// What was pushed, once it is known who sent it and that it can be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pushed {
    /// What makes it the same push when it comes again.
    pub key: String,
    /// The headers without which the body can't be read.
    pub headers: BTreeMap<String, String>,
}

/// Why a push is not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum HookFault {
    /// It bears no signature.
    #[error("The request bears no signature.")]
    Unsigned,
    /// It is signed by nobody who knows a secret.
    #[error("The signature was not made with a secret that is known here, over these bytes.")]
    WrongSignature,
    /// Its bytes can't be read.
    #[error("The body can't be read: {0}.")]
    Unreadable(&'static str),
}

impl HookFault {
    /// Its word in the metrics.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Unsigned => "unsigned",
            Self::WrongSignature => "wrong_signature",
            Self::Unreadable(_) => "unreadable",
        }
    }
}

/// One system's pushes: says who sent one and which one it is. Neither waits nor asks anybody.
pub trait Hook: Send + Sync + fmt::Debug {
    /// The system.
    fn system(&self) -> &AdapterId;

    /// Verifies the bytes as they came, and reads them as far as it must be known which push it is.
    ///
    /// # Errors
    /// [`HookFault`].
    fn take(&self, headers: &HeaderMap, body: &[u8], at: DateTime<Utc>) -> Result<Pushed, HookFault>;
}

/// The last part of an address that pushes come to: it keeps strangers out before anything is read.
#[derive(Clone)]
pub struct HookToken([u8; 32]);

/// The text can't be a hook's token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be 24 to 128 characters of A-Z, a-z, 0-9, - and _")]
pub struct BadToken;

impl HookToken {
    /// The token of this text.
    ///
    /// # Errors
    /// [`BadToken`].
    pub fn new(text: &SecretString) -> Result<Self, BadToken> {
        let text = text.expose_secret();
        let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_');
        let good = (24..=128).contains(&text.len()) && text.bytes().all(plain);
        if good { Ok(Self::of(text)) } else { Err(BadToken) }
    }

    fn of(text: &str) -> Self {
        Self(Sha256::digest(text.as_bytes()).into())
    }
}

impl fmt::Debug for HookToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("HookToken").finish_non_exhaustive()
    }
}

/// The hooks of an installation.
#[derive(Debug, Clone, Default)]
pub struct Hooks(BTreeMap<String, (HookToken, Arc<dyn Hook>)>);

impl Hooks {
    /// These hooks, each behind its token.
    #[must_use]
    pub fn new(hooks: impl IntoIterator<Item = (HookToken, Arc<dyn Hook>)>) -> Self {
        let named = |(token, hook): (HookToken, Arc<dyn Hook>)| (hook.system().to_string(), (token, hook));
        Self(hooks.into_iter().map(named).collect())
    }

    /// The hook at this address. Tokens are compared in constant time.
    pub(crate) fn at(&self, system: &str, token: &str) -> Option<&Arc<dyn Hook>> {
        let given = HookToken::of(token);
        let (token, hook) = self.0.get(system)?;
        bool::from(token.0.ct_eq(&given.0)).then_some(hook)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_long_fits_into_an_address_and_is_never_shown() {
        let token = |text: &str| HookToken::new(&SecretString::from(text));
        let good = "0123456789abcdefABCDEF-_";
        assert!(!format!("{:?}", token(good).unwrap()).contains("0123"));
        for bad in ["", "short", &good.replace('-', "/"), &good.replace('-', "%"), &"x".repeat(129)] {
            assert_eq!(token(bad).unwrap_err(), BadToken, "{bad:?}");
        }
    }
}
