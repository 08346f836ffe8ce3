//! Parcels asked about at their carrier's system: paced, side by side, merged in sets.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use forebay_carriers::{Answered, Asked, Carrier, CarrierError, Push};
use forebay_domain::breaker::CallEnd;
use forebay_domain::daily::Purpose;
use forebay_domain::parcel::Lookup;
use forebay_domain::{Clock, Outcome};
use forebay_outbound::{Breaker, Pacer, Permit};
use forebay_schemas::events::CheckParcels;
use forebay_schemas::{Code, Payload};
use forebay_store::{CheckDone, Closing, Handled, PushDone, Store};
use forebay_telemetry::Metrics;
use forebay_worker::{Failure, Handler, Inbound, Shape};
use futures::future::join_all;
use uuid::Uuid;

use crate::answers;
use crate::halving::{Halving, Refused};
use crate::pushes::Pushes;

/// The consumer's name in the inbox.
pub const CONSUMER: &str = "tracking";
/// How long a message is put off whose carrier's breaker is open: its copies come back to a queue that is left alone.
const OPEN_PAUSE: Duration = Duration::from_secs(5);
/// How long a system is left alone whose quota is spent, when neither it nor the configuration says until when.
const QUOTA_PAUSE: Duration = Duration::from_secs(600);
/// How long a system is left alone that asked for it without saying how long.
const RATE_PAUSE: Duration = Duration::from_secs(10);
/// How long a call is put off whose token was refused, until there is a new one.
const TOKEN_PAUSE: Duration = Duration::from_secs(1);
/// For so long a refused batch is halved; its message has a deadline.
const HALVE_WITHIN: Duration = Duration::from_secs(15);
/// How often a message is tried that is about one parcel of which the carrier fails to tell.
const PARCEL_TRIES: u32 = 3;
/// How long a parcel is left alone of which the carrier has told enough for a while.
const PARCEL_PAUSE: Duration = Duration::from_secs(3600);

/// Asks one carrier's system.
#[derive(Debug)]
pub struct Tracking {
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    carrier: Arc<dyn Carrier>,
    pacer: Pacer,
    breaker: Breaker,
    metrics: Metrics,
    concurrency: usize,
    pushes: Option<Pushes>,
}

/// The parcels of a check message by their ids: to be asked about, and known without asking.
type Checked = (Vec<(Uuid, Asked)>, Vec<(Uuid, Lookup)>);

/// What came of one call.
enum Ask {
    Told(Vec<(Uuid, Answered)>),
    Refused(Vec<(Uuid, Asked)>, CarrierError),
    Not(Outcome),
}

/// What came of one message, before it is stored.
enum Looked {
    Answered(CheckDone),
    Pushed(PushDone),
    Not(Outcome),
}

impl Tracking {
    /// Asks `carrier` at the pace of `pacer`, up to `concurrency` calls at once, and tells `breaker` how that went.
    #[must_use]
    pub fn new(
        store: Arc<dyn Store>,
        clock: Arc<dyn Clock>,
        carrier: Arc<dyn Carrier>,
        pacer: Pacer,
        breaker: Breaker,
        metrics: Metrics,
        concurrency: usize,
    ) -> Self {
        Self { store, clock, carrier, pacer, breaker, metrics, concurrency: concurrency.max(1), pushes: None }
    }

    /// Applies what the carrier's system pushes as well.
    #[must_use]
    pub fn with_pushes(self, push: Arc<dyn Push>) -> Self {
        let pushes = Pushes::new(push, self.metrics.clone());
        Self { pushes: Some(pushes), ..self }
    }

    async fn look(&self, inbound: &Inbound) -> Looked {
        if let (Payload::ParcelPushed(pushed), Some(pushes)) = (&inbound.payload, &self.pushes) {
            return pushes.read(CONSUMER, inbound, pushed).map_or_else(Looked::Not, Looked::Pushed);
        }
        let Payload::CheckParcels(check) = &inbound.payload else {
            return Looked::Not(Outcome::reject(
                Code::Rejected,
                "this type is not handled in a queue of tracking",
            ));
        };
        let purpose = if check.for_person { Purpose::Person } else { Purpose::Routine };
        let (asked, mut known) = self.checked(check);
        if asked.is_empty() {
            return self.sort(inbound, Vec::new(), known);
        }
        let all: Vec<Uuid> = asked.iter().map(|(id, _)| *id).collect();
        let (mut told, mut alone) = (Vec::new(), Vec::new());
        let (mut halving, begun) = (Halving::new(asked), self.clock.now());
        while let Some(group) = halving.next() {
            match self.ask(group, purpose).await {
                Ask::Told(answers) => {
                    halving.answered();
                    told.extend(answers);
                }
                Ask::Refused(group, error) if self.clock.now() < begun + HALVE_WITHIN => {
                    match halving.refused(group) {
                        Refused::Halved => {}
                        Refused::Alone(parcel) => alone.push((parcel, error)),
                        Refused::All => return Looked::Not(self.not_told(&error)),
                    }
                }
                // What is not asked about now comes again in its turn.
                Ask::Refused(..) | Ask::Not(_) if halving.is_answered() => break,
                Ask::Refused(_, error) => return Looked::Not(self.not_told(&error)),
                Ask::Not(outcome) => return Looked::Not(outcome),
            }
        }
        for ((id, asked), error) in alone {
            // Its neighbours were answered, so that it is this number.
            let outcome = if halving.is_answered() { Ok(Lookup::InvalidNumber) } else { Err(error) };
            told.push((id, Answered { asked, outcome, unmapped: Vec::new() }));
        }
        let untold = all.into_iter().filter(|id| !told.iter().any(|(answered, _)| answered == id));
        known.extend(untold.map(|id| (id, Lookup::NotTold)));
        self.sort(inbound, told, known)
    }

    /// One call about these parcels, with a permit of its own.
    async fn ask(&self, group: Vec<(Uuid, Asked)>, purpose: Purpose) -> Ask {
        let permit = match self.pacer.permit_for(purpose).await {
            Ok(permit) => permit,
            Err(not_now) => {
                let after = self.breaker.open_for().map_or(not_now.after, |_| not_now.after.min(OPEN_PAUSE));
                let until = self.clock.now() + after;
                return Ask::Not(Outcome::Defer { until, why: not_now.why.as_str() });
            }
        };
        let (ids, asked): (Vec<Uuid>, Vec<Asked>) = group.into_iter().unzip();
        let answer = self.carrier.track(&asked).await;
        let error = answer.as_ref().map_or_else(Some, |answers| self.failed(answers));
        let (fails, open) = (error.is_some(), self.tell(&permit, error, asked.len()).await);
        drop(permit);
        match answer {
            Ok(_) if fails && open.is_some() => {
                Ask::Not(self.defer(OPEN_PAUSE, "the carrier's breaker is open"))
            }
            // The adapter answers for each parcel in the order in which it was asked.
            Ok(answers) => Ask::Told(ids.into_iter().zip(answers).collect()),
            Err(error @ CarrierError::Rejected { .. }) if open.is_none() => {
                Ask::Refused(ids.into_iter().zip(asked).collect(), error)
            }
            Err(error) => Ask::Not(self.refused(&error, open).await),
        }
    }

    /// Tells the breaker how a call about so many parcels ended, and answers for how long nobody is to call.
    async fn tell(&self, permit: &Permit, error: Option<&CarrierError>, parcels: usize) -> Option<Duration> {
        let end = match error {
            // A question about one parcel that is refused as such: something is set up wrongly, here or there.
            Some(CarrierError::Rejected { .. }) if parcels == 1 => CallEnd::Failed,
            None | Some(CarrierError::Rejected { .. } | CarrierError::TokenRefused) => CallEnd::Well,
            // It is there, and wants less: that is the gate's business.
            Some(CarrierError::RateLimited { .. } | CarrierError::QuotaExhausted { .. }) => {
                if !permit.is_probe() {
                    return None;
                }
                CallEnd::Well
            }
            Some(CarrierError::Transient(_) | CarrierError::Malformed(_)) => CallEnd::Failed,
            Some(CarrierError::Auth(_)) => CallEnd::Denied,
        };
        let why = error.map(CarrierError::to_string).unwrap_or_default();
        let open = self.breaker.count(end, &why, permit.is_probe()).await;
        // A probe that failed is not its message's fault, whatever is known of the breaker.
        open.or_else(|| (permit.is_probe() && end != CallEnd::Well).then_some(OPEN_PAUSE))
    }

    /// The parcels to ask about, and those whose number can't be one of their carrier's: nobody is asked about them.
    fn checked(&self, check: &CheckParcels) -> Checked {
        let (mut asked, mut refused) = (Vec::new(), Vec::new());
        for parcel in &check.parcels {
            match self.carrier.check_number(&parcel.carrier, &parcel.tracking_number) {
                Ok(_) => {
                    let (carrier, number) = (parcel.carrier.clone(), parcel.tracking_number.clone());
                    asked.push((parcel.parcel_id, Asked { carrier, number }));
                }
                Err(fault) => {
                    tracing::warn!(parcel_id = %parcel.parcel_id, carrier = %parcel.carrier, %fault, "not asked about");
                    refused.push((parcel.parcel_id, Lookup::InvalidNumber));
                }
            }
        }
        (asked, refused)
    }

    /// Puts what is known of each parcel beside its id. One parcel without an answer costs the message an attempt
    /// only when it is the only one, and not for ever: the plan asks again about it in its turn.
    fn sort(
        &self,
        inbound: &Inbound,
        answers: Vec<(Uuid, Answered)>,
        mut lookups: Vec<(Uuid, Lookup)>,
    ) -> Looked {
        let mut failed = Vec::new();
        for (parcel_id, answered) in answers {
            if !answered.unmapped.is_empty() {
                let counter = self.metrics.unmapped_codes.with_label_values(&[self.carrier.id().as_str()]);
                counter.inc_by(answered.unmapped.len() as u64);
                tracing::warn!(adapter = %self.carrier.id(), codes = ?answered.unmapped, "codes without a status");
            }
            match answered.outcome {
                Ok(lookup) => lookups.push((parcel_id, lookup)),
                Err(error) => failed.push((parcel_id, error)),
            }
        }
        let tried = inbound.trail.attempts + 1 >= PARCEL_TRIES;
        let later = |error: &CarrierError| {
            matches!(error, CarrierError::Transient(_) | CarrierError::Malformed(_)) && tried
        };
        match failed.first() {
            Some((parcel_id, error)) if lookups.is_empty() && failed.len() == 1 && later(error) => {
                tracing::warn!(%parcel_id, adapter = %self.carrier.id(), %error, "nothing is told of a parcel");
            }
            Some((_, error)) if lookups.is_empty() => return Looked::Not(self.not_told(error)),
            _ => {}
        }
        lookups.extend(failed.into_iter().map(|(parcel_id, _)| (parcel_id, Lookup::NotTold)));
        Looked::Answered(CheckDone { identity: answers::identity(CONSUMER, inbound), lookups })
    }

    /// What a carrier's failure means for the message; some of them close the gate for the whole fleet first. While
    /// the breaker is open a failure costs no attempt.
    async fn refused(&self, error: &CarrierError, open: Option<Duration>) -> Outcome {
        match error {
            CarrierError::Auth(_) => self.defer(OPEN_PAUSE, "the carrier refuses our credentials"),
            CarrierError::QuotaExhausted { retry_after } => {
                let pause = retry_after.unwrap_or_else(|| self.until_reset());
                self.shut(pause, "the carrier's quota is spent", Closing::Other).await
            }
            CarrierError::RateLimited { retry_after } => {
                let pause = retry_after.unwrap_or(RATE_PAUSE);
                self.shut(pause, "the carrier asked for a pause", Closing::TooFast).await
            }
            CarrierError::TokenRefused => self.defer(TOKEN_PAUSE, "the carrier's token was renewed"),
            CarrierError::Transient(_) | CarrierError::Malformed(_) | CarrierError::Rejected { .. }
                if open.is_some() =>
            {
                self.defer(OPEN_PAUSE, "the carrier's breaker is open")
            }
            CarrierError::Rejected { .. } => Outcome::reject(error.code(), error.to_string()),
            CarrierError::Transient(_) | CarrierError::Malformed(_) => {
                Outcome::retry(error.code(), error.to_string())
            }
        }
    }

    /// How long the carrier's day still is, as far as it is configured.
    fn until_reset(&self) -> Duration {
        let now = self.clock.now();
        let until = self.pacer.terms().daily.map(|daily| daily.reset.day_of(now).1);
        until.and_then(|until| (until - now).to_std().ok()).unwrap_or(QUOTA_PAUSE)
    }

    fn defer(&self, after: Duration, why: &'static str) -> Outcome {
        Outcome::Defer { until: self.clock.now() + after, why }
    }

    /// What one parcel's own failure means for the message. It says nothing of the system, so the gate stays open.
    fn not_told(&self, error: &CarrierError) -> Outcome {
        match error {
            CarrierError::RateLimited { retry_after } => {
                let until = self.clock.now() + retry_after.unwrap_or(PARCEL_PAUSE);
                Outcome::Defer { until, why: "the carrier has told enough of this parcel" }
            }
            CarrierError::Rejected { .. } => Outcome::reject(error.code(), error.to_string()),
            _ => Outcome::retry(error.code(), error.to_string()),
        }
    }

    async fn apply(&self, pushed: Vec<PushDone>) -> Result<Vec<Handled>, Failure> {
        let Some(pushes) = self.pushes.as_ref().filter(|_| !pushed.is_empty()) else { return Ok(Vec::new()) };
        let applied = self.store.apply_pushes(pushed, self.clock.now()).await.map_err(answers::failure)?;
        pushes.count(&applied.tally);
        Ok(applied.handled)
    }

    async fn shut(&self, pause: Duration, why: &'static str, closing: Closing) -> Outcome {
        if let Err(error) = self.pacer.penalise(pause, why, closing).await {
            tracing::warn!(%error, why, "the fleet could not be told to leave a carrier alone; this process does");
        }
        self.defer(pause, why)
    }

    /// The failure of a call that was answered, but with nothing to go by for any parcel. One parcel's own failure says
    /// nothing of the system, unless that is how the system fails.
    fn failed<'a>(&self, answers: &'a [Answered]) -> Option<&'a CarrierError> {
        if answers.len() == 1 && !self.carrier.fails_by_parcel() {
            return None;
        }
        let failure = |answered: &Answered| {
            matches!(answered.outcome, Err(CarrierError::Transient(_) | CarrierError::Malformed(_)))
        };
        let first = answers.first()?;
        answers.iter().all(failure).then_some(())?;
        first.outcome.as_ref().err()
    }
}

/// Where a message's outcome comes from.
enum Place {
    Checks,
    Pushes,
    Settled(Outcome),
}

#[async_trait]
impl Handler for Tracking {
    fn shape(&self) -> Shape {
        let linger = Duration::from_millis(20);
        // Two batches in hand: while one is being stored the other one calls.
        Shape { batch: self.concurrency, linger, concurrency: 2, deadline: Duration::from_secs(60) }
    }

    async fn handle(&self, batch: Vec<Inbound>) -> Result<Vec<Outcome>, Failure> {
        let looked = join_all(batch.iter().map(|inbound| self.look(inbound))).await;
        let (mut done, mut pushed) = (Vec::with_capacity(looked.len()), Vec::new());
        let mut places = Vec::with_capacity(looked.len());
        for one in looked {
            places.push(match one {
                Looked::Answered(check) => {
                    done.push(check);
                    Place::Checks
                }
                Looked::Pushed(push) => {
                    pushed.push(push);
                    Place::Pushes
                }
                Looked::Not(outcome) => Place::Settled(outcome),
            });
        }
        let applied = if done.is_empty() {
            Vec::new()
        } else {
            self.store.apply_checks(done, self.clock.now()).await.map_err(answers::failure)?
        };
        let mut applied = applied.into_iter().map(answers::outcome);
        let mut merged = self.apply(pushed).await?.into_iter().map(answers::outcome);
        let outcome = |place| match place {
            Place::Checks => applied.next().unwrap_or_else(answers::unanswered),
            Place::Pushes => merged.next().unwrap_or_else(answers::unanswered),
            Place::Settled(outcome) => outcome,
        };
        Ok(places.into_iter().map(outcome).collect())
    }
}
