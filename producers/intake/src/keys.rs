//! API keys: `fbk_<12 characters of id>_<43 characters of secret>`, both base62.
//!
//! Configuration holds the id, the SHA-256 of the secret and the scopes, never the secret. Any number of keys are
//! valid at once, so that one can be replaced without a gap.

use std::collections::HashMap;
use std::fmt;
use std::str::FromStr;

use axum::http::{HeaderMap, HeaderValue, header};
use secrecy::SecretString;
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq;

use crate::problem::{Kind, Problem};

/// What every key begins with.
const PREFIX: &str = "fbk_";
const ID_CHARS: usize = 12;
/// 256 bits in base 62.
const SECRET_CHARS: usize = 43;
const BASE62: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// What a key may do: a machine's scope, or the role of a person.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Scope {
    /// Send the storefront's events.
    EventsWrite,
    /// Check in and claim for members.
    MembersAct,
    /// Read everything but secrets and bodies of messages.
    Viewer,
    /// What a warehouse does: have a parcel asked about, a result sent again, a prize shipped.
    Warehouse,
    /// What an event manager does: programmes, stock, check-ins, claims, points, members.
    EventManager,
    /// What an operator does: queues, workers, carriers, dead letters, incidents.
    Operator,
    /// Everything that people do, erasing included.
    Admin,
}

impl Scope {
    /// Every scope.
    pub const ALL: &'static [Scope] = &[
        Self::EventsWrite,
        Self::MembersAct,
        Self::Viewer,
        Self::Warehouse,
        Self::EventManager,
        Self::Operator,
        Self::Admin,
    ];

    /// The scope's word.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::EventsWrite => "events:write",
            Self::MembersAct => "members:act",
            Self::Viewer => "viewer",
            Self::Warehouse => "warehouse",
            Self::EventManager => "event-manager",
            Self::Operator => "operator",
            Self::Admin => "admin",
        }
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Scope {
    type Err = KeyFault;
    fn from_str(word: &str) -> Result<Self, KeyFault> {
        // What machines that only read are given is the viewer's.
        if word == "reports:read" {
            return Ok(Self::Viewer);
        }
        Self::ALL.iter().copied().find(|scope| scope.as_str() == word).ok_or(KeyFault::Scope)
    }
}

/// What is wrong with a configured key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KeyFault {
    /// The id.
    #[error("a key's id must be 12 characters of A-Z, a-z and 0-9")]
    Id,
    /// The hash.
    #[error("a key's sha256 must be the SHA-256 of its secret as 64 hexadecimal digits")]
    Hash,
    /// A scope.
    #[error(
        "a key's scopes must be of events:write, members:act, viewer, warehouse, event-manager, operator and admin"
    )]
    Scope,
    /// No scope.
    #[error("key {0} has no scope, so that it could do nothing")]
    NoScope(String),
    /// Two keys of one id.
    #[error("key {0} is there twice")]
    Twice(String),
}

/// One key, as configured.
#[derive(Clone, PartialEq, Eq)]
pub struct ApiKey {
    id: String,
    secret_sha256: [u8; 32],
    scopes: Vec<Scope>,
}

impl fmt::Debug for ApiKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ApiKey").field("id", &self.id).field("scopes", &self.scopes).finish_non_exhaustive()
    }
}

impl ApiKey {
    /// A key from its id, the SHA-256 of its secret in hexadecimal digits, and its scopes.
    ///
    /// # Errors
    /// The [`KeyFault`].
    pub fn new(
        id: &str,
        secret_sha256: &str,
        scopes: impl IntoIterator<Item = Scope>,
    ) -> Result<Self, KeyFault> {
        if !base62(id, ID_CHARS) {
            return Err(KeyFault::Id);
        }
        let secret_sha256 = unhex(secret_sha256).ok_or(KeyFault::Hash)?;
        let mut scopes: Vec<Scope> = scopes.into_iter().collect();
        scopes.sort();
        scopes.dedup();
        if scopes.is_empty() {
            return Err(KeyFault::NoScope(id.to_owned()));
        }
        Ok(Self { id: id.to_owned(), secret_sha256, scopes })
    }

    /// A new key made of 44 random bytes, and the text to hand out once.
    #[must_use]
    pub fn mint(entropy: &[u8; 44], scopes: &[Scope]) -> (SecretString, Self) {
        let (id, secret) = entropy.split_at(12);
        let id: String = id.iter().map(|b| char::from(BASE62[usize::from(*b) % 62])).collect();
        let secret = to_base62(secret);
        let key = Self {
            secret_sha256: Sha256::digest(secret.as_bytes()).into(),
            scopes: scopes.to_vec(),
            id: id.clone(),
        };
        (format!("{PREFIX}{id}_{secret}").into(), key)
    }

    /// The key's id, which is no secret.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The SHA-256 of the key's secret in hexadecimal digits, as it stands in the configuration.
    #[must_use]
    pub fn secret_sha256(&self) -> String {
        self.secret_sha256.iter().map(|b| format!("{b:02x}")).collect()
    }

    /// What the key may do.
    #[must_use]
    pub fn scopes(&self) -> &[Scope] {
        &self.scopes
    }
}

/// Who calls: a key that was checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Principal {
    /// The key's id.
    pub key_id: String,
    /// What it may do.
    pub scopes: Vec<Scope>,
}

impl Principal {
    /// The key has this scope.
    #[must_use]
    pub fn may(&self, scope: Scope) -> bool {
        self.scopes.contains(&scope)
    }

    /// Requires one of these scopes.
    ///
    /// # Errors
    /// A problem 403 that names them.
    pub fn require(&self, one_of: &[Scope]) -> Result<(), Problem> {
        if one_of.iter().any(|scope| self.may(*scope)) {
            return Ok(());
        }
        let words: Vec<&str> = one_of.iter().map(|scope| scope.as_str()).collect();
        tracing::warn!(key = self.key_id, needed = words.join(" or "), "a key lacks the scope");
        let detail = format!("The key needs the scope {}.", words.join(" or "));
        let challenge = format!("Bearer error=\"insufficient_scope\", scope=\"{}\"", words.join(" "));
        let challenge = HeaderValue::try_from(challenge).unwrap_or(HeaderValue::from_static("Bearer"));
        Err(Problem::new(Kind::InsufficientScope, detail).header(header::WWW_AUTHENTICATE, challenge))
    }
}

/// All keys that are valid at present.
#[derive(Debug, Default)]
pub struct KeyRing {
    keys: HashMap<String, ApiKey>,
}

impl KeyRing {
    /// A ring of these keys.
    ///
    /// # Errors
    /// [`KeyFault::Twice`] when two have one id.
    pub fn new(keys: impl IntoIterator<Item = ApiKey>) -> Result<Self, KeyFault> {
        let mut ring = HashMap::new();
        for key in keys {
            if let Some(before) = ring.insert(key.id.clone(), key) {
                return Err(KeyFault::Twice(before.id));
            }
        }
        Ok(Self { keys: ring })
    }

    /// Checks the request's key.
    ///
    /// # Errors
    /// A problem 401 with `WWW-Authenticate`, the same for an unknown id and for a wrong secret.
    pub fn authenticate(&self, headers: &HeaderMap) -> Result<Principal, Problem> {
        let mut given = headers.get_all(header::AUTHORIZATION).iter();
        let (Some(value), None) = (given.next(), given.next()) else {
            return Err(unauthorized(
                "Send the key once, as `Authorization: Bearer fbk_…`.",
                "Bearer realm=\"forebay\"",
            ));
        };
        self.verify(value.as_bytes()).ok_or_else(|| {
            tracing::warn!("a request came with a key that is not known");
            unauthorized("The key is not known.", "Bearer realm=\"forebay\", error=\"invalid_token\"")
        })
    }

    fn verify(&self, authorization: &[u8]) -> Option<Principal> {
        let text = std::str::from_utf8(authorization).ok()?;
        let (scheme, token) = text.split_once(' ')?;
        let (id, secret) = token.trim().strip_prefix(PREFIX)?.split_once('_')?;
        if !scheme.eq_ignore_ascii_case("bearer") || !base62(id, ID_CHARS) || !base62(secret, SECRET_CHARS) {
            return None;
        }
        let digest: [u8; 32] = Sha256::digest(secret.as_bytes()).into();
        let key = self.keys.get(id);
        // An unknown id costs the same as a wrong secret, so that ids can't be found out by the clock.
        let expected = key.map_or(&[0; 32], |key| &key.secret_sha256);
        let same = bool::from(digest.ct_eq(expected));
        let key = key.filter(|_| same)?;
        Some(Principal { key_id: key.id.clone(), scopes: key.scopes.clone() })
    }
}

fn unauthorized(detail: &str, challenge: &'static str) -> Problem {
    let challenge = HeaderValue::from_static(challenge);
    Problem::new(Kind::InvalidKey, detail).header(header::WWW_AUTHENTICATE, challenge)
}

fn base62(text: &str, chars: usize) -> bool {
    text.len() == chars && text.bytes().all(|b| b.is_ascii_alphanumeric())
}

/// Writes 32 bytes as 43 digits of base 62, most significant first.
fn to_base62(bytes: &[u8]) -> String {
    let mut number = bytes.to_vec();
    let mut digits = vec![b'0'; SECRET_CHARS];
    for digit in digits.iter_mut().rev() {
        let mut rest = 0u32;
        for byte in &mut number {
            let value = rest * 256 + u32::from(*byte);
            *byte = (value / 62) as u8;
            rest = value % 62;
        }
        *digit = BASE62[rest as usize];
    }
    digits.into_iter().map(char::from).collect()
}

fn unhex(text: &str) -> Option<[u8; 32]> {
    let mut bytes = [0; 32];
    if text.len() != 64 || !text.is_ascii() {
        return None;
    }
    for (i, byte) in bytes.iter_mut().enumerate() {
        *byte = u8::from_str_radix(&text[2 * i..2 * i + 2], 16).ok()?;
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret;

    use super::*;

    fn ask(ring: &KeyRing, token: &str) -> Result<Principal, Problem> {
        let mut headers = HeaderMap::new();
        headers.insert(header::AUTHORIZATION, HeaderValue::from_str(token).unwrap());
        ring.authenticate(&headers)
    }

    #[test]
    fn a_minted_key_opens_and_two_keys_are_valid_at_once() {
        let (old_text, old) = ApiKey::mint(&[7; 44], &[Scope::Admin]);
        let (new_text, new) = ApiKey::mint(&[9; 44], &[Scope::EventsWrite]);
        let ring = KeyRing::new([old, new]).unwrap();
        let old = ask(&ring, &format!("Bearer {}", old_text.expose_secret())).unwrap();
        let new = ask(&ring, &format!("bearer {}", new_text.expose_secret())).unwrap();
        assert!(old.may(Scope::Admin) && !old.may(Scope::EventsWrite));
        assert!(new.may(Scope::EventsWrite) && !new.may(Scope::Admin));
    }

    #[test]
    fn a_key_reads_back_from_what_the_configuration_holds() {
        let (_, key) = ApiKey::mint(&[3; 44], &[Scope::Admin]);
        assert_eq!(ApiKey::new(key.id(), &key.secret_sha256(), [Scope::Admin]), Ok(key));
    }

    #[test]
    fn a_key_that_is_wrong_in_any_part_opens_nothing() {
        let (text, key) = ApiKey::mint(&[7; 44], &[Scope::Admin]);
        let (stranger, _) = ApiKey::mint(&[8; 44], &[Scope::Admin]);
        let ring = KeyRing::new([key]).unwrap();
        let text = text.expose_secret();
        let wrong_secret = format!("{}{}", &text[..text.len() - 1], "0");
        for token in [
            text.to_owned(),
            format!("Basic {text}"),
            format!("Bearer {wrong_secret}"),
            format!("Bearer {}", stranger.expose_secret()),
            format!("Bearer {text}x"),
            "Bearer".to_owned(),
            "Bearer fbk__".to_owned(),
            format!("Bearer fbk_{}_{}", "A".repeat(12), "0".repeat(43)),
        ] {
            assert!(ask(&ring, &token).is_err(), "{token} was taken");
        }
    }

    #[test]
    fn a_key_never_shows_its_hash_when_printed() {
        let (_, key) = ApiKey::mint(&[3; 44], &[Scope::Admin]);
        assert!(!format!("{key:?}").contains(&key.secret_sha256()[..8]));
    }

    #[test]
    fn faults_of_configured_keys_are_told_apart() {
        let hash = "0".repeat(64);
        assert_eq!(ApiKey::new("short", &hash, [Scope::Admin]), Err(KeyFault::Id));
        assert_eq!(ApiKey::new("abcdefghijkl", "zz", [Scope::Admin]), Err(KeyFault::Hash));
        assert!(matches!(ApiKey::new("abcdefghijkl", &hash, []), Err(KeyFault::NoScope(_))));
        let key = ApiKey::new("abcdefghijkl", &hash, [Scope::Admin]).unwrap();
        assert!(matches!(KeyRing::new([key.clone(), key]), Err(KeyFault::Twice(_))));
        assert_eq!("events:read".parse::<Scope>(), Err(KeyFault::Scope));
    }
}
