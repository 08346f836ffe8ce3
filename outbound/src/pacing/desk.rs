//! The one task of a process that asks the store for permits of one system.

use std::collections::VecDeque;
use std::num::NonZeroU32;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use forebay_domain::daily::Purpose;
use forebay_domain::limits::{ADAPT_MOST, Terms};
use forebay_domain::pacing::{Grant, Share};
use forebay_store::{Closed, Pacing, Permits, Places, Wish};
use governor::DefaultDirectRateLimiter;
use governor::clock::Clock as _;
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, sleep_until, timeout};

use super::PacerOptions;
use super::held::{Count, Held};
use super::permit::{NotNow, Why};

/// Two statements are at least this far apart, so that callers who come one by one share them.
const STATEMENT_GAP: Duration = Duration::from_millis(5);
/// A store that takes longer counts as gone.
const STATEMENT_TIMEOUT: Duration = Duration::from_secs(2);
/// When to ask again after the store was gone.
const STORE_GONE_FOR: Duration = Duration::from_secs(1);
/// How long a closed gate is believed without asking again; a person may have opened it.
pub(super) const CLOSED_BELIEVED: Duration = Duration::from_secs(1);

/// A gate is closed for no longer than this, whatever is asked for.
const CLOSED_MAX: Duration = Duration::from_secs(30 * 24 * 3600);
/// The longest pause between two statements while somebody waits.
const STATEMENT_PAUSE_MAX: Duration = Duration::from_secs(1);
/// The longest pause after statements that found no place: one that comes free elsewhere is not told.
const FULL_PAUSE_MAX: Duration = Duration::from_millis(100);
/// The longest pause after statements that brought nothing, in margins of the quota: what may be granted is granted so
/// far ahead, so that a fleet that asks once in a margin uses all of the rate.
const BACK_OFF_MARGINS: u32 = 10;

/// When a call may be made.
#[derive(Debug)]
pub(super) struct Slot {
    pub(super) start: Instant,
    pub(super) use_by: Instant,
    pub(super) probe: bool,
    pub(super) held: Held,
}

/// Somebody who waits for a slot.
#[derive(Debug)]
pub(super) struct Asker {
    pub(super) purpose: Purpose,
    pub(super) reply: oneshot::Sender<Result<Slot, NotNow>>,
}

/// The shortest time between two calls that a system may come to, in microseconds.
fn shortest_us(terms: &Terms) -> i64 {
    let share = if terms.adaptive { ADAPT_MOST } else { Share::WHOLE };
    share.stretch(terms.quota.interval_us())
}

/// The most permits that one statement can bring: a burst, and what may start within the margin.
fn most_at_once(terms: &Terms) -> u32 {
    let margin = i64::try_from(terms.quota.margin.as_micros()).unwrap_or(i64::MAX);
    let within = u32::try_from(margin / shortest_us(terms)).unwrap_or(u32::MAX);
    terms.quota.burst.max(1).saturating_add(within)
}

fn smoother(terms: &Terms) -> DefaultDirectRateLimiter {
    let interval = Duration::from_micros(shortest_us(terms).unsigned_abs().max(1));
    let most = NonZeroU32::new(most_at_once(terms)).unwrap_or(NonZeroU32::MIN);
    let steady = governor::Quota::with_period(interval)
        .unwrap_or_else(|| governor::Quota::per_second(NonZeroU32::MIN))
        .allow_burst(most);
    DefaultDirectRateLimiter::direct(steady)
}

/// What this process knows of a closed gate.
#[derive(Debug, Default)]
pub(super) struct Shut(Mutex<Option<ShutUntil>>);

#[derive(Debug, Clone)]
struct ShutUntil {
    until: Instant,
    believed_until: Instant,
    reason: String,
}

impl Shut {
    /// Closed for `length`, of which `believed` without asking again.
    pub(super) fn close(&self, length: Duration, believed: Duration, reason: &str) {
        let (now, length) = (Instant::now(), length.min(CLOSED_MAX));
        let believed_until = now + length.min(believed);
        let shut = ShutUntil { until: now + length, believed_until, reason: reason.to_owned() };
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(shut);
    }

    /// The refusal, while the gate is known to be closed.
    pub(super) fn told(&self) -> Option<NotNow> {
        let now = Instant::now();
        let shut = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let shut = shut.as_ref().filter(|s| now < s.believed_until)?;
        Some(NotNow { after: shut.until - now, why: Why::Closed(shut.reason.clone()) })
    }
}

/// Asks the store and hands out what it grants.
pub(super) struct Desk {
    store: Arc<dyn Pacing + Send + Sync>,
    key: String,
    /// As configured.
    configured: Terms,
    /// With what people set, as of this version.
    terms: Terms,
    version: i64,
    /// How long anybody waits at most.
    max_wait: Duration,
    shut: Arc<Shut>,
    /// In front of the store: this one process asks for no more than all of them together could be granted. A flood
    /// of callers is so held here, without a statement for each, and not more than the system bears leaves this
    /// process whatever the store says.
    smoother: DefaultDirectRateLimiter,
    /// Passes of the smoother for which the store granted nothing yet.
    passed: u32,
    /// Statements that brought nothing, one after the other.
    in_vain: u32,
    line: VecDeque<Asker>,
    /// What this process is called among those that hold places, of how many, and how long its own are its own.
    places: Places,
    held: Count,
    /// As many places are held as there may be: the next statement is worth while when one comes free.
    full: bool,
}

impl Desk {
    pub(super) fn new(store: Arc<dyn Pacing + Send + Sync>, options: &PacerOptions, shut: Arc<Shut>) -> Self {
        let PacerOptions { key, terms, max_wait, holder, lease, .. } = options.clone();
        let (smoother, line) = (smoother(&terms), VecDeque::new());
        let (passed, in_vain, full) = (0, 0, false);
        let most = u32::try_from(options.concurrency.max(1)).unwrap_or(u32::MAX);
        let places = Places { holder, held: 0, most, lease };
        Self {
            store,
            key,
            configured: terms,
            terms,
            version: 0,
            max_wait,
            shut,
            smoother,
            passed,
            in_vain,
            line,
            places,
            held: Count::default(),
            full,
        }
    }

    /// Serves the line until the last pacer is gone.
    pub(super) async fn attend(mut self, mut asked: mpsc::Receiver<Asker>) {
        let mut next_statement = Instant::now();
        loop {
            if self.line.is_empty() {
                tokio::select! {
                    asker = asked.recv() => {
                        let Some(asker) = asker else { break };
                        self.line_up(asker);
                    }
                    () = self.held.fewer_than(self.places.held) => {
                        self.give_back().await;
                        continue;
                    }
                }
            }
            tokio::select! {
                () = sleep_until(next_statement) => {}
                () = self.held.freed(), if self.full => {}
            }
            self.gather(&mut asked);
            let pause = match self.let_pass() {
                // Everybody gave up meanwhile.
                Ok(0) => Duration::ZERO,
                Ok(want) => self.ask(want).await,
                Err(wait) if wait > self.max_wait => {
                    self.refuse(&NotNow::paced(wait));
                    Duration::ZERO
                }
                Err(wait) => wait,
            };
            next_statement = Instant::now() + pause.clamp(STATEMENT_GAP, STATEMENT_PAUSE_MAX);
        }
        self.give_back().await;
    }

    /// Tells the store how many places are held still, when it is told nothing else, and of the day what was not used.
    async fn give_back(&mut self) {
        self.give_back_of_the_day().await;
        if self.places.held > self.held.held() {
            let in_vain = self.in_vain;
            self.ask(0).await;
            self.in_vain = in_vain;
        }
    }

    /// What was granted and not used was charged to the day, and would be missing where a day has few calls.
    async fn give_back_of_the_day(&self) {
        let Some(unused) = self.held.take_unused().filter(|_| self.terms.daily.is_some()) else { return };
        let answer = self.store.give_back_calls(&self.key, unused.calls, unused.since.elapsed());
        // Not again when nobody knows whether it was done: given back twice, they would be calls above the budget.
        let _ = timeout(STATEMENT_TIMEOUT, answer).await;
    }

    /// Takes from the line as many as one statement can serve, without those who gave up.
    fn gather(&mut self, asked: &mut mpsc::Receiver<Asker>) {
        self.line.retain(|asker| !asker.reply.is_closed());
        while self.line.len() < most_at_once(&self.terms) as usize {
            match asked.try_recv() {
                Ok(asker) if asker.reply.is_closed() => {}
                Ok(asker) => self.line_up(asker),
                Err(_) => return,
            }
        }
    }

    /// People stand before what is only planned.
    fn line_up(&mut self, asker: Asker) {
        let at = self.line.partition_point(|other| other.purpose <= asker.purpose);
        self.line.insert(at, asker);
    }

    /// Those at the head of the line who ask for the same purpose.
    fn head(&self) -> Option<(Purpose, u32)> {
        let purpose = self.line.front()?.purpose;
        let count = self.line.iter().take_while(|asker| asker.purpose == purpose).count();
        Some((purpose, u32::try_from(count).unwrap_or(u32::MAX)))
    }

    /// How many of the head of the line may ask the store now, or how long the first has to wait for it.
    fn let_pass(&mut self) -> Result<u32, Duration> {
        let waiting = self.head().map_or(0, |(_, count)| count);
        while self.passed < waiting {
            match self.smoother.check() {
                Ok(()) => self.passed += 1,
                Err(not_until) if self.passed == 0 => {
                    return Err(not_until.wait_time_from(self.smoother.clock().now()));
                }
                Err(_) => break,
            }
        }
        Ok(self.passed.min(waiting))
    }

    /// Asks for `want` permits; returns the pause before the next statement.
    async fn ask(&mut self, want: u32) -> Duration {
        self.give_back_of_the_day().await;
        let asked_at = Instant::now();
        let purpose = self.head().map_or(Purpose::Routine, |(purpose, _)| purpose);
        self.places.held = self.held.held();
        self.full = false;
        let (key, terms, version) = (&self.key, &self.terms, self.version);
        let wish = Wish { key, terms, version, want, purpose, places: Some(self.places) };
        let answer = timeout(STATEMENT_TIMEOUT, self.store.permits(&wish)).await;
        match answer {
            Ok(Ok(Permits::Granted(grant))) => self.hand_out(&grant, asked_at),
            Ok(Ok(Permits::Probe)) => {
                let (start, use_by) = (Instant::now(), asked_at + self.terms.breaker.probe);
                self.places.held += 1;
                self.hand_out_slot(Slot { start, use_by, probe: true, held: self.held.hold(asked_at) });
                Duration::ZERO
            }
            Ok(Ok(Permits::Full)) => {
                self.full = true;
                self.in_vain = self.in_vain.saturating_add(1);
                self.back_off(STATEMENT_GAP, FULL_PAUSE_MAX, rand::random())
            }
            Ok(Ok(Permits::Closed(Closed { left, reason }))) => {
                if purpose == Purpose::Routine {
                    self.shut.close(left, CLOSED_BELIEVED, &reason);
                }
                self.refuse(&NotNow { after: left, why: Why::Closed(reason) });
                Duration::ZERO
            }
            Ok(Ok(Permits::Changed { version, live })) => {
                tracing::info!(system = %self.key, version, ?live, "people have set other limits");
                (self.version, self.terms) = (version, self.configured.with(&live));
                (self.smoother, self.passed) = (smoother(&self.terms), 0);
                Duration::ZERO
            }
            Ok(Err(error)) => self.store_gone(error.to_string()),
            Err(_) => self.store_gone(format!("no answer within {STATEMENT_TIMEOUT:?}")),
        }
    }

    fn store_gone(&mut self, error: String) -> Duration {
        tracing::warn!(system = %self.key, %error, "no permits without the store; calls wait");
        self.refuse(&NotNow { after: STORE_GONE_FOR, why: Why::StoreGone(error) });
        Duration::ZERO
    }

    /// Refuses those at the head of the line and all behind them: who wants more of the day stands before them.
    fn refuse(&mut self, answer: &NotNow) {
        for asker in self.line.drain(..) {
            // Who is gone needs no answer.
            let _ = asker.reply.send(Err(answer.clone()));
        }
    }

    /// Gives a slot to the first who still wants it.
    fn hand_out_slot(&mut self, slot: Slot) {
        let mut slot = Ok(slot);
        while let Some(asker) = self.line.pop_front() {
            match asker.reply.send(slot) {
                Ok(()) => return,
                Err(unwanted) => slot = unwanted,
            }
        }
    }

    /// Hands out the slots; returns how soon more can be had.
    ///
    /// The store's moment of the grant lies between the question and the answer: a slot starts as if it were the
    /// answer, so never early, and ends as if it were the question, so never late.
    fn hand_out(&mut self, grant: &Grant, asked_at: Instant) -> Duration {
        let answered_at = Instant::now();
        self.passed = self.passed.saturating_sub(grant.count);
        self.in_vain = if grant.count == 0 { self.in_vain.saturating_add(1) } else { 0 };
        self.places.held += grant.count;
        for k in 0..grant.count {
            let begins = grant.start_of(k);
            let use_by = asked_at + begins + self.terms.quota.margin;
            let held = self.held.hold(asked_at);
            self.hand_out_slot(Slot { start: answered_at + begins, use_by, probe: false, held });
        }
        if self.line.is_empty() {
            return Duration::ZERO;
        }
        match grant.count {
            0 if grant.retry_in > self.max_wait => {
                self.refuse(&NotNow::paced(grant.retry_in));
                Duration::ZERO
            }
            0 => {
                let most = self.terms.quota.margin * BACK_OFF_MARGINS;
                self.back_off(grant.retry_in, most, rand::random())
            }
            // Half a margin before the next slot is due: early enough to miss none, late enough to get several.
            n => (grant.start_of(n - 1) + grant.spacing).saturating_sub(self.terms.quota.margin / 2),
        }
    }

    /// How long to wait after an answer that brought nothing, when a slot may be free after `retry_in`. Every process that
    /// waits is told the same moment, and most of them come in vain: so each comes at a time of its own, half as often
    /// each time. `chance` is in 0..1.
    fn back_off(&self, retry_in: Duration, most: Duration, chance: f64) -> Duration {
        let most = most.clamp(STATEMENT_GAP, STATEMENT_PAUSE_MAX);
        let doubled = retry_in.max(STATEMENT_GAP) * 2_u32.pow(self.in_vain.min(10));
        // Never before a slot may be free.
        retry_in.max(doubled.min(most).mul_f64(0.5 + chance / 2.0))
    }
}
