//! Notices: an incident's present state, told to people through Slack and mail.
//!
//! Neither Slack nor mail has an idempotency key, so a crash between sending and noting it may send once more:
//! never silent, at most one extra message a crash. The alerter never alerts through itself.

mod mail_text;
mod slack_blocks;
mod wording;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use forebay_domain::incident::{Incident, Severity, SlackRef};
use forebay_domain::{Clock, Outcome};
use forebay_outbound::{Mailer, Slack, SlackError};
use forebay_schemas::{Code, Payload};
use forebay_store::{Store, Told};
use forebay_telemetry::Metrics;
use forebay_worker::{Failure, Handler, Inbound, Shape};

use crate::answers;
pub use wording::{Phase, Wording};

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
    metrics: Metrics,
}

impl Notices {
    /// Tells through these sinks in these words.
    #[must_use]
    pub fn new(
        store: Arc<dyn Store>,
        clock: Arc<dyn Clock>,
        sinks: Sinks,
        wording: Wording,
        metrics: Metrics,
    ) -> Self {
        Self { store, clock, sinks, wording, metrics }
    }

    async fn tell(&self, inbound: &Inbound) -> Result<Outcome, Failure> {
        let Payload::TellIncident(command) = &inbound.payload else {
            return Ok(Outcome::reject(Code::Rejected, "this type is not handled in the queue of notices"));
        };
        let found = self.store.incident(command.incident_id).await.map_err(answers::failure)?;
        let Some(incident) = found else {
            return Ok(Outcome::reject(Code::Rejected, "there is no such incident"));
        };
        // A newer telling has told this and more; but a repeat of an open one is meant to be told again.
        if incident.told_revision > command.revision {
            return Ok(Outcome::Duplicate);
        }
        let phase = Phase::of(&incident);
        // Somebody wanted silence after this was planned; another one is planned for the silence's end.
        let silent = incident.handling.silent_until(self.clock.now()).is_some();
        if silent || phase == Phase::Quiet {
            return Ok(Outcome::Done);
        }
        match self.send(&incident, phase).await {
            Ok(slack) => {
                let told = Told {
                    incident_id: incident.id,
                    revision: incident.revision,
                    slack: slack.or(incident.slack),
                };
                self.store.told(told, self.clock.now()).await.map_err(answers::failure)?;
                Ok(Outcome::Done)
            }
            Err(outcome) => Ok(outcome),
        }
    }

    /// Slack first; mail when Slack can't be reached for good or is not there.
    async fn send(&self, incident: &Incident, phase: Phase) -> Result<Option<SlackRef>, Outcome> {
        if let Some(slack) = &self.sinks.slack {
            let message = slack_blocks::message(incident, phase, &self.wording);
            match slack.send(&message, incident.slack.as_ref()).await {
                Ok(reference) => {
                    self.count("slack", "ok");
                    if incident.raise.severity == Severity::Critical && phase != Phase::Updated {
                        // What is critical is mailed as well; Slack has it, so a mail that fails is only logged.
                        let _ = self.mail(incident, phase).await;
                    }
                    return Ok(reference);
                }
                Err(SlackError::RateLimited { after }) => {
                    self.count("slack", "rate_limited");
                    return Err(Outcome::Defer {
                        until: self.clock.now() + after,
                        why: "Slack asked for a pause",
                    });
                }
                Err(error) => {
                    self.count("slack", "failed");
                    tracing::error!(incident = %incident.id, %error, "Slack did not take a notice; mail is tried");
                    if self.sinks.mail.is_none() {
                        return Err(Outcome::retry(Code::OutsideUnavailable, error.to_string()));
                    }
                }
            }
        }
        self.mail(incident, phase).await.map(|()| None)
    }

    /// Mails every recipient; it is told when at least one took it.
    async fn mail(&self, incident: &Incident, phase: Phase) -> Result<(), Outcome> {
        let Some(mailer) = &self.sinks.mail else { return Ok(()) };
        let results = mailer.send(&mail_text::mail(incident, phase, &self.wording)).await;
        let mut last = None;
        let mut taken = false;
        for result in results {
            match result {
                Ok(()) => {
                    taken = true;
                    self.count("mail", "ok");
                }
                Err(error) => {
                    self.count("mail", "failed");
                    tracing::error!(incident = %incident.id, %error, "mail did not take a notice");
                    last = Some(error);
                }
            }
        }
        match last {
            Some(error) if !taken => Err(Outcome::retry(Code::OutsideUnavailable, error.to_string())),
            _ => Ok(()),
        }
    }

    fn count(&self, sink: &str, result: &str) {
        self.metrics.notices.with_label_values(&[sink, result]).inc();
    }
}

#[async_trait]
impl Handler for Notices {
    fn shape(&self) -> Shape {
        Shape { batch: 1, linger: Duration::ZERO, concurrency: 1, deadline: Duration::from_secs(60) }
    }

    async fn handle(&self, batch: Vec<Inbound>) -> Result<Vec<Outcome>, Failure> {
        let mut outcomes = Vec::with_capacity(batch.len());
        for inbound in &batch {
            outcomes.push(self.tell(inbound).await?);
        }
        Ok(outcomes)
    }
}
