//! Parcels asked about at their carrier's system: paced, side by side, merged in sets.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use forebay_carriers::{Answered, Asked, Carrier, CarrierError, Push};
use forebay_domain::daily::Purpose;
use forebay_domain::parcel::Lookup;
use forebay_domain::{Clock, Outcome};
use forebay_outbound::{Breaker, Pacer};
use forebay_schemas::events::{CheckParcels, ParcelStatus};
use forebay_schemas::{Code, Payload};
use forebay_store::{CheckDone, Handled, PushDone, Store};
use forebay_telemetry::Metrics;
use forebay_worker::{Failure, Handler, Inbound, Shape};
use futures::future::join_all;
use uuid::Uuid;

use crate::answers;
use crate::asking::{Ask, Asking, Call, Doubt};
use crate::codes::UnmappedCodes;
use crate::halving::{Halving, Refused};
use crate::pushes::PushReader;

/// The consumer's name in the inbox.
pub const CONSUMER: &str = "tracking";
/// For so long a refused batch is halved; its message has a deadline.
const HALVE_WITHIN: Duration = Duration::from_secs(15);
/// How often a message is tried that is about one parcel of which the carrier fails to tell, or that the carrier
/// refuses as a whole.
const PARCEL_TRIES: u32 = 3;
/// Pushes are asked for only so soon after the message was begun: it has a deadline.
const SUBSCRIBE_WITHIN: Duration = Duration::from_secs(25);
/// Pushes that are asked for still for this share of the time for which they can be are not asked for again. A parcel
/// that is pushed is looked at once a day, so that it is more than a day of two.
const SUBSCRIBED_ENOUGH: f64 = 0.75;
/// How long a parcel is left alone of which the carrier has told enough for a while.
const PARCEL_PAUSE: Duration = Duration::from_secs(3600);

/// Asks one carrier's system.
#[derive(Debug)]
pub struct Tracking {
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    asking: Asking,
    codes: UnmappedCodes,
    metrics: Metrics,
    concurrency: usize,
    pushes: Option<PushReader>,
}

/// The parcels of a check message by their ids: to be asked about, and known without asking.
type Checked = (Vec<(Uuid, Asked)>, Vec<(Uuid, Lookup)>);

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
        let id = carrier.id().clone();
        let codes = UnmappedCodes::of(id, Arc::clone(&store), Arc::clone(&clock), metrics.clone());
        let asking = Asking { clock: Arc::clone(&clock), carrier, pacer, breaker, doubt: Doubt::default() };
        Self { store, clock, asking, codes, metrics, concurrency: concurrency.max(1), pushes: None }
    }

    /// Applies what the carrier's system pushes as well: earlier releases put pushes into the queue of the carrier.
    #[must_use]
    pub fn with_pushes(self, push: Arc<dyn Push>) -> Self {
        let pushes = PushReader::new(push, self.codes.clone(), self.metrics.clone());
        Self { pushes: Some(pushes), ..self }
    }

    async fn look(&self, inbound: &Inbound) -> Looked {
        if let (Payload::ParcelPushed(pushed), Some(pushes)) = (&inbound.payload, &self.pushes) {
            return pushes.read(inbound, pushed).map_or_else(Looked::Not, Looked::Pushed);
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
            match self.asking.ask(group, purpose, Call::Track).await {
                Ask::Told(answers) => {
                    halving.answered();
                    match self.registered(answers, purpose).await {
                        Ok(answers) => told.extend(answers),
                        Err(outcome) => return Looked::Not(outcome),
                    }
                }
                Ask::Refused(group, error) if self.clock.now() < begun + HALVE_WITHIN => {
                    match halving.refused(group) {
                        Refused::Halved => {}
                        Refused::Alone(parcel) => alone.push((parcel, error)),
                        Refused::All => return self.refused(inbound, all, known, &error),
                    }
                }
                // What is not asked about now comes again in its turn.
                Ask::Refused(..) | Ask::Not(_) if halving.is_answered() => break,
                Ask::Refused(_, error) => return self.refused(inbound, all, known, &error),
                Ask::Not(outcome) => return Looked::Not(outcome),
            }
        }
        if let (false, Some((_, error))) = (halving.is_answered(), alone.first()) {
            return self.refused(inbound, all, known, error);
        }
        // Its neighbours were answered, so that it is this number.
        let invalid = alone.into_iter().map(|((id, asked), _)| {
            (id, Answered { asked, outcome: Ok(Lookup::InvalidNumber), unmapped: Vec::new() })
        });
        told.extend(invalid);
        if self.clock.now() < begun + SUBSCRIBE_WITHIN {
            self.subscribe(&told, purpose).await;
        }
        let untold = all.into_iter().filter(|id| !told.iter().any(|(answered, _)| answered == id));
        known.extend(untold.map(|id| (id, Lookup::NotTold)));
        self.sort(inbound, told, known)
    }

    /// The answers, of which those about parcels that their system does not follow yet come from having it follow them.
    async fn registered(
        &self,
        answers: Vec<(Uuid, Answered)>,
        purpose: Purpose,
    ) -> Result<Vec<(Uuid, Answered)>, Outcome> {
        let unheard_of = |answered: &Answered| answered.outcome == Err(CarrierError::Unregistered);
        let (unheard_of, mut told): (Vec<_>, Vec<_>) =
            answers.into_iter().partition(|(_, answered)| unheard_of(answered));
        for (id, Answered { asked, .. }) in unheard_of {
            match self.asking.ask(vec![(id, asked)], purpose, Call::Register).await {
                Ask::Told(answers) => told.extend(answers),
                Ask::Refused(group, error) => told.extend(group.into_iter().map(|(id, asked)| {
                    (id, Answered { asked, outcome: Err(error.clone()), unmapped: Vec::new() })
                })),
                Ask::Not(outcome) => return Err(outcome),
            }
        }
        Ok(told)
    }

    /// Has the system push what becomes of these parcels, where it has to be asked to and has not been for long enough. A
    /// parcel for which that fails is asked about as before, and it is tried again then.
    async fn subscribe(&self, told: &[(Uuid, Answered)], purpose: Purpose) {
        let Some(length) = self.asking.carrier.subscription() else { return };
        let goes_on = |answered: &Answered| match &answered.outcome {
            Ok(Lookup::Found(snapshot)) => !snapshot.status.is_some_and(ParcelStatus::is_final),
            Ok(Lookup::NotYetKnown) => true,
            _ => false,
        };
        let open: Vec<Uuid> = told.iter().filter(|(_, one)| goes_on(one)).map(|(id, _)| *id).collect();
        if open.is_empty() {
            return;
        }
        // It is asked for again at a look that is due anyway, well before it ends.
        let (now, until) = (self.clock.now(), self.clock.now() + length);
        let due = match self.store.unsubscribed(&open, now + length.mul_f64(SUBSCRIBED_ENOUGH)).await {
            Ok(due) => due,
            Err(error) => return tracing::debug!(%error, "which parcels are pushed can't be told at present"),
        };
        let mut subscribed = Vec::new();
        for (id, answered) in told.iter().filter(|(id, _)| due.contains(id)) {
            if self.asking.subscribe(&answered.asked, until, purpose).await {
                subscribed.push(*id);
            }
        }
        if subscribed.is_empty() {
            return;
        }
        if let Err(error) = self.store.subscribed(&subscribed, until).await {
            tracing::debug!(%error, "that parcels are pushed could not be noted; it is asked for again");
        }
    }

    /// What it means that the carrier refused the question and nothing tells which parcel it is. A parcel that was asked
    /// about alone can be nothing but refused; several are tried again, and then left to the plan.
    fn refused(
        &self,
        inbound: &Inbound,
        all: Vec<Uuid>,
        mut known: Vec<(Uuid, Lookup)>,
        error: &CarrierError,
    ) -> Looked {
        if all.len() == 1 {
            return Looked::Not(self.not_told(error));
        }
        if inbound.trail.attempts + 1 < PARCEL_TRIES {
            return Looked::Not(Outcome::retry(error.code(), error.to_string()));
        }
        tracing::warn!(adapter = %self.asking.carrier.id(), parcels = all.len(), %error, "refused as a whole");
        known.extend(all.into_iter().map(|id| (id, Lookup::NotTold)));
        Looked::Answered(CheckDone { identity: answers::identity(CONSUMER, inbound), lookups: known })
    }

    /// The parcels to ask about, and those whose number can't be one of their carrier's: nobody is asked about them.
    fn checked(&self, check: &CheckParcels) -> Checked {
        let (mut asked, mut refused) = (Vec::new(), Vec::new());
        for parcel in &check.parcels {
            match self.asking.carrier.check_number(&parcel.carrier, &parcel.tracking_number) {
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
            self.codes.count(&answered.unmapped);
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
                tracing::warn!(%parcel_id, adapter = %self.asking.carrier.id(), %error, "nothing is told of a parcel");
            }
            Some((_, error)) if lookups.is_empty() => return Looked::Not(self.not_told(error)),
            _ => {}
        }
        lookups.extend(failed.into_iter().map(|(parcel_id, _)| (parcel_id, Lookup::NotTold)));
        Looked::Answered(CheckDone { identity: answers::identity(CONSUMER, inbound), lookups })
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
        self.codes.tell().await;
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
