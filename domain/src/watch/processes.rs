//! The rules about processes: what one tells of itself, and what is not done any more.

use std::time::Duration;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::incident::{AlertRule, Raise, Severity};

use super::limits::seconds;
use super::{Limits, Sight, words};

/// What a process may say of itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Condition {
    /// Events wait in its spool.
    SpoolInUse,
    /// It turns requests away.
    IntakeRefuses,
    /// It can't fetch the keys of members' tokens.
    MemberKeysUnavailable,
}

impl Condition {
    /// Every condition.
    pub const ALL: &'static [Condition] =
        &[Self::SpoolInUse, Self::IntakeRefuses, Self::MemberKeysUnavailable];

    /// The rule that tells of it.
    #[must_use]
    pub fn rule(self) -> AlertRule {
        match self {
            Self::SpoolInUse => AlertRule::SpoolInUse,
            Self::IntakeRefuses => AlertRule::IntakeRefuses,
            Self::MemberKeysUnavailable => AlertRule::MemberKeysUnavailable,
        }
    }

    /// Its word: the rule's.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        self.rule().as_str()
    }

    /// Reads what [`Condition::as_str`] wrote.
    #[must_use]
    pub fn from_text(text: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|condition| condition.as_str() == text)
    }
}

/// A condition of a process that lasted when it told of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sign {
    /// The process: its role and machine.
    pub process: String,
    /// What.
    pub condition: Condition,
    /// What exactly, e.g. an issuer of tokens; may be empty.
    pub subject: String,
    /// Since when.
    pub since: DateTime<Utc>,
    /// The last time that it told, by its own clock.
    pub seen_at: DateTime<Utc>,
    /// More, in words and figures.
    pub detail: String,
}

/// A sign as it was heard.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Heard {
    /// What was told.
    pub sign: Sign,
    /// When it came, by our clock: that of its process may be wrong.
    pub heard_at: DateTime<Utc>,
}

/// A sign that is not renewed for so long is over, or its process is.
const STALE: Duration = Duration::from_secs(45);

/// What a sign says.
#[must_use]
pub fn of_sign(heard: &Heard, limits: &Limits, now: DateTime<Utc>) -> Sight {
    let Sign { process, condition, subject, since, seen_at, detail } = &heard.sign;
    let rule = condition.rule();
    let of = if subject.is_empty() { process.clone() } else { format!("{process}/{subject}") };
    let fingerprint = format!("{rule}/{of}");
    if (now - heard.heard_at).to_std().is_ok_and(|silent| silent > STALE) {
        return Sight::well(fingerprint);
    }
    let lasts = (*seen_at - *since).to_std().unwrap_or_default();
    let (limit, severity, title, impact, action) = match condition {
        Condition::SpoolInUse => (
            limits.spool_in_use_s,
            Severity::Warning,
            format!("{process}: events wait in its spool for {}", words(lasts)),
            "RabbitMQ takes too little from it. Nothing is lost; events are late.",
            "forebay doctor",
        ),
        Condition::IntakeRefuses => (
            limits.intake_refuses_s,
            Severity::Critical,
            format!("{process}: requests are turned away for {}", words(lasts)),
            "Storefronts get 503 or 429 and have to send again; nothing that was accepted is lost.",
            "forebay doctor",
        ),
        Condition::MemberKeysUnavailable => (
            limits.member_keys_unavailable_s,
            Severity::Critical,
            format!("{process}: the keys of members' tokens can't be fetched"),
            "Keys from before are used for 24 h; members with newer keys are turned away.",
            "forebay doctor",
        ),
    };
    let limit = seconds(limit);
    if lasts < limit {
        return Sight::unclear(fingerprint);
    }
    Sight::bad(Raise {
        fingerprint,
        rule,
        about: None,
        severity,
        title,
        impact: impact.to_owned(),
        action: action.to_owned(),
        sample: detail.clone(),
        count: 1,
    })
}

/// Something that is done again and again, over the fleet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Task {
    /// Its name, e.g. `clock`.
    pub name: String,
    /// When it was last done.
    pub done_at: DateTime<Utc>,
}

/// What a task of the schedule says.
#[must_use]
pub fn of_task(task: &Task, limits: &Limits, now: DateTime<Utc>) -> Sight {
    let silent = (now - task.done_at).to_std().unwrap_or_default();
    let name = &task.name;
    let raise = Raise {
        fingerprint: format!("schedule_missed/{name}"),
        rule: AlertRule::ScheduleMissed,
        about: None,
        severity: Severity::Critical,
        title: format!("schedule: nobody has done {name} for {}", words(silent)),
        impact: "Returns are not collected, parcels not planned, reports not sent; what was missed is made up for."
            .to_owned(),
        action: "Is a schedule there, and ready? See its /readyz and its log.".to_owned(),
        sample: format!("last done at {}", task.done_at.format("%Y-%m-%d %H:%M:%S UTC")),
        count: 1,
    };
    // Half of it is waited for by who looks, so that a whole system that starts is not told that it was stopped.
    let half = seconds(limits.schedule_missed_s / 2.0);
    Sight::by_length(silent, half, raise).after(half)
}
