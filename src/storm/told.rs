//! What people were told of a storm: the messages, the mails and the incidents that they are of.

use std::path::Path;

use chrono::{DateTime, Utc};
use forebay_store::{IncidentFilter, PAGE_MAX, Store};
use serde::{Deserialize, Serialize};

use crate::commands::table;
use crate::exit::Exit;
use crate::storm::far_sandbox::FarSandbox;

/// A message in Slack as it stands, by the words that stand for it.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Message {
    ts: String,
    /// The message in whose thread it is.
    thread_ts: Option<String>,
    /// A reply that the channel sees, too.
    broadcast: bool,
    text: String,
    /// How often it was changed in its place.
    updates: usize,
}

/// A mail.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Mail {
    to: Vec<String>,
    subject: String,
    message_id: String,
}

/// An incident that opened, or went on, during the storm.
#[derive(Debug, Serialize)]
pub(crate) struct IncidentLine {
    id: String,
    rule: String,
    title: String,
    severity: &'static str,
    count: i64,
    opened: DateTime<Utc>,
    resolved: Option<DateTime<Utc>>,
    /// Messages of its own in the channel: its first one, and replies that the channel sees, too.
    slack_messages: usize,
    /// Changes of its message in its place.
    slack_updates: usize,
    /// Replies in its thread alone.
    slack_replies: usize,
    mails: usize,
}

/// All of it.
#[derive(Debug, Default, Serialize)]
pub(crate) struct Told {
    slack: Vec<Message>,
    mails: Vec<Mail>,
    incidents: Vec<IncidentLine>,
    #[serde(skip)]
    pages: Vec<(&'static str, String)>,
}

impl Told {
    /// What the store knows of the incidents since then, and the sandbox of the messages.
    pub(crate) async fn gather(
        store: &dyn Store,
        sandbox: Option<&FarSandbox>,
        since: DateTime<Utc>,
    ) -> Result<Self, Exit> {
        let mut told = Self::default();
        if let Some(sandbox) = sandbox {
            told.slack = sandbox.all("slack").await?;
            told.mails = sandbox.all("mail").await?;
            told.pages = vec![
                ("slack.html", sandbox.page("slack").await?),
                ("mail.html", sandbox.page("mail").await?),
            ];
        }
        let mut all = store.list_incidents(&IncidentFilter::default(), None, PAGE_MAX).await?;
        all.retain(|incident| incident.last_seen >= since);
        all.sort_by_key(|incident| incident.first_seen);
        for incident in all {
            let ts = incident.slack.as_ref().map_or("", |slack| slack.ts.as_str());
            let own = told.slack.iter().filter(|message| !ts.is_empty() && message.ts == ts);
            let slack_updates = own.map(|message| message.updates).sum();
            let thread = || told.slack.iter().filter(|message| message.thread_ts.as_deref() == Some(ts));
            let aloud = thread().filter(|message| message.broadcast).count();
            let begin = format!("<incident-{}", incident.id);
            told.incidents.push(IncidentLine {
                slack_messages: usize::from(!ts.is_empty()) + aloud,
                slack_updates,
                slack_replies: thread().count() - aloud,
                mails: told.mails.iter().filter(|mail| mail.message_id.starts_with(&begin)).count(),
                id: incident.id.to_string(),
                rule: incident.raise.rule,
                title: incident.raise.title,
                severity: incident.raise.severity.as_str(),
                count: incident.raise.count,
                opened: incident.first_seen,
                resolved: incident.resolved_at,
            });
        }
        Ok(told)
    }

    /// What people saw, for a browser.
    pub(crate) fn save_pages(&self, folder: &Path) -> Result<(), Exit> {
        std::fs::create_dir_all(folder)?;
        for (name, page) in &self.pages {
            std::fs::write(folder.join(name), page)?;
        }
        Ok(())
    }

    /// For people.
    pub(crate) fn text(&self) -> String {
        if self.incidents.is_empty() {
            return "Nobody was told anything.".to_owned();
        }
        let open = self.incidents.iter().filter(|incident| incident.resolved.is_none()).count();
        let replies = self.slack.iter().filter(|message| message.thread_ts.is_some()).count();
        let updates: usize = self.slack.iter().map(|message| message.updates).sum();
        let summary = format!(
            "People were told of {} incidents ({open} still open): {} Slack messages, {updates} updates in place, \
             {replies} replies, {} mails",
            self.incidents.len(),
            self.slack.len() - replies,
            self.mails.len()
        );
        let header = ["INCIDENT", "COUNT", "LASTED", "SLACK", "UPDATES", "REPLIES", "MAILS"];
        let rows = self.incidents.iter().map(|incident| {
            let lasted = incident.resolved.map_or_else(
                || "open".to_owned(),
                |resolved| format!("{} s", (resolved - incident.opened).num_seconds()),
            );
            vec![
                format!("[{}] {}", incident.severity, incident.title),
                incident.count.to_string(),
                lasted,
                incident.slack_messages.to_string(),
                incident.slack_updates.to_string(),
                incident.slack_replies.to_string(),
                incident.mails.to_string(),
            ]
        });
        format!("{summary}\n\n{}", table::plain(&header, rows))
    }
}
