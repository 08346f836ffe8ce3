//! Notices: an incident's present state, told to people through Slack and mail.
//!
//! Neither Slack nor mail has an idempotency key, so a crash between sending and noting it may send once more:
//! never silent, at most one extra message a crash, and none in Slack where it lets what was sent be found again
//! (`posting.rs`). A sink's own failure is told by the other one alone.

mod lanes;
mod mail_text;
mod mailing;
mod posting;
mod replies;
mod signs;
mod slack_blocks;
mod testing;
mod wording;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, TimeDelta, Utc};
use forebay_domain::incident::{
    AlertRule, Incident, Severity, Timing, Why, may_be_silenced, silencer, why_told,
};
use forebay_domain::{Clock, Outcome};
use forebay_outbound::{Mailer, Slack, SlackError};
use forebay_schemas::events::TellIncident;
use forebay_schemas::{Code, Payload};
use forebay_store::{Store, Told};
use forebay_telemetry::Metrics;
use forebay_worker::{Failure, Handler, Inbound, Shape};

use crate::answers;
use lanes::{AT_ONCE, Lanes, later};
pub use wording::Wording;

/// What Slack paces is mailed instead when it is late by more than this.
const PACED_MAX: TimeDelta = TimeDelta::minutes(10);
/// Clocks of processes differ by less than this.
const CLOCKS_APART: TimeDelta = TimeDelta::seconds(5);

/// Where notices go. Mail is the fall-back of Slack, the only way when there is no Slack, and gets what is critical.
#[derive(Debug, Default)]
pub struct Sinks {
    /// Slack.
    pub slack: Option<Slack>,
    /// Mail.
    pub mail: Option<Mailer>,
}

/// Tells people.
#[derive(Debug)]
pub struct Notices {
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    sinks: Sinks,
    wording: Wording,
    timing: Timing,
    metrics: Metrics,
    lanes: Lanes,
}

impl Notices {
    /// Tells through these sinks in these words; `timing` is the store's.
    #[must_use]
    pub fn new(
        store: Arc<dyn Store>,
        clock: Arc<dyn Clock>,
        sinks: Sinks,
        wording: Wording,
        timing: Timing,
        metrics: Metrics,
    ) -> Self {
        let lanes = Lanes::new(sinks.mail.as_ref().map_or(0, Mailer::recipients));
        Self { store, clock, sinks, wording, timing, metrics, lanes }
    }

    async fn handle_one(&self, inbound: &Inbound) -> Result<Outcome, Failure> {
        let command = match &inbound.payload {
            Payload::TellIncident(command) => command,
            Payload::ProcessSigns(said) => return signs::keep(self.store.as_ref(), said).await,
            _ => {
                return Ok(Outcome::reject(
                    Code::Rejected,
                    "this type is not handled in the queue of notices",
                ));
            }
        };
        if let Some(rule) = &command.test {
            return self.test(command.incident_id, rule).await;
        }
        // What is read in its lane is what those before it have left.
        if let Some(mail) = &command.mail {
            let Some(to) = self.recipient(mail) else { return Ok(Outcome::Done) };
            let Some(_lane) = self.lanes.mail(to).await else { return Ok(later(self.clock.as_ref())) };
            return match self.store.incident(command.incident_id).await.map_err(answers::failure)? {
                Some(incident) => self.mail_one(&incident, mail, &inbound.event.id).await,
                None => Ok(no_such_incident()),
            };
        }
        let Some(_lane) = self.lanes.slack().await else { return Ok(later(self.clock.as_ref())) };
        // Before it is read: what people order while it is being sent is newer than what was told.
        let now = self.clock.now();
        match self.store.incident(command.incident_id).await.map_err(answers::failure)? {
            Some(incident) => self.tell(incident, command, now).await,
            None => Ok(no_such_incident()),
        }
    }

    /// Tells how it stands, read no earlier than `now`.
    async fn tell(
        &self,
        incident: Incident,
        command: &TellIncident,
        now: DateTime<Utc>,
    ) -> Result<Outcome, Failure> {
        let Some(why) = why_told(&incident, command.revision, now, &self.timing) else {
            return Ok(Outcome::Duplicate);
        };
        // Another telling is planned, for later: after the silence of what this one follows from, or with its distance.
        let planned = incident.tell_due_at.filter(|due| now + CLOCKS_APART < *due && why != Why::Snoozed);
        if let Some(until) = planned {
            return Ok(Outcome::Defer { until, why: "it is to be told later" });
        }
        if self.is_silenced(&incident).await? {
            self.store.hush_incident(incident.id, now).await.map_err(answers::failure)?;
            return Ok(Outcome::Done);
        }
        match self.send(&incident, why).await? {
            Ok(told) => {
                self.store.told(told, now).await.map_err(answers::failure)?;
                Ok(Outcome::Done)
            }
            Err(outcome) => Ok(outcome),
        }
    }

    /// Whether an open incident that it follows from is told instead.
    async fn is_silenced(&self, incident: &Incident) -> Result<bool, Failure> {
        if !may_be_silenced(&incident.raise.rule) {
            return Ok(false);
        }
        let open = self.store.silencing_incidents().await.map_err(answers::failure)?;
        Ok(silencer(incident, &open).is_some())
    }

    /// Slack first; mail when Slack does not take it or is not there.
    async fn send(&self, incident: &Incident, why: Why) -> Result<Result<Told, Outcome>, Failure> {
        let mut told = Told { slack: incident.slack.clone(), heard: why.is_of_note(), ..Told::of(incident) };
        let Some(slack) = self.slack_for(incident) else {
            told.mails = self.mails(incident, why, false);
            return Ok(Ok(told));
        };
        let error = match self.to_slack(slack, incident, why).await? {
            Ok(reference) => {
                self.slack_takes().await?;
                told.slack = reference.or(told.slack);
                // What is critical is mailed as well, when it begins, gets that bad or ends.
                let matters = matches!(why, Why::Opened | Why::Worse | Why::Resolved);
                if matters && incident.raise.severity == Severity::Critical {
                    told.mails = self.mails(incident, why, false);
                }
                return Ok(Ok(told));
            }
            Err(error) => error,
        };
        let fall_back = self.sinks.mail.is_some() && incident.raise.rule != AlertRule::MailRefused.as_str();
        match &error {
            SlackError::RateLimited { after } if !(fall_back && self.is_late(incident, *after)) => {
                return Ok(Err(Outcome::Defer {
                    until: self.clock.now() + *after,
                    why: "Slack asked for a pause",
                }));
            }
            SlackError::Permanent { code, advice } if fall_back => self.slack_refuses(code, advice).await?,
            _ => {}
        }
        if matches!(error, SlackError::Permanent { .. }) {
            tracing::error!(incident = %incident.id, %error, "Slack refuses notices");
        } else {
            tracing::warn!(incident = %incident.id, %error, "Slack did not take a notice");
        }
        if !fall_back {
            return Ok(Err(Outcome::retry(Code::OutsideUnavailable, error.to_string())));
        }
        told.mails = self.mails(incident, why, true);
        // Nobody read the new counts: the next telling says them.
        if !why.is_of_note() {
            told.said = incident.told;
        }
        Ok(Ok(told))
    }

    /// Whether a pause of Slack's would keep people waiting for too long.
    fn is_late(&self, incident: &Incident, after: Duration) -> bool {
        let now = self.clock.now();
        let due = incident.tell_due_at.unwrap_or(now);
        TimeDelta::from_std(after).is_ok_and(|after| now + after - due > PACED_MAX)
    }

    fn count(&self, sink: &str, result: &str) {
        self.metrics.notices.with_label_values(&[sink, result]).inc();
    }
}

fn no_such_incident() -> Outcome {
    Outcome::reject(Code::Rejected, "there is no such incident")
}

#[async_trait]
impl Handler for Notices {
    fn shape(&self) -> Shape {
        Shape { batch: 1, linger: Duration::ZERO, concurrency: AT_ONCE, deadline: Duration::from_secs(60) }
    }

    async fn handle(&self, batch: Vec<Inbound>) -> Result<Vec<Outcome>, Failure> {
        let mut outcomes = Vec::with_capacity(batch.len());
        for inbound in &batch {
            outcomes.push(self.handle_one(inbound).await?);
        }
        Ok(outcomes)
    }
}
