//! Mails: one message of the queue a recipient, so that what one server or mailbox does costs the others nothing. The
//! incidents of the sinks themselves.

use forebay_domain::Outcome;
use forebay_domain::incident::{AlertRule, Incident, Raise, Severity, Why};
use forebay_outbound::{MailError, Slack};
use forebay_schemas::Code;
use forebay_schemas::events::MailOne;
use forebay_store::Told;
use forebay_worker::Failure;

use super::{Notices, mail_text};
use crate::answers;

const SLACK: &str = "slack/refused";

fn of_recipient(to: u32) -> String {
    format!("mail/{to}/refused")
}

impl Notices {
    /// One mail a recipient, for what is worth a mail. `instead`: nobody but these mails tells it.
    pub(super) fn mails(&self, incident: &Incident, why: Why, instead: bool) -> Vec<MailOne> {
        let refused = incident.raise.rule == AlertRule::MailRefused.as_str();
        let Some(mailer) = self.sinks.mail.as_ref().filter(|_| why.is_of_note() && !refused) else {
            return Vec::new();
        };
        let recipients = u32::try_from(mailer.recipients()).unwrap_or(u32::MAX);
        (0..recipients).map(|to| MailOne { to, why: why.as_str().to_owned(), instead }).collect()
    }

    /// The place of a mail's recipient; none when the configuration has fewer by now.
    pub(super) fn recipient(&self, mail: &MailOne) -> Option<usize> {
        let recipients = self.sinks.mail.as_ref()?.recipients();
        usize::try_from(mail.to).ok().filter(|place| *place < recipients)
    }

    /// Mails one recipient. What the server may take later is tried again; what it refuses for good is an incident that
    /// Slack tells.
    pub(super) async fn mail_one(
        &self,
        incident: &Incident,
        mail: &MailOne,
        telling: &str,
    ) -> Result<Outcome, Failure> {
        let Some((mailer, place)) = self.sinks.mail.as_ref().zip(self.recipient(mail)) else {
            return Ok(Outcome::Done);
        };
        // It tells the present state: what has ended while the server took nothing is not told as if it went on.
        let over = incident.resolved_at.is_some() && incident.told_at.is_some();
        let why = Why::from_text(&mail.why).unwrap_or(Why::Updated);
        let why = if over && why != Why::Opened { Why::Resolved } else { why };
        let text = mail_text::mail(incident, why, telling, &self.wording);
        match mailer.send_to(place, &text).await {
            Ok(()) => {
                self.count("mail", "ok");
                self.recipient_takes(mail.to).await?;
                Ok(Outcome::Done)
            }
            Err(error @ MailError::Transient(_)) => {
                self.count("mail", "failed");
                // Slack may be back long before the mail server is. One of the mails asks it: it needs one message.
                if mail.instead && mail.to == 0 && self.slack_for(incident).is_some() {
                    tracing::warn!(incident = %incident.id, %error, "a mail instead of Slack was not taken");
                    return self.back_to_slack(incident, why).await;
                }
                Ok(Outcome::retry(Code::OutsideUnavailable, error.to_string()))
            }
            Err(MailError::Permanent { code, advice }) => {
                self.count("mail", "failed");
                tracing::error!(incident = %incident.id, %code, recipient = mail.to, "a mail was refused for good");
                self.mail_refused(mail.to, mailer.recipients(), &code, advice).await?;
                if mail.instead { self.back_to_slack(incident, why).await } else { Ok(Outcome::Done) }
            }
        }
    }

    /// Slack did not take it, nor does the mail server: Slack once more, until it does.
    async fn back_to_slack(&self, incident: &Incident, why: Why) -> Result<Outcome, Failure> {
        let Some(slack) = self.slack_for(incident) else { return Ok(Outcome::Done) };
        let Some(_lane) = self.lanes.slack_instead().await else {
            return Ok(Outcome::retry(
                Code::OutsideUnavailable,
                "neither the mail server nor Slack took it in time",
            ));
        };
        // Slack may have a message of it since the mail server was asked: that one is changed.
        let found = self.store.incident(incident.id).await.map_err(answers::failure)?;
        let Some(incident) = &found else { return Ok(Outcome::Done) };
        match self.to_slack(slack, incident, why).await? {
            Ok(reference) => {
                self.slack_takes().await?;
                let told = Told { slack: reference.or_else(|| incident.slack.clone()), ..Told::of(incident) };
                self.store.told(told, self.clock.now()).await.map_err(answers::failure)?;
                Ok(Outcome::Done)
            }
            Err(error) => Ok(Outcome::retry(Code::OutsideUnavailable, error.to_string())),
        }
    }

    /// Slack, unless it is the incident's cause.
    pub(super) fn slack_for(&self, incident: &Incident) -> Option<&Slack> {
        self.sinks.slack.as_ref().filter(|_| incident.raise.rule != AlertRule::SlackRefused.as_str())
    }

    async fn mail_refused(&self, to: u32, of: usize, code: &str, advice: &str) -> Result<(), Failure> {
        let raise = Raise {
            fingerprint: of_recipient(to),
            rule: AlertRule::MailRefused,
            about: None,
            severity: Severity::Warning,
            title: format!("Mail to recipient {} of {of} is refused ({code})", u64::from(to) + 1),
            impact: "This recipient of mail.to hears of nothing by mail; the others and Slack do.".to_owned(),
            action: advice.to_owned(),
            sample: format!("reply code {code}"),
            count: 1,
        };
        self.store.raise(vec![raise], self.clock.now()).await.map_err(answers::failure)
    }

    /// Slack does not take messages until somebody mends it: told by mail.
    pub(super) async fn slack_refuses(&self, code: &str, advice: &str) -> Result<(), Failure> {
        let raise = Raise {
            fingerprint: SLACK.to_owned(),
            rule: AlertRule::SlackRefused,
            about: None,
            severity: Severity::Critical,
            title: format!("Slack refuses messages ({code})"),
            impact: "What people are told goes by mail until Slack takes messages again.".to_owned(),
            action: advice.to_owned(),
            sample: code.to_owned(),
            count: 1,
        };
        self.store.raise(vec![raise], self.clock.now()).await.map_err(answers::failure)
    }

    pub(super) async fn recipient_takes(&self, to: u32) -> Result<(), Failure> {
        self.store.resolve(&[of_recipient(to)], self.clock.now()).await.map_err(answers::failure)
    }

    pub(super) async fn slack_takes(&self) -> Result<(), Failure> {
        self.store.resolve(&[SLACK.to_owned()], self.clock.now()).await.map_err(answers::failure)
    }
}
