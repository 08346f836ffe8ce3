//! The rules about what the store knows: the outbox, and what runs out.

use std::time::Duration;

use chrono::{DateTime, Utc};

use crate::incident::{About, AlertRule, Raise, Severity};

use super::limits::seconds;
use super::{Limits, Sight, words};

/// What the outbox says: rows that are due, and the age of the oldest.
#[must_use]
pub fn of_outbox(due: u64, age: Duration, limits: &Limits) -> Sight {
    let limit = seconds(limits.outbox_old_s);
    let raise = Raise {
        fingerprint: "outbox_old/outbox".to_owned(),
        rule: AlertRule::OutboxOld,
        about: None,
        severity: Severity::Critical,
        title: format!("What follows from effects waits for {} in the outbox", words(age)),
        impact: "Effects are settled; facts, checks of parcels, results and notices are late.".to_owned(),
        action: "Is a relay there, and ready? forebay doctor".to_owned(),
        sample: format!("{due} rows are due; told from {} on", words(limit)),
        count: 1,
    };
    Sight::by_length(age, limit, raise)
}

/// A token of an outside system that the fleet shares.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Renewal {
    /// Whose it is, e.g. `carrier/fedex`.
    pub system: String,
    /// Somebody set out to fetch a new one, has time for that until then, and has not brought it.
    pub sought_until: DateTime<Utc>,
    /// Until when the old one is good, if there is one.
    pub good_until: Option<DateTime<Utc>>,
}

/// What a token says that was to be renewed. Who has time still is told of as well when that lasts: where many wait for
/// a token, one after the other sets out to fetch it, and time is never up.
#[must_use]
pub fn of_renewal(renewal: &Renewal, limits: &Limits, now: DateTime<Utc>) -> Sight {
    let Renewal { system, sought_until, good_until } = renewal;
    let left = good_until.and_then(|until| (until - now).to_std().ok());
    let id = system.rsplit('/').next().unwrap_or(system);
    let (severity, title, impact) = match left {
        Some(left) => (
            Severity::Warning,
            format!("{id}: no new token is to be had; the old one ends in {}", words(left)),
            "Until then the old one is used. Without a token it is not asked; its messages wait and lose no attempt.",
        ),
        None => (
            Severity::Critical,
            format!("{id}: there is no token, and none is to be had"),
            "It is not asked; its messages wait and lose no attempt.",
        ),
    };
    let raise = Raise {
        fingerprint: format!("token_not_renewed/{system}"),
        rule: AlertRule::TokenNotRenewed,
        about: Some(About::system_of(system)),
        severity,
        title,
        impact: impact.to_owned(),
        action: format!(
            "forebay carrier show {id}\n# The log of the workers says why (no token); are client_id and key right?"
        ),
        sample: format!(
            "last sought by a worker that had time for it until {}",
            sought_until.format("%Y-%m-%d %H:%M:%S UTC")
        ),
        count: 1,
    };
    Sight::bad(raise).after(seconds(limits.token_not_renewed_s))
}

/// Credentials whose end is known from the configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Credential {
    /// Whose they are, e.g. `carriers.aftership.key`.
    pub name: String,
    /// When they end.
    pub ends_at: DateTime<Utc>,
}

/// What credentials say that end some day.
#[must_use]
pub fn of_credential(credential: &Credential, limits: &Limits, now: DateTime<Utc>) -> Sight {
    let Credential { name, ends_at } = credential;
    let fingerprint = format!("credentials_expire/{name}");
    let left = (*ends_at - now).to_std().ok();
    if left.is_some_and(|left| left > seconds(limits.credentials_expire_days * 86_400.0)) {
        return Sight::well(fingerprint);
    }
    let (severity, title, begins) = match left {
        Some(left) => (Severity::Warning, format!("{name} ends in {}", words(left)), "From then on"),
        None => (Severity::Critical, format!("{name} has ended"), "Since then"),
    };
    Sight::bad(Raise {
        fingerprint,
        rule: AlertRule::CredentialsExpire,
        about: None,
        severity,
        title,
        impact: format!("{begins} the system refuses us: its parcels wait, and lose no attempt."),
        action: format!(
            "# Get a new key, set {name} and {name}_ends_on, restart workers and schedule.\nforebay config check"
        ),
        sample: format!("ends at {}", ends_at.format("%Y-%m-%d %H:%M UTC")),
        count: 1,
    })
}
