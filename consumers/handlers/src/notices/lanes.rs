//! Who is told at a time: Slack one message after the other, each recipient of mails one mail after the other, and all
//! of them beside each other. So a slow mail server keeps no message from Slack, and a worker that dies has sent at most
//! one message more to each.

use std::time::Duration;

use chrono::TimeDelta;
use forebay_domain::{Clock, Outcome};
use tokio::sync::{Mutex, MutexGuard, Semaphore, SemaphorePermit};
use tokio::time::timeout;

/// Notices in the handler's hands at once: those for Slack, and mails, with those that wait for the one before. Neither
/// takes the other's places. Slack's last for longer than it takes until what found none is back, or it would have nothing
/// to do in between.
pub(super) const AT_ONCE: usize = SLACK_AT_ONCE + MAILS_AT_ONCE;
const SLACK_AT_ONCE: usize = 8;
const MAILS_AT_ONCE: usize = 4;
/// How long a notice waits for one before it, of the 60 s that it has in all.
const SLACK_WAIT: Duration = Duration::from_secs(20);
const MAIL_WAIT: Duration = Duration::from_secs(10);
/// How long a mail that Slack is to be told instead of waits for Slack: it has waited for the mail server before.
const INSTEAD_WAIT: Duration = Duration::from_secs(3);
/// When to come again after there was no place.
const AGAIN_IN: TimeDelta = TimeDelta::seconds(2);

/// A place, and the turn.
pub(super) type Lane<'a> = (SemaphorePermit<'a>, MutexGuard<'a, ()>);

/// The lanes of one process.
#[derive(Debug)]
pub(super) struct Lanes {
    slack: Mutex<()>,
    slack_places: Semaphore,
    mails: Vec<Mutex<()>>,
    mail_places: Semaphore,
}

impl Lanes {
    pub(super) fn new(recipients: usize) -> Self {
        let mails = (0..recipients).map(|_| Mutex::default()).collect();
        let (slack_places, mail_places) = (Semaphore::new(SLACK_AT_ONCE), Semaphore::new(MAILS_AT_ONCE));
        Self { slack: Mutex::default(), slack_places, mails, mail_places }
    }

    /// Slack's, in the order in which it is asked for.
    pub(super) async fn slack(&self) -> Option<Lane<'_>> {
        let place = self.slack_places.try_acquire().ok()?;
        Some((place, timeout(SLACK_WAIT, self.slack.lock()).await.ok()?))
    }

    /// The same, for a mail that was not taken.
    pub(super) async fn slack_instead(&self) -> Option<MutexGuard<'_, ()>> {
        timeout(INSTEAD_WAIT, self.slack.lock()).await.ok()
    }

    /// A recipient's.
    pub(super) async fn mail(&self, to: usize) -> Option<Lane<'_>> {
        let place = self.mail_places.try_acquire().ok()?;
        Some((place, timeout(MAIL_WAIT, self.mails.get(to)?.lock()).await.ok()?))
    }
}

/// What becomes of a notice that found no place in time; it costs no attempt.
pub(super) fn later(clock: &dyn Clock) -> Outcome {
    Outcome::Defer { until: clock.now() + AGAIN_IN, why: "others are told first" }
}
