//! A token as it comes, taken apart (RFC 7515, 7519): nothing of it is believed yet.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::{Map, Value};

use super::jwks::Algorithm;

/// Longest id of a key, in bytes.
const KEY_ID_BYTES: usize = 256;

/// The part of a token that says how it is signed. Whatever it says of where keys are to be found is not looked at.
#[derive(Debug, Deserialize)]
struct Header {
    alg: String,
    kid: Option<String>,
    typ: Option<String>,
    /// What must be understood, and is not.
    crit: Option<IgnoredAny>,
}

/// A token, taken apart. `Debug` shows nothing of it.
pub(super) struct Token<'t> {
    header: Header,
    claims: Map<String, Value>,
    message: &'t [u8],
    signature: Vec<u8>,
}

impl std::fmt::Debug for Token<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Token").finish_non_exhaustive()
    }
}

impl<'t> Token<'t> {
    /// The token in this text, if it is one.
    pub(super) fn parse(text: &'t str) -> Option<Self> {
        let (message, signature) = text.rsplit_once('.')?;
        let (header, claims) = message.split_once('.')?;
        let decoded = |part: &str| URL_SAFE_NO_PAD.decode(part).ok();
        let header: Header = serde_json::from_slice(&decoded(header)?).ok()?;
        let claims = serde_json::from_slice(&decoded(claims)?).ok()?;
        if header.crit.is_some() || !header.typ.as_deref().is_none_or(is_token) {
            return None;
        }
        Some(Self { header, claims, message: message.as_bytes(), signature: decoded(signature)? })
    }

    pub(super) fn issuer(&self) -> Option<&str> {
        self.claims.get("iss")?.as_str()
    }

    pub(super) fn algorithm(&self) -> Option<Algorithm> {
        self.header.alg.parse().ok()
    }

    pub(super) fn key_id(&self) -> Option<&str> {
        self.header.kid.as_deref().filter(|id| (1..=KEY_ID_BYTES).contains(&id.len()))
    }

    /// What is signed, and the signature.
    pub(super) fn signed(&self) -> (&[u8], &[u8]) {
        (self.message, &self.signature)
    }

    pub(super) fn claims(&self) -> &Map<String, Value> {
        &self.claims
    }
}

/// A token for reaching something, not one for logging out or the like.
fn is_token(typ: &str) -> bool {
    let typ = typ
        .get(.."application/".len())
        .filter(|p| p.eq_ignore_ascii_case("application/"))
        .map_or(typ, |p| &typ[p.len()..]);
    typ.eq_ignore_ascii_case("JWT") || typ.eq_ignore_ascii_case("at+jwt")
}
