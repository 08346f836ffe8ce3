//! An issuer's keys (RFC 7517) and what they verify.

use std::fmt;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::signature::{
    ECDSA_P256_SHA256_FIXED, ED25519, RSA_PKCS1_2048_8192_SHA256, RsaPublicKeyComponents, UnparsedPublicKey,
};
use serde::Deserialize;
use serde_json::Value;

/// Most keys of one issuer that are kept.
const KEYS_MAX: usize = 100;
/// Bytes of a coordinate on the curve P-256.
const P256_BYTES: usize = 32;
/// Bytes of a public key of Ed25519.
const ED25519_BYTES: usize = 32;
/// What a point begins with that is given by both its coordinates.
const UNCOMPRESSED: u8 = 4;

/// The algorithms that there are: none with a shared secret, and not `none`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Algorithm {
    /// RSA (PKCS #1 1.5) with SHA-256.
    Rs256,
    /// ECDSA on P-256 with SHA-256.
    Es256,
    /// EdDSA: Ed25519.
    EdDsa,
}

impl Algorithm {
    /// Every algorithm.
    pub const ALL: &'static [Algorithm] = &[Self::Rs256, Self::Es256, Self::EdDsa];

    /// Its name in a token.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Rs256 => "RS256",
            Self::Es256 => "ES256",
            Self::EdDsa => "EdDSA",
        }
    }
}

impl fmt::Display for Algorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Not one of the algorithms.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NoAlgorithm;

impl fmt::Display for NoAlgorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("must be RS256, ES256 or EdDSA")
    }
}

impl std::error::Error for NoAlgorithm {}

impl FromStr for Algorithm {
    type Err = NoAlgorithm;
    fn from_str(name: &str) -> Result<Self, NoAlgorithm> {
        Self::ALL.iter().copied().find(|algorithm| algorithm.as_str() == name).ok_or(NoAlgorithm)
    }
}

/// A public key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Key {
    id: String,
    material: Material,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Material {
    Rsa { n: Vec<u8>, e: Vec<u8> },
    P256(Vec<u8>),
    Ed25519(Vec<u8>),
}

impl Key {
    /// It is a key for this algorithm.
    pub(super) fn is_for(&self, algorithm: Algorithm) -> bool {
        matches!(
            (&self.material, algorithm),
            (Material::Rsa { .. }, Algorithm::Rs256)
                | (Material::P256(_), Algorithm::Es256)
                | (Material::Ed25519(_), Algorithm::EdDsa)
        )
    }

    /// The message was signed with the private half of it.
    pub(super) fn verifies(&self, algorithm: Algorithm, message: &[u8], signature: &[u8]) -> bool {
        if !self.is_for(algorithm) {
            return false;
        }
        match &self.material {
            Material::Rsa { n, e } => {
                RsaPublicKeyComponents { n, e }.verify(&RSA_PKCS1_2048_8192_SHA256, message, signature)
            }
            Material::P256(point) => {
                UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point).verify(message, signature)
            }
            Material::Ed25519(key) => UnparsedPublicKey::new(&ED25519, key).verify(message, signature),
        }
        .is_ok()
    }
}

/// The keys of an issuer.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct KeySet(Vec<Key>);

impl KeySet {
    /// The keys in this document that can be used; none when it is no key set.
    pub(super) fn parse(json: &[u8]) -> Option<Self> {
        #[derive(Deserialize)]
        struct Document {
            keys: Vec<Value>,
        }
        let Document { keys } = serde_json::from_slice(json).ok()?;
        let keys = keys.into_iter().filter_map(|key| serde_json::from_value::<Jwk>(key).ok()?.key());
        Some(Self(keys.take(KEYS_MAX).collect()))
    }

    /// The keys of this id.
    pub(super) fn named(&self, id: &str) -> impl Iterator<Item = &Key> {
        self.0.iter().filter(move |key| key.id == id)
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }
}

/// How many keys of this document can be used; none when it is no key set.
#[must_use]
pub fn usable_keys(json: &[u8]) -> Option<usize> {
    KeySet::parse(json).map(|set| set.len())
}

/// A key, as it is published.
#[derive(Debug, Deserialize)]
struct Jwk {
    kty: String,
    kid: Option<String>,
    alg: Option<String>,
    r#use: Option<String>,
    key_ops: Option<Vec<String>>,
    crv: Option<String>,
    n: Option<String>,
    e: Option<String>,
    x: Option<String>,
    y: Option<String>,
}

impl Jwk {
    fn key(self) -> Option<Key> {
        let verifies = self.key_ops.as_ref().is_none_or(|ops| ops.iter().any(|op| op == "verify"));
        if !verifies || self.r#use.as_deref().is_some_and(|r#use| r#use != "sig") {
            return None;
        }
        let sized = |text: &Option<String>, bytes: usize| decoded(text).filter(|part| part.len() == bytes);
        let (algorithm, material) = match (self.kty.as_str(), self.crv.as_deref()) {
            // Some publish numbers with a zero byte before them.
            ("RSA", _) => (
                Algorithm::Rs256,
                Material::Rsa { n: trimmed(decoded(&self.n)?), e: trimmed(decoded(&self.e)?) },
            ),
            ("EC", Some("P-256")) => {
                let (x, y) = (sized(&self.x, P256_BYTES)?, sized(&self.y, P256_BYTES)?);
                (Algorithm::Es256, Material::P256([vec![UNCOMPRESSED], x, y].concat()))
            }
            ("OKP", Some("Ed25519")) => (Algorithm::EdDsa, Material::Ed25519(sized(&self.x, ED25519_BYTES)?)),
            _ => return None,
        };
        let named = self.alg.as_deref().is_none_or(|alg| alg == algorithm.as_str());
        // RFC 9864 gives EdDSA on this curve a name of its own.
        let named = named || (algorithm == Algorithm::EdDsa && self.alg.as_deref() == Some("Ed25519"));
        Some(Key { id: self.kid?, material }).filter(|_| named)
    }
}

fn decoded(text: &Option<String>) -> Option<Vec<u8>> {
    URL_SAFE_NO_PAD.decode(text.as_deref()?).ok()
}

fn trimmed(number: Vec<u8>) -> Vec<u8> {
    number.into_iter().skip_while(|byte| *byte == 0).collect()
}
