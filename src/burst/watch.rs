//! Watches the burst: live progress on standard error, and the moment of the last effect.

use std::collections::BTreeSet;
use std::io::IsTerminal;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use forebay_sandbox::{Record, Sandbox};
use forebay_store::{Done, Store};
use forebay_telemetry::Metrics;
use indicatif::{ProgressBar, ProgressStyle};
use tokio::task::JoinHandle;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::burst::mix::{Leaves, Planned, Straight};
use crate::commands::people;
use crate::world::Serving;

/// How often it is counted what is done.
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// How often a line is written where nobody sees it change.
const LINE_EVERY: Duration = Duration::from_secs(5);

/// How long the watch goes on after the last dead letter, for the notices that are being gathered.
const ALERTS_WAIT: Duration = Duration::from_secs(4);

/// How much must be there in the end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Expected {
    attendance: i64,
    claims: i64,
    orders: i64,
    returns: i64,
    dead_letters: i64,
    events: u64,
}

impl Expected {
    pub(crate) fn of(events: &[Planned], straight: &[Straight]) -> Self {
        let distinct: BTreeSet<(&str, Leaves)> = events.iter().map(|e| (e.id.as_str(), e.leaves)).collect();
        let count = |wanted: fn(&Leaves) -> bool| {
            i64::try_from(distinct.iter().filter(|(_, l)| wanted(l)).count()).unwrap_or(i64::MAX)
        };
        Self {
            attendance: count(|l| *l == Leaves::Attendance),
            claims: count(|l| *l == Leaves::Claim),
            orders: count(|l| *l == Leaves::Order),
            returns: count(|l| *l == Leaves::Return),
            dead_letters: count(|l| matches!(l, Leaves::DeadLetter(_)))
                + i64::try_from(straight.len()).unwrap_or(i64::MAX),
            events: events.len() as u64,
        }
    }

    fn effects_met(&self, done: &Done) -> bool {
        done.attendance >= self.attendance
            && done.claims >= self.claims
            && done.orders >= self.orders
            && done.returns.2 >= self.returns
    }

    pub(crate) fn met(&self, done: &Done) -> bool {
        self.effects_met(done) && done.dead_letters >= self.dead_letters
    }
}

/// How the burst ended.
#[derive(Debug, Clone)]
pub(crate) struct Finish {
    /// From the first request to the last effect; `None` when patience ran out before.
    pub(crate) settled_in: Option<Duration>,
    /// From the first request until the dead letters were archived, too.
    pub(crate) archived_in: Option<Duration>,
    /// What was done at the last look.
    pub(crate) done: Done,
    /// Notices that people got: Slack messages and mails.
    pub(crate) notices: (usize, usize),
    /// Calls that the carrier counted.
    pub(crate) carrier_calls: usize,
}

/// A watch over one burst.
pub(crate) struct Watch {
    task: JoinHandle<Finish>,
    give_up: CancellationToken,
}

impl Watch {
    pub(crate) fn start(
        serving: &Serving,
        sandbox: &Sandbox,
        metrics: &Metrics,
        accepted: Arc<AtomicU64>,
        expected: Expected,
        begun: Instant,
    ) -> Self {
        let give_up = CancellationToken::new();
        let looker = Looker {
            store: Arc::clone(&serving.store),
            record: sandbox.record().clone(),
            metrics: metrics.clone(),
            accepted,
            expected,
            begun,
        };
        let task = tokio::spawn(looker.run(give_up.clone()));
        Self { task, give_up }
    }

    /// Waits until everything is there, or for as long as patience lasts.
    pub(crate) async fn finished(mut self, patience: Duration) -> Finish {
        let finish = tokio::select! {
            finish = &mut self.task => finish,
            () = tokio::time::sleep(patience) => {
                self.give_up.cancel();
                self.task.await
            }
        };
        finish.unwrap_or_else(|_| Finish {
            settled_in: None,
            archived_in: None,
            done: Done::default(),
            notices: (0, 0),
            carrier_calls: 0,
        })
    }
}

struct Looker {
    store: Arc<dyn Store>,
    record: Record,
    metrics: Metrics,
    accepted: Arc<AtomicU64>,
    expected: Expected,
    begun: Instant,
}

impl Looker {
    async fn run(self, give_up: CancellationToken) -> Finish {
        let bar = self.bar();
        let mut finish = Finish {
            settled_in: None,
            archived_in: None,
            done: Done::default(),
            notices: (0, 0),
            carrier_calls: 0,
        };
        let mut line_at = Instant::now() + LINE_EVERY;
        let mut alerted_by: Option<Instant> = None;
        while !give_up.is_cancelled() {
            if let Ok(done) = self.store.done().await {
                finish.done = done;
            }
            finish.notices = (self.record.slack_messages(), self.record.mails());
            finish.carrier_calls = self.record.carrier_calls();
            if finish.settled_in.is_none() && self.expected.effects_met(&finish.done) {
                finish.settled_in = Some(self.begun.elapsed());
            }
            if finish.archived_in.is_none() && self.expected.met(&finish.done) {
                finish.archived_in = Some(self.begun.elapsed());
            }
            let line = self.line(&finish);
            bar.set_position(self.accepted.load(Ordering::Relaxed));
            bar.set_message(line.clone());
            if bar.is_hidden() && Instant::now() >= line_at {
                line_at = Instant::now() + LINE_EVERY;
                people::note(&line);
            }
            if finish.archived_in.is_some() {
                // People hear of it a moment later: notices are grouped.
                let until = *alerted_by.get_or_insert(Instant::now() + ALERTS_WAIT);
                if (finish.notices.0 > 0 && finish.notices.1 > 0) || Instant::now() >= until {
                    break;
                }
            }
            tokio::select! {
                () = tokio::time::sleep(LOOK_EVERY) => {}
                () = give_up.cancelled() => {}
            }
        }
        bar.finish_and_clear();
        finish
    }

    fn bar(&self) -> ProgressBar {
        if !std::io::stderr().is_terminal() {
            return ProgressBar::hidden();
        }
        let bar = ProgressBar::new(self.expected.events);
        let style =
            ProgressStyle::with_template("{bar:30} {msg}").unwrap_or_else(|_| ProgressStyle::default_bar());
        bar.set_style(style);
        bar
    }

    /// One line of where it stands. Retries are Forebay's own count; everything else is counted from outside.
    fn line(&self, finish: &Finish) -> String {
        let seconds = self.begun.elapsed().as_secs_f64().max(0.001);
        let accepted = self.accepted.load(Ordering::Relaxed);
        let done = &finish.done;
        let settled = done.attendance + done.claims + done.orders;
        let retries = self.metrics.retried();
        format!(
            "{seconds:5.1} s  accepted {accepted} ({:.0}/s)  settled {settled} ({:.0}/s)  tracked {}  reported {}  \
             alerts {}+{}  retries {retries}  dead letters {}",
            accepted as f64 / seconds,
            settled as f64 / seconds,
            done.parcels_checked,
            done.returns.2,
            finish.notices.0,
            finish.notices.1,
            done.dead_letters,
        )
    }
}
