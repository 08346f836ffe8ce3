//! Slack: an incoming webhook, or a bot that can also update and answer its messages.

mod answers;
mod find;

use std::fmt;
use std::num::NonZeroU32;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use forebay_domain::incident::SlackRef;
use governor::{DefaultDirectRateLimiter, Quota};
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::{Value, json};
use tokio::time::{Instant, timeout};
use url::Url;

use crate::http::{Answer, Call, CallError, HttpClient};

/// The label under which calls are counted.
const SYSTEM: &str = "slack";
/// A channel takes about one message a second; a caller waits at most this long for its turn.
const TURN_WAIT: Duration = Duration::from_secs(3);
/// How long Slack is left alone after a 429 that does not say.
const RATE_LIMITED_FOR: Duration = Duration::from_secs(30);
/// Most characters of the fall-back text that are sent; Slack recommends this and cuts at 40,000.
const TEXT_CHARS: usize = 4000;
/// Most blocks of one message.
const BLOCKS_MAX: usize = 50;

/// Where messages go.
#[derive(Debug, Clone)]
pub enum SlackSink {
    /// An incoming webhook of one channel. Its address is a secret. It can't change what it sent.
    Webhook {
        /// The whole address.
        url: SecretString,
    },
    /// A bot with the scope `chat:write`; with `channels:history` it finds again what it sent before a crash.
    Bot {
        /// The bot's token (`xoxb-…`).
        token: SecretString,
        /// The channel's id.
        channel: String,
        /// The API's address: `https://slack.com/api/`, with the slash.
        api_base: Url,
    },
}

/// One message.
#[derive(Debug, Clone, PartialEq)]
pub struct SlackMessage {
    /// For notifications and screen readers. Must not be empty; cut at 4,000 characters.
    pub text: String,
    /// Block Kit blocks, at most 50. Text from outside must be escaped already ([`escape`]).
    pub blocks: Vec<Value>,
    /// By what it can be found again ([`Slack::find`]); empty when it is not looked for.
    pub mark: String,
}

/// Why a message was not taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SlackError {
    /// Slack, or our own pace, wants us to wait.
    #[error("Slack takes no message for {after:?}")]
    RateLimited {
        /// For how long.
        after: Duration,
    },
    /// It may work later. It may even have arrived.
    #[error("Slack failed: {0}")]
    Transient(String),
    /// It will not work until somebody mends it.
    #[error("Slack refused the message ({code}): {advice}")]
    Permanent {
        /// Slack's word for it, or ours.
        code: String,
        /// What to do.
        advice: &'static str,
    },
}

/// Replaces the three characters with which Slack's markup begins a mention or a link.
#[must_use]
pub fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

/// A channel of Slack.
pub struct Slack {
    http: HttpClient,
    sink: SlackSink,
    pace: DefaultDirectRateLimiter,
    quiet_until: Mutex<Option<Instant>>,
}

impl fmt::Debug for Slack {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Slack").field("sink", &self.sink).finish_non_exhaustive()
    }
}

impl Slack {
    /// Sends to this sink through this client, which must allow the sink's host.
    #[must_use]
    pub fn new(http: HttpClient, sink: SlackSink) -> Self {
        let pace = DefaultDirectRateLimiter::direct(Quota::per_second(NonZeroU32::MIN));
        Self { http, sink, pace, quiet_until: Mutex::new(None) }
    }

    /// Sends a message, or puts it in the place of an earlier one where the sink can. Returns the message's place
    /// when the sink tells it. Where the earlier message can't be changed any more, a new one is sent.
    ///
    /// # Errors
    /// [`SlackError`].
    pub async fn send(
        &self,
        message: &SlackMessage,
        update: Option<&SlackRef>,
    ) -> Result<Option<SlackRef>, SlackError> {
        let Some(earlier) = update.filter(|_| matches!(self.sink, SlackSink::Bot { .. })) else {
            return self.deliver("chat.postMessage", message, &[]).await;
        };
        let place = [("channel", json!(earlier.channel)), ("ts", json!(earlier.ts))];
        match self.deliver("chat.update", message, &place).await {
            Err(SlackError::Permanent { code, .. }) if answers::can_not_be_changed(&code) => {
                self.deliver("chat.postMessage", message, &[]).await
            }
            other => other,
        }
    }

    /// Answers an earlier message in its thread, and in the channel too where `for_all`. A webhook, which can't, sends it
    /// as a message, and so does a bot when the thread is gone.
    ///
    /// # Errors
    /// [`SlackError`].
    pub async fn reply(
        &self,
        message: &SlackMessage,
        to: &SlackRef,
        for_all: bool,
    ) -> Result<Option<SlackRef>, SlackError> {
        let mut place = vec![("thread_ts", json!(to.ts))];
        if for_all {
            place.push(("reply_broadcast", json!(true)));
        }
        match self.deliver("chat.postMessage", message, &place).await {
            Err(SlackError::Permanent { code, .. }) if answers::has_no_thread(&code) => {
                self.deliver("chat.postMessage", message, &[]).await
            }
            other => other,
        }
    }

    async fn deliver(
        &self,
        method: &str,
        message: &SlackMessage,
        place: &[(&str, Value)],
    ) -> Result<Option<SlackRef>, SlackError> {
        let call = self.call(method, message, place)?;
        self.turn().await?;
        let answer = self.http.call(&call).await.map_err(not_delivered)?;
        let result = match self.sink {
            SlackSink::Webhook { .. } => answers::of_webhook(&answer).map(|()| None),
            SlackSink::Bot { .. } => answers::of_bot(&answer).map(Some),
        };
        self.noted(result)
    }

    /// The call, once the message is one that Slack could take.
    fn call(
        &self,
        method: &str,
        message: &SlackMessage,
        place: &[(&str, Value)],
    ) -> Result<Call, SlackError> {
        if message.text.trim().is_empty() {
            return Err(answers::permanent("no_text"));
        }
        if message.blocks.len() > BLOCKS_MAX {
            return Err(answers::permanent("invalid_blocks"));
        }
        let text: String = message.text.chars().take(TEXT_CHARS).collect();
        let mut body = json!({ "text": text, "unfurl_links": false, "unfurl_media": false });
        if !message.blocks.is_empty() {
            body["blocks"] = Value::Array(message.blocks.clone());
        }
        match &self.sink {
            SlackSink::Webhook { url } => {
                let url = Url::parse(url.expose_secret()).map_err(|_| answers::permanent("bad_address"))?;
                Ok(Call::post_json(SYSTEM, url, &body))
            }
            SlackSink::Bot { token, channel, api_base } => {
                body["channel"] = Value::String(channel.clone());
                if !message.mark.is_empty() {
                    body["metadata"] = find::metadata(&message.mark);
                }
                for (name, value) in place {
                    body[*name] = value.clone();
                }
                let url = api_base.join(method).map_err(|_| answers::permanent("bad_address"))?;
                let call = Call::post(SYSTEM, url, "application/json; charset=utf-8", body.to_string());
                Ok(call.bearer(token))
            }
        }
    }

    /// Waits for the channel's turn, not longer than [`TURN_WAIT`].
    async fn turn(&self) -> Result<(), SlackError> {
        self.quiet()?;
        let turn = timeout(TURN_WAIT, self.pace.until_ready()).await;
        turn.map_err(|_| SlackError::RateLimited { after: TURN_WAIT })
    }

    /// Remembers that Slack wants to be left alone, if that is its answer.
    fn noted<T>(&self, result: Result<T, SlackError>) -> Result<T, SlackError> {
        if let Err(SlackError::RateLimited { after }) = &result {
            *self.quiet_until.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now() + *after);
        }
        result
    }

    /// Fails while Slack wants to be left alone.
    fn quiet(&self) -> Result<(), SlackError> {
        let quiet = *self.quiet_until.lock().unwrap_or_else(PoisonError::into_inner);
        let left = quiet.map(|until| until.saturating_duration_since(Instant::now()));
        left.filter(|left| !left.is_zero()).map_or(Ok(()), |after| Err(SlackError::RateLimited { after }))
    }
}

/// How long a 429 asks us to wait.
fn wait_of(answer: &Answer) -> Duration {
    answer.retry_after.unwrap_or(RATE_LIMITED_FOR)
}

fn not_delivered(error: CallError) -> SlackError {
    match error {
        CallError::NotAllowed(_) => answers::permanent("host_not_allowed"),
        // Slack has no idempotency keys: a message that may have arrived is sent again rather than not at all.
        other => SlackError::Transient(other.to_string()),
    }
}
