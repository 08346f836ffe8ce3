//! Looks for a message that may have been sent before. Slack knows no idempotency keys, but keeps what a message says of
//! itself beside its text, and tells it to the app that wrote it.

use std::time::Duration;

use chrono::{DateTime, Utc};
use forebay_domain::incident::SlackRef;
use serde_json::{Value, json};
use tokio::time::timeout;

use super::{SYSTEM, Slack, SlackError, SlackSink, answers, not_delivered};
use crate::http::{Call, CallError};

const EVENT_TYPE: &str = "forebay_notice";
/// Messages of one page, and how many pages are read. A message may have ten kilobytes, an answer a megabyte.
const PAGE: &str = "50";
const PAGES: usize = 20;
/// Longest look, well within the time for telling one notice.
const LOOK_FOR: Duration = Duration::from_secs(10);

/// What a message says of itself.
pub(super) fn metadata(mark: &str) -> Value {
    json!({ "event_type": EVENT_TYPE, "event_payload": { "mark": mark } })
}

fn has_mark(message: &Value, mark: &str) -> bool {
    let metadata = &message["metadata"];
    metadata["event_type"] == EVENT_TYPE && metadata["event_payload"]["mark"] == mark
}

impl Slack {
    /// Whether its messages can be looked for: a webhook reads nothing.
    #[must_use]
    pub fn can_look(&self) -> bool {
        matches!(self.sink, SlackSink::Bot { .. })
    }

    /// The message with this mark that was sent since then, in the channel or in a thread. None as well where the app may
    /// not look: it needs the scope `channels:history`, in a private channel `groups:history`; and where it takes Slack
    /// longer than 10 s: rather told twice than not in time.
    ///
    /// # Errors
    /// [`SlackError`], never a permanent one.
    pub async fn find(
        &self,
        mark: &str,
        thread: Option<&SlackRef>,
        since: DateTime<Utc>,
    ) -> Result<Option<SlackRef>, SlackError> {
        match timeout(LOOK_FOR, self.look(mark, thread, since)).await {
            Ok(found) => self.noted(found),
            Err(_late) => Ok(None),
        }
    }

    async fn look(
        &self,
        mark: &str,
        thread: Option<&SlackRef>,
        since: DateTime<Utc>,
    ) -> Result<Option<SlackRef>, SlackError> {
        let SlackSink::Bot { token, channel, api_base } = &self.sink else { return Ok(None) };
        let (method, channel) =
            thread.map_or(("conversations.history", channel), |of| ("conversations.replies", &of.channel));
        let mut next = None;
        for _ in 0..PAGES {
            self.quiet()?;
            let Ok(mut url) = api_base.join(method) else { return Ok(None) };
            let since = since.timestamp().to_string();
            url.query_pairs_mut()
                .extend_pairs([("channel", channel.as_str()), ("oldest", &since), ("limit", PAGE)])
                .append_pair("include_all_metadata", "true")
                .extend_pairs(thread.map(|of| ("ts", of.ts.as_str())))
                .extend_pairs(next.as_ref().map(|next: &String| ("cursor", next.as_str())));
            let page = match self.http.read(&Call::get(SYSTEM, url).bearer(token)).await {
                // What somebody else wrote there is no reason to tell nobody.
                Err(CallError::TooLarge { .. }) => return Ok(None),
                answer => match answer.map_err(not_delivered).and_then(|answer| answers::of_history(&answer))
                {
                    Err(SlackError::Permanent { .. }) => return Ok(None),
                    page => page?,
                },
            };
            let found = page.messages.iter().find(|message| has_mark(message, mark));
            if let Some(ts) = found.and_then(|message| message["ts"].as_str()) {
                return Ok(Some(SlackRef { channel: channel.clone(), ts: ts.to_owned() }));
            }
            match page.next {
                Some(cursor) => next = Some(cursor),
                None => return Ok(None),
            }
        }
        Ok(None)
    }
}
