//! A telling in Slack: the message in its place, and a reply in its thread. Each telling makes at most one new message.
//!
//! A new one is intended in the effect ledger before it is sent. Who finds it intended already does not know whether
//! it was sent: a worker died, or Slack did not answer. Then it is looked for in Slack first, where that is allowed; where
//! it is not, it is sent, since one message more is better than none.

use chrono::TimeDelta;
use forebay_domain::incident::{Incident, SlackRef, Why};
use forebay_outbound::{Slack, SlackError};
use forebay_store::{Error, Intent};
use forebay_worker::Failure;

use super::{Notices, replies, slack_blocks};
use crate::answers;

/// The kind under which it stands in the effect ledger.
const KIND: &str = "slack";
/// Slack's clock and the store's differ by less than this.
const SLACKS_CLOCK_APART: TimeDelta = TimeDelta::minutes(10);

/// Why nothing is known to be posted.
enum NotPosted {
    Slack(SlackError),
    Store(Error),
}

impl From<SlackError> for NotPosted {
    fn from(error: SlackError) -> Self {
        Self::Slack(error)
    }
}

impl From<Error> for NotPosted {
    fn from(error: Error) -> Self {
        Self::Store(error)
    }
}

impl Notices {
    /// Tells it, and answers where the message is.
    pub(super) async fn to_slack(
        &self,
        slack: &Slack,
        incident: &Incident,
        why: Why,
    ) -> Result<Result<Option<SlackRef>, SlackError>, Failure> {
        let sent = match self.post(slack, incident, why).await {
            Err(NotPosted::Store(error)) => return Err(answers::failure(error)),
            Err(NotPosted::Slack(error)) => Err(error),
            Ok(reference) => Ok(reference),
        };
        let result = match &sent {
            Ok(_) => "ok",
            Err(SlackError::RateLimited { .. }) => "rate_limited",
            Err(_) => "failed",
        };
        self.count("slack", result);
        Ok(sent)
    }

    async fn post(
        &self,
        slack: &Slack,
        incident: &Incident,
        why: Why,
    ) -> Result<Option<SlackRef>, NotPosted> {
        let mut message = slack_blocks::message(incident, why, &self.wording);
        message.mark = incident.id.to_string();
        let earlier = match &incident.slack {
            Some(known) => Some(known.clone()),
            None => self.sent_before(slack, &message.mark, None).await?,
        };
        let reference = slack.send(&message, earlier.as_ref()).await?;
        let in_place = reference.is_some() && reference == earlier;
        if let Some(parent) = reference.as_ref().filter(|_| in_place)
            && let Some(mut reply) = replies::reply(incident, why, self.clock.now(), &self.wording)
        {
            // The same for every try of this telling: the next one follows after this one is noted.
            let told_at = incident.told_at.map_or(0, |at| at.timestamp_micros());
            reply.mark = format!("{}/{told_at}/{}", incident.id, why.as_str());
            if self.sent_before(slack, &reply.mark, Some(parent)).await?.is_none() {
                slack.reply(&reply, parent, why.is_for_all()).await?;
            }
        }
        Ok(reference)
    }

    /// The message with this mark, if an earlier try sent it.
    async fn sent_before(
        &self,
        slack: &Slack,
        mark: &str,
        thread: Option<&SlackRef>,
    ) -> Result<Option<SlackRef>, NotPosted> {
        if !slack.can_look() {
            return Ok(None);
        }
        let (key, now) = (format!("{KIND}/{mark}"), self.clock.now());
        if self.store.effect_intend(&key, KIND, now).await? == (Intent::Proceed { tries: 0 }) {
            return Ok(None);
        }
        let first = self.store.effect(&key).await?.map_or(now, |effect| effect.intended_at);
        Ok(slack.find(mark, thread, first - SLACKS_CLOCK_APART).await?)
    }
}
