//! A test of the way on which people are told: each sink is sent a message that says that it is a test.

use forebay_domain::Outcome;
use forebay_domain::incident::{
    AlertRule, Handling, Incident, RULES, RaiseKept, RuleOf, Said, Severity, Why,
};
use forebay_store::SinkAnswer;
use forebay_worker::Failure;
use futures::future::join_all;
use uuid::Uuid;

use super::wording::TEST;
use super::{Notices, mail_text, slack_blocks};
use crate::answers;

impl Notices {
    /// Sends the test to each sink and notes what each answered. A test is not tried again: its answer is what is asked
    /// for. A sink that takes it ends the incident of its refusal.
    pub(super) async fn test(&self, id: Uuid, rule: &str) -> Result<Outcome, Failure> {
        let rule = RULES.iter().find(|of| of.name == rule);
        let example = self.example(id, rule);
        let mut told = Vec::new();
        if let Some(slack) = &self.sinks.slack {
            let message = slack_blocks::message(&example, Why::Opened, &self.wording);
            let answer = slack.send(&message, None).await;
            told.push(match answer {
                Ok(_) => {
                    self.slack_takes().await?;
                    taken("slack".to_owned())
                }
                Err(error) => refused("slack".to_owned(), error.to_string()),
            });
        }
        if let Some(mailer) = &self.sinks.mail {
            let mail = mail_text::mail(&example, Why::Opened, &id.to_string(), &self.wording);
            let sent = join_all((0..mailer.recipients()).map(|to| mailer.send_to(to, &mail))).await;
            for (to, answer) in (0u32..).zip(sent) {
                let sink = format!("mail {}", u64::from(to) + 1);
                told.push(match answer {
                    Ok(()) => {
                        self.recipient_takes(to).await?;
                        taken(sink)
                    }
                    Err(error) => refused(sink, error.to_string()),
                });
            }
        }
        self.store.answer_alert_test(id, &told).await.map_err(answers::failure)?;
        Ok(Outcome::Done)
    }

    /// An incident of the rule that nothing is behind.
    fn example(&self, id: Uuid, rule: Option<&RuleOf>) -> Incident {
        let now = self.clock.now();
        let name = rule.map_or(AlertRule::DeadLetters.as_str(), |of| of.name);
        let severity = rule.map_or(Severity::Info, |of| of.severity);
        let of = rule.map_or_else(String::new, |of| format!(" of {}", of.name));
        let raised_by = rule.map(|of| format!(" It is raised when this happens: {}.", of.raised_by));
        Incident {
            id,
            raise: RaiseKept {
                fingerprint: format!("{TEST}{id}"),
                rule: name.to_owned(),
                about: None,
                severity,
                title: format!("TEST{of}: nothing has happened"),
                impact: format!(
                    "Somebody tests whether alerts arrive; nothing is wrong.{}",
                    raised_by.unwrap_or_default()
                ),
                action: format!("forebay explain {name}"),
                sample: String::new(),
                count: 1,
            },
            revision: 0,
            first_seen: now,
            last_seen: now,
            resolved_at: None,
            told_at: None,
            told_revision: 0,
            told: Said::default(),
            heard_at: None,
            heard_count: 0,
            tell_due_at: None,
            slack: None,
            handling: Handling::default(),
            flaps: 0,
        }
    }
}

fn taken(sink: String) -> SinkAnswer {
    SinkAnswer { sink, taken: true, said: "taken".to_owned() }
}

fn refused(sink: String, said: String) -> SinkAnswer {
    SinkAnswer { sink, taken: false, said }
}
