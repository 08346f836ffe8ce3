//! Members, known by a JSON Web Token of the shop's own identity provider.
//!
//! The signature is checked by `ring`, which the house has anyway; what a token claims is checked here, on the clock
//! that the whole process uses. A token is never written anywhere.

mod claims;
mod jwks;
mod keys;
mod token;

use std::collections::HashMap;
use std::sync::Arc;

use axum::http::{HeaderMap, HeaderValue, header};
use forebay_domain::Clock;
use forebay_intake::{Kind, Problem};
use forebay_schemas::MemberId;

pub use self::jwks::{Algorithm, usable_keys};
pub use self::keys::{KeySets, NoKeySet};
use self::keys::{Keys, Missing};
use self::token::Token;

/// Longest token, in bytes. Providers that put permissions into them make some of 2 to 4 KiB.
const TOKEN_BYTES: usize = 8 * 1024;
/// What keys of ours begin with; whatever else is sent in their place is taken for a token.
const KEY_PREFIX: &str = "fbk_";

/// Which claim tells for whom a token was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// `aud`, as RFC 7519 has it.
    Standard,
    /// An access token of Amazon Cognito: `client_id`, with `token_use` `access`.
    CognitoAccess,
}

/// Whose tokens are taken, and which of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Issuer {
    /// The claim `iss`, to the letter.
    pub issuer: String,
    /// The audiences of which a token must name one.
    pub audiences: Vec<String>,
    /// Where they stand in the token.
    pub mode: Mode,
    /// The claim that holds the member's id.
    pub member_claim: String,
    /// The algorithms that are taken.
    pub algorithms: Vec<Algorithm>,
}

/// Why a token is not taken: a word for the log, never for the caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    Malformed,
    Issuer,
    Algorithm,
    UnknownKey,
    Signature,
    Times,
    Expired,
    NotYet,
    TooOld,
    Audience,
    Member,
}

/// What became of a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Refused {
    /// It is not good.
    Token(Fault),
    /// It can't be told: the issuer's keys are not to be had.
    NoKeys,
}

impl From<Fault> for Refused {
    fn from(fault: Fault) -> Self {
        Self::Token(fault)
    }
}

/// Knows members by their tokens.
#[derive(Debug)]
pub struct MemberTokens {
    issuers: HashMap<String, (Issuer, Keys)>,
    clock: Arc<dyn Clock>,
}

impl MemberTokens {
    /// Takes the tokens of these issuers, whose keys come from there.
    pub fn new(issuers: impl IntoIterator<Item = (Issuer, Arc<dyn KeySets>)>, clock: Arc<dyn Clock>) -> Self {
        let keyed = |(issuer, source): (Issuer, Arc<dyn KeySets>)| {
            let keys = Keys::new(issuer.issuer.clone(), source, Arc::clone(&clock));
            (issuer.issuer.clone(), (issuer, keys))
        };
        Self { issuers: issuers.into_iter().map(keyed).collect(), clock: Arc::clone(&clock) }
    }

    /// Takes nobody's tokens.
    #[must_use]
    pub fn none(clock: Arc<dyn Clock>) -> Self {
        Self { issuers: HashMap::new(), clock }
    }

    /// Whether the keys are to be had.
    #[must_use]
    pub fn health(&self) -> KeyHealth {
        KeyHealth(self.issuers.iter().map(|(issuer, (_, keys))| (issuer.clone(), keys.clone())).collect())
    }

    /// The member of these headers; none when they hold no token.
    pub(crate) async fn member(&self, headers: &HeaderMap) -> Option<Result<MemberId, Problem>> {
        let token = bearer(headers).filter(|_| !self.issuers.is_empty())?;
        Some(match self.verify(token).await {
            Ok(member) => Ok(member),
            Err(Refused::Token(fault)) => {
                tracing::warn!(?fault, "a member's token is not taken");
                let challenge = HeaderValue::from_static("Bearer error=\"invalid_token\"");
                let detail = "The token is not one of this shop's members, or no longer.";
                Err(Problem::new(Kind::InvalidToken, detail).header(header::WWW_AUTHENTICATE, challenge))
            }
            Err(Refused::NoKeys) => {
                let detail = "The keys that members' tokens are checked with are not to be had; try again.";
                Err(Problem::new(Kind::ReducedCapacity, detail))
            }
        })
    }

    async fn verify(&self, text: &str) -> Result<MemberId, Refused> {
        if text.len() > TOKEN_BYTES {
            return Err(Fault::Malformed.into());
        }
        let token = Token::parse(text).ok_or(Fault::Malformed)?;
        let (issuer, keys) = token.issuer().and_then(|iss| self.issuers.get(iss)).ok_or(Fault::Issuer)?;
        let algorithm =
            token.algorithm().filter(|a| issuer.algorithms.contains(a)).ok_or(Fault::Algorithm)?;
        let key_id = token.key_id().ok_or(Fault::UnknownKey)?;
        let set = keys.with(key_id).await.map_err(|missing| match missing {
            Missing::Unknown => Refused::Token(Fault::UnknownKey),
            Missing::Unavailable => Refused::NoKeys,
        })?;
        // A key of another kind under the same name is none for this token.
        if !set.named(key_id).any(|key| key.is_for(algorithm)) {
            return Err(Fault::Algorithm.into());
        }
        let (message, signature) = token.signed();
        if !set.named(key_id).any(|key| key.verifies(algorithm, message, signature)) {
            return Err(Fault::Signature.into());
        }
        Ok(claims::member(token.claims(), issuer, self.clock.now())?)
    }
}

/// Whether the issuers' keys are to be had, for who watches that. Cheap to clone.
#[derive(Debug, Clone)]
pub struct KeyHealth(Vec<(String, Keys)>);

impl KeyHealth {
    /// The issuers whose keys could not be fetched the last time, and what is used instead, in words.
    #[must_use]
    pub fn failing(&self) -> Vec<(String, String)> {
        let told = |age: Option<i64>| match age {
            Some(s) => format!("keys that were fetched {s} s ago are used"),
            None => "there are no keys from before".to_owned(),
        };
        self.0.iter().filter_map(|(issuer, keys)| Some((issuer.clone(), told(keys.failing()?)))).collect()
    }
}

/// The token in these headers: there is one header, and it holds no key of ours.
fn bearer(headers: &HeaderMap) -> Option<&str> {
    let mut given = headers.get_all(header::AUTHORIZATION).iter();
    let (Some(value), None) = (given.next(), given.next()) else { return None };
    let (scheme, token) = value.to_str().ok()?.split_once(' ')?;
    let token = token.trim();
    (scheme.eq_ignore_ascii_case("bearer") && !token.starts_with(KEY_PREFIX)).then_some(token)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Texts that look more and more like tokens.
    fn tokens() -> impl Strategy<Value = String> {
        let json = prop_oneof![
            ".*",
            Just("{}".to_owned()),
            Just("[]".to_owned()),
            "\\{\"alg\":\"(RS256|ES256|EdDSA|none|HS256)\",\"kid\":\".{0,300}\",\"typ\":\".{0,20}\"\\}",
            "\\{\"iss\":\"i\",\"exp\":-?[0-9]{1,400},\"iat\":[0-9.e]{1,9}\\}",
        ];
        let part = prop_oneof![
            ".*",
            "[A-Za-z0-9_-]*",
            json.prop_map(|json| {
                use base64::Engine as _;
                base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(json)
            }),
        ];
        prop_oneof![".*", proptest::collection::vec(part, 0..5).prop_map(|parts| parts.join("."))]
    }

    proptest! {
        #[test]
        fn no_text_whatever_breaks_the_reader_of_tokens(text in tokens()) {
            if let Some(token) = Token::parse(&text) {
                let _ = (token.issuer(), token.algorithm(), token.key_id(), token.signed());
                let issuer = Issuer {
                    issuer: "i".to_owned(),
                    audiences: Vec::new(),
                    mode: Mode::Standard,
                    member_claim: "sub".to_owned(),
                    algorithms: Vec::new(),
                };
                prop_assert!(claims::member(token.claims(), &issuer, chrono::DateTime::UNIX_EPOCH).is_err());
            }
        }

        #[test]
        fn no_document_whatever_breaks_the_reader_of_keys(
            text in prop_oneof![
                ".*",
                "\\{\"keys\":\\[\\{\"kty\":\"(RSA|EC|OKP|oct)\",\"kid\":\"a\",\"crv\":\"(P-256|Ed25519)\",\
                 \"n\":\"[A-Za-z0-9_-]{0,700}\",\"e\":\"[A-Za-z0-9_-]{0,9}\",\"x\":\"[A-Za-z0-9_-]{0,50}\",\
                 \"y\":\"[A-Za-z0-9_-]{0,50}\"\\}\\]\\}",
            ],
            signature in proptest::collection::vec(any::<u8>(), 0..300),
        ) {
            for key in jwks::KeySet::parse(text.as_bytes()).iter().flat_map(|set| set.named("a")) {
                for algorithm in Algorithm::ALL {
                    prop_assert!(!key.verifies(*algorithm, b"message", &signature));
                }
            }
        }
    }
}
