//! Signs what we send to the shop, after Standard Webhooks 1.0.0.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use chrono::{DateTime, Utc};
use hmac::{Hmac, KeyInit as _, Mac as _};
use secrecy::{ExposeSecret as _, SecretBox, SecretString};
use sha2::Sha256;

use crate::http::Call;

/// What a secret begins with.
const PREFIX: &str = "whsec_";
/// Fewest and most bytes of a secret, decoded.
const SECRET_BYTES: std::ops::RangeInclusive<usize> = 24..=64;
/// Most characters of a message's id.
const ID_CHARS: usize = 128;

/// A secret or an id that can't be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SignError {
    /// No secret was given.
    #[error("a webhook needs at least one secret")]
    NoSecret,
    /// The secret is not `whsec_` and base64.
    #[error("a webhook secret must be `whsec_` followed by base64")]
    NotBase64,
    /// The secret is too short or too long.
    #[error("a webhook secret must hold 24 to 64 bytes, this one holds {0}")]
    BadLength(usize),
    /// The id could be confused with the time stamp that follows it.
    #[error("a webhook message's id must be 1 to 128 visible ASCII characters without a full stop")]
    BadId,
}

/// The three headers of one signed message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedHeaders {
    /// `webhook-id`: the same over all tries of one message.
    pub id: String,
    /// `webhook-timestamp`: seconds since 1970, of this try.
    pub timestamp: String,
    /// `webhook-signature`: one signature for each secret, separated by spaces.
    pub signature: String,
}

impl SignedHeaders {
    /// Puts the headers on a call.
    #[must_use]
    pub fn on(&self, call: Call) -> Call {
        call.header("webhook-id", &self.id)
            .header("webhook-timestamp", &self.timestamp)
            .header("webhook-signature", &self.signature)
    }
}

/// Signs with one secret, or with two while one replaces the other.
pub struct Signer {
    secrets: Vec<SecretBox<Vec<u8>>>,
}

impl fmt::Debug for Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Signer").field("secrets", &self.secrets.len()).finish()
    }
}

impl Signer {
    /// Reads the secrets.
    ///
    /// # Errors
    /// [`SignError`] when there is none, or one is not well-formed or of the wrong length.
    pub fn new(secrets: &[SecretString]) -> Result<Self, SignError> {
        if secrets.is_empty() {
            return Err(SignError::NoSecret);
        }
        let secrets = secrets.iter().map(decoded).collect::<Result<_, _>>()?;
        Ok(Self { secrets })
    }

    /// Signs `id.timestamp.body`.
    ///
    /// # Errors
    /// [`SignError::BadId`] when the id could be read in two ways.
    pub fn sign(&self, id: &str, at: DateTime<Utc>, body: &[u8]) -> Result<SignedHeaders, SignError> {
        let visible = id.bytes().all(|b| (0x21..=0x7e).contains(&b) && b != b'.');
        if id.is_empty() || id.len() > ID_CHARS || !visible {
            return Err(SignError::BadId);
        }
        let timestamp = at.timestamp().to_string();
        let one = |secret: &SecretBox<Vec<u8>>| {
            let mut mac = Hmac::<Sha256>::new_from_slice(secret.expose_secret())
                .map_err(|_| SignError::BadLength(secret.expose_secret().len()))?;
            for part in [id.as_bytes(), b".", timestamp.as_bytes(), b".", body] {
                mac.update(part);
            }
            Ok(format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes())))
        };
        let signatures = self.secrets.iter().map(one).collect::<Result<Vec<_>, SignError>>()?;
        Ok(SignedHeaders { id: id.to_owned(), timestamp, signature: signatures.join(" ") })
    }
}

fn decoded(secret: &SecretString) -> Result<SecretBox<Vec<u8>>, SignError> {
    let text = secret.expose_secret().trim().strip_prefix(PREFIX).ok_or(SignError::NotBase64)?;
    let bytes = STANDARD.decode(text).map_err(|_| SignError::NotBase64)?;
    if !SECRET_BYTES.contains(&bytes.len()) {
        return Err(SignError::BadLength(bytes.len()));
    }
    Ok(SecretBox::new(Box::new(bytes)))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The vector that the specification's reference libraries test with.
    const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
    const SIGNATURE: &str = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=";

    fn signed(secrets: &[&str]) -> SignedHeaders {
        let secrets: Vec<SecretString> = secrets.iter().map(|s| SecretString::from(*s)).collect();
        let at = DateTime::from_timestamp(1_614_265_330, 0).unwrap();
        let signer = Signer::new(&secrets).unwrap();
        signer.sign("msg_p5jXN8AQM9LWM0D4loKWxJek", at, br#"{"test": 2432232314}"#).unwrap()
    }

    #[test]
    fn the_reference_vector_is_signed_as_the_reference_does() {
        let headers = signed(&[SECRET]);
        assert_eq!(headers.signature, SIGNATURE);
        assert_eq!(headers.timestamp, "1614265330");
    }

    #[test]
    fn two_secrets_give_two_signatures_so_that_one_can_replace_the_other() {
        let headers = signed(&[SECRET, "whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"]);
        let signatures: Vec<&str> = headers.signature.split(' ').collect();
        assert_eq!((signatures.len(), signatures[0]), (2, SIGNATURE));
        assert_ne!(signatures[1], SIGNATURE);
    }

    #[test]
    fn a_secret_that_protects_nothing_is_refused() {
        let refused = |text: &str| Signer::new(&[SecretString::from(text)]).unwrap_err();
        assert_eq!(refused("whsec_"), SignError::BadLength(0));
        assert_eq!(refused("whsec_c2hvcnQ="), SignError::BadLength(5));
        assert_eq!(refused("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"), SignError::NotBase64);
        assert_eq!(refused("whsec_not base64"), SignError::NotBase64);
        assert_eq!(Signer::new(&[]).unwrap_err(), SignError::NoSecret);
    }

    #[test]
    fn an_id_that_can_be_read_in_two_ways_is_refused() {
        let signer = Signer::new(&[SecretString::from(SECRET)]).unwrap();
        for id in ["", "a.1", "a b", "a\n"] {
            assert_eq!(signer.sign(id, DateTime::UNIX_EPOCH, b""), Err(SignError::BadId), "{id:?}");
        }
    }
}
