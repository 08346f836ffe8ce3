//! Tokens of OAuth 2.0's client credentials (RFC 6749, 4.4), one for the whole fleet.
//!
//! A token is kept in the process as long as it is young, and in the store for everybody. In a process one caller asks
//! the store while the others wait; over the fleet the store says who is to fetch. A refresh that fails leaves the old
//! token in use for as long as it is good.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use forebay_store::{Error, TokenState, Tokens};
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::Value;
use sha2::{Digest as _, Sha256};
use tokio::sync::Mutex;
use tokio::time::{Instant, sleep};
use url::Url;
use url::form_urlencoded::Serializer;

use crate::http::{Answer, Call, CallError, HttpClient};

/// How long who is to fetch has for it before another one is told to; also the pause after a fetch that failed.
const LEASE: Duration = Duration::from_secs(15);
/// The time for one fetch.
const FETCH_TIMEOUT: Duration = Duration::from_secs(10);
/// How long a caller waits for a token that another one fetches.
const WAIT_MAX: Duration = Duration::from_secs(12);
/// How often it looks.
const LOOK_EVERY: Duration = Duration::from_millis(200);
/// Longest time for which a process uses a token without asking the store.
const BELIEVED_MAX: Duration = Duration::from_secs(600);
/// The share of a token's life for which it is used without a look at the store.
const YOUNG: f64 = 0.5;
/// The life of a token of which nothing is said, and the longest that is believed.
const LIFE_UNSAID: Duration = Duration::from_secs(300);
const LIFE_MAX: Duration = Duration::from_secs(30 * 86_400);
/// A token that ends sooner is not used for a call.
const AT_LEAST: Duration = Duration::from_secs(1);
/// Two refused tokens within this long mean that it is not the tokens.
const REFUSED_AGAIN: Duration = Duration::from_secs(60);

/// Where the credentials stand in the question for a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Placed {
    /// In the form.
    InForm,
    /// In the header, as Basic authentication.
    InHeader,
}

/// How one system gives tokens.
#[derive(Debug, Clone)]
pub struct TokenOptions {
    /// The system's name, the same for every worker, e.g. `carrier/fedex`.
    pub key: String,
    /// Where tokens are given.
    pub url: Url,
    /// The public half of the credentials.
    pub client_id: String,
    /// The secret half.
    pub secret: SecretString,
    /// Where they stand.
    pub placed: Placed,
    /// How long to leave the system alone that refuses with 403 or 429 without saying for how long.
    pub pause: Duration,
}

/// No token.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TokenFault {
    /// The credentials are refused. A person has to mend them.
    #[error("no token: the credentials are refused (status {0})")]
    Credentials(u16),
    /// The system wants to be left alone.
    #[error("no token: too many were asked for")]
    Shut {
        /// For so long.
        pause: Duration,
    },
    /// The call failed.
    #[error("no token: {0}")]
    Call(#[from] CallError),
    /// The system failed.
    #[error("no token: status {0}")]
    Failed(u16),
    /// The answer holds none.
    #[error("no token: the answer can't be read")]
    Unreadable,
    /// Another process fetches one, and has not brought it.
    #[error("no token yet: another process fetches one")]
    Waited,
    /// The store failed.
    #[error("no token: {0}")]
    Store(#[from] Error),
}

/// Where tokens are shared. Cheap to clone.
#[derive(Clone)]
pub struct TokenDesk {
    http: HttpClient,
    store: Arc<dyn Tokens + Send + Sync>,
}

impl fmt::Debug for TokenDesk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TokenDesk").finish_non_exhaustive()
    }
}

impl TokenDesk {
    /// Fetches with this client, shares through this store.
    #[must_use]
    pub fn new(http: HttpClient, store: Arc<dyn Tokens + Send + Sync>) -> Self {
        Self { http, store }
    }

    /// The tokens of one system.
    #[must_use]
    pub fn source(&self, options: TokenOptions) -> TokenSource {
        TokenSource(Arc::new(Inner { desk: self.clone(), options, held: Mutex::default() }))
    }
}

/// The tokens of one system. Cheap to clone; clones share.
#[derive(Clone)]
pub struct TokenSource(Arc<Inner>);

struct Inner {
    desk: TokenDesk,
    options: TokenOptions,
    held: Mutex<Held>,
}

#[derive(Default)]
struct Held {
    kept: Option<Kept>,
    refused_at: Option<Instant>,
    /// The last fetch that failed, and when: whoever waited for it need not try for themselves.
    failed: Option<(Instant, TokenFault)>,
}

struct Kept {
    token: SecretString,
    /// Until then nobody asks the store about it.
    young_until: Instant,
    /// Until then it is good.
    good_until: Instant,
}

/// Neither the token nor the credentials.
impl fmt::Debug for TokenSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TokenSource").field("key", &self.0.options.key).finish_non_exhaustive()
    }
}

impl TokenSource {
    /// A token that is good as far as anybody knows.
    ///
    /// # Errors
    /// [`TokenFault`].
    pub async fn token(&self) -> Result<SecretString, TokenFault> {
        let Inner { desk, options, held } = self.0.as_ref();
        let begun = Instant::now();
        // One of the process asks, the others wait here.
        let mut held = held.lock().await;
        if let Some((_, fault)) = held.failed.as_ref().filter(|(at, _)| *at >= begun) {
            return Err(fault.clone());
        }
        loop {
            let young = held.kept.as_ref().filter(|kept| kept.young_until > Instant::now());
            if let Some(kept) = young {
                return Ok(kept.token.clone());
            }
            let (token, life) = match desk.store.token(&options.row(), LEASE).await? {
                TokenState::Held { token, left, refresh_due: false } => (token, left),
                TokenState::Held { token, left, refresh_due: true } => match self.fetch().await {
                    Ok(fresh) => fresh,
                    Err(fault) => {
                        tracing::warn!(key = %options.key, %fault, "the old token is used on");
                        (token, left)
                    }
                },
                TokenState::Lease => match self.fetch().await {
                    Ok(fresh) => fresh,
                    Err(fault) => {
                        held.failed = Some((Instant::now(), fault.clone()));
                        return Err(fault);
                    }
                },
                TokenState::Wait(_) if begun.elapsed() > WAIT_MAX => return Err(TokenFault::Waited),
                TokenState::Wait(left) => {
                    sleep(left.clamp(Duration::from_millis(10), LOOK_EVERY)).await;
                    continue;
                }
            };
            let now = Instant::now();
            let young_until = now + life.mul_f64(YOUNG).min(BELIEVED_MAX);
            held.kept = Some(Kept { token: token.clone(), young_until, good_until: now + life });
            return Ok(token);
        }
    }

    /// The token for a call that is to be made now, [`TokenSource::token`] having been asked for before it: one that is
    /// good still, if it is here, without asking anybody.
    ///
    /// # Errors
    /// [`TokenFault`].
    pub async fn at_hand(&self) -> Result<SecretString, TokenFault> {
        {
            let held = self.0.held.lock().await;
            let good = held.kept.as_ref().filter(|kept| kept.good_until > Instant::now() + AT_LEAST);
            if let Some(kept) = good {
                return Ok(kept.token.clone());
            }
        }
        self.token().await
    }

    /// The system refused this token: it is used no more, by nobody. `false` when one was refused only just now, so
    /// that it is not the token but the credentials.
    pub async fn refused(&self, token: &SecretString) -> bool {
        let Inner { desk, options, held } = self.0.as_ref();
        let mut held = held.lock().await;
        let is_mine = |kept: &Kept| kept.token.expose_secret() == token.expose_secret();
        let mut hopeful = true;
        // Calls that were under way with the same token tell nothing new.
        if held.kept.as_ref().is_some_and(is_mine) {
            held.kept = None;
            hopeful = held.refused_at.is_none_or(|at| at.elapsed() > REFUSED_AGAIN);
            held.refused_at = Some(Instant::now());
        }
        if let Err(error) = desk.store.drop_token(&options.row(), token).await {
            tracing::warn!(key = %options.key, %error, "a refused token could not be dropped for the fleet");
        }
        hopeful
    }

    async fn fetch(&self) -> Result<(SecretString, Duration), TokenFault> {
        let Inner { desk, options, .. } = self.0.as_ref();
        let answer = desk.http.call(&options.question()).await?;
        let (token, life) = read(&answer, options.pause)?;
        // The token is good, even if the others can't be told.
        if let Err(error) = desk.store.keep_token(&options.row(), &token, life).await {
            tracing::warn!(key = %options.key, %error, "a token could not be shared");
        }
        Ok((token, life))
    }
}

impl TokenOptions {
    /// What the token is kept under: one that was had with other credentials, or elsewhere, is another token.
    fn row(&self) -> String {
        let had = [self.url.as_str(), self.client_id.trim(), self.secret.expose_secret().trim()];
        let digest = Sha256::digest(had.join("\n"));
        let digest: String = digest.iter().take(8).map(|byte| format!("{byte:02x}")).collect();
        format!("{}/{digest}", self.key)
    }

    fn question(&self) -> Call {
        let mut form = Serializer::new(String::new());
        form.append_pair("grant_type", "client_credentials");
        if self.placed == Placed::InForm {
            form.append_pair("client_id", self.client_id.trim());
            form.append_pair("client_secret", self.secret.expose_secret().trim());
        }
        let form = form.finish();
        let call = Call::post(self.key.clone(), self.url.clone(), "application/x-www-form-urlencoded", form)
            .header("accept", "application/json")
            .timeout(FETCH_TIMEOUT);
        match self.placed {
            Placed::InForm => call,
            Placed::InHeader => {
                let both = format!("{}:{}", self.client_id.trim(), self.secret.expose_secret().trim());
                call.header("authorization", &format!("Basic {}", STANDARD.encode(both)))
            }
        }
    }
}

fn read(answer: &Answer, pause: Duration) -> Result<(SecretString, Duration), TokenFault> {
    match answer.status {
        200..300 => {}
        403 | 429 => return Err(TokenFault::Shut { pause: answer.retry_after.unwrap_or(pause) }),
        status @ (400 | 401) => return Err(TokenFault::Credentials(status)),
        status => return Err(TokenFault::Failed(status)),
    }
    let json: Value = serde_json::from_slice(&answer.body).map_err(|_| TokenFault::Unreadable)?;
    let token = json.get("access_token").and_then(Value::as_str).map(str::trim);
    let token = token.filter(|t| !t.is_empty() && t.bytes().all(|b| b.is_ascii_graphic()));
    let token = SecretString::from(token.ok_or(TokenFault::Unreadable)?);
    // Seconds, as a number or as text.
    let seconds = json.get("expires_in").and_then(|value| match value {
        Value::Number(number) => number.as_u64(),
        Value::String(text) => text.trim().parse().ok(),
        _ => None,
    });
    Ok((token, seconds.map_or(LIFE_UNSAID, Duration::from_secs).min(LIFE_MAX)))
}
