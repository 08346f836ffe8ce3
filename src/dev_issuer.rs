//! `forebay dev` as an issuer of members' tokens: a key pair beside its data file, and what it signs. Nobody else takes
//! these tokens: no other process has the key, and a configuration that names the issuer is refused.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use chrono::{DateTime, Utc};
use forebay_api::member_tokens::{Algorithm, Issuer, KeySets, Mode, NoKeySet};
use forebay_domain::Ids;
use forebay_schemas::MemberId;
use ring::signature::{Ed25519KeyPair, KeyPair as _};
use secrecy::SecretString;
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::commands::people::write_private;
use crate::config::DEV_ISSUER;
use crate::exit::{CONFIGURATION, Exit};
use crate::members::Known;

/// For whom the tokens are.
const AUDIENCE: &str = "forebay";

/// The key pair, as it lies in its file (RFC 8037).
#[derive(Serialize, Deserialize)]
struct Jwk {
    kty: String,
    crv: String,
    kid: String,
    d: String,
    x: String,
}

/// The issuer of one data file.
pub(crate) struct DevIssuer {
    key_id: String,
    pair: Ed25519KeyPair,
}

impl std::fmt::Debug for DevIssuer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("DevIssuer").field("key_id", &self.key_id).finish_non_exhaustive()
    }
}

impl DevIssuer {
    /// Where the key pair of this data file lies.
    pub(crate) fn file(data: &Path) -> PathBuf {
        let mut name = data.as_os_str().to_owned();
        name.push(".members.jwk");
        PathBuf::from(name)
    }

    /// The issuer whose key pair lies in this file; none when there is no such file.
    pub(crate) fn read(file: &Path) -> Result<Option<Self>, Exit> {
        let text = match std::fs::read_to_string(file) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(Exit::new(CONFIGURATION, format!("{}: {error}", file.display()))),
        };
        let pair = || {
            let jwk: Jwk = serde_json::from_str(&text).ok()?;
            let (seed, public) = (URL_SAFE_NO_PAD.decode(&jwk.d).ok()?, URL_SAFE_NO_PAD.decode(&jwk.x).ok()?);
            let pair = Ed25519KeyPair::from_seed_and_public_key(&seed, &public).ok()?;
            Some(Self { key_id: jwk.kid, pair })
        };
        pair().map(Some).ok_or_else(|| {
            let text =
                format!("{} does not hold a key of `forebay dev`; remove it and start again", file.display());
            Exit::new(CONFIGURATION, text)
        })
    }

    /// The same; a new key pair, readable by its owner only, when there is no such file.
    pub(crate) fn read_or_make(file: &Path, ids: &dyn Ids) -> Result<Self, Exit> {
        if let Some(issuer) = Self::read(file)? {
            return Ok(issuer);
        }
        let seed: [u8; 32] = rand::random();
        let pair = Ed25519KeyPair::from_seed_unchecked(&seed).map_err(Exit::failed)?;
        let jwk = Jwk {
            kty: "OKP".to_owned(),
            crv: "Ed25519".to_owned(),
            kid: format!("dev-{}", ids.next().simple()),
            d: URL_SAFE_NO_PAD.encode(seed),
            x: URL_SAFE_NO_PAD.encode(pair.public_key()),
        };
        let text = serde_json::to_string_pretty(&jwk).map_err(Exit::failed)?;
        write_private(file, &SecretString::from(format!("{text}\n")))?;
        Ok(Self { key_id: jwk.kid, pair })
    }

    /// A token for a member.
    pub(crate) fn token(&self, member: &MemberId, now: DateTime<Utc>, life: Duration) -> SecretString {
        let now = now.timestamp();
        let header = json!({ "alg": Algorithm::EdDsa.as_str(), "kid": self.key_id, "typ": "JWT" });
        let claims = json!({
            "iss": DEV_ISSUER, "aud": AUDIENCE, "sub": member, "iat": now,
            "exp": now.saturating_add_unsigned(life.as_secs()),
        });
        let part = |json: serde_json::Value| URL_SAFE_NO_PAD.encode(json.to_string());
        let message = format!("{}.{}", part(header), part(claims));
        let signature = URL_SAFE_NO_PAD.encode(self.pair.sign(message.as_bytes()));
        SecretString::from(format!("{message}.{signature}"))
    }

    /// Takes its tokens.
    pub(crate) fn known(&self) -> Known {
        let issuer = Issuer {
            issuer: DEV_ISSUER.to_owned(),
            audiences: vec![AUDIENCE.to_owned()],
            mode: Mode::Standard,
            member_claim: "sub".to_owned(),
            algorithms: vec![Algorithm::EdDsa],
        };
        let key = json!({
            "kty": "OKP", "crv": "Ed25519", "use": "sig", "kid": self.key_id,
            "x": URL_SAFE_NO_PAD.encode(self.pair.public_key()),
        });
        (issuer, Arc::new(AtHand(json!({ "keys": [key] }).to_string())))
    }
}

/// A key set that need not be fetched.
#[derive(Debug)]
struct AtHand(String);

#[async_trait]
impl KeySets for AtHand {
    async fn fetch(&self) -> Result<Bytes, NoKeySet> {
        Ok(self.0.clone().into())
    }
}
