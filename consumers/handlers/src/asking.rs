//! One call to a carrier's system: with a permit of its own, and its end told to the breaker.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use chrono::{DateTime, Utc};
use forebay_carriers::{Answered, Asked, Carrier, CarrierError};
use forebay_domain::breaker::CallEnd;
use forebay_domain::daily::Purpose;
use forebay_domain::{Clock, Outcome};
use forebay_outbound::{Breaker, Pacer, Permit};
use forebay_store::Closing;
use uuid::Uuid;

/// How long a message is put off whose carrier's breaker is open: its copies come back to a queue that is left alone.
const OPEN_PAUSE: Duration = Duration::from_secs(5);
/// How long a system is left alone whose quota is spent, when neither it nor the configuration says until when.
const QUOTA_PAUSE: Duration = Duration::from_secs(600);
/// How long a system is left alone that asked for it without saying how long.
const RATE_PAUSE: Duration = Duration::from_secs(10);
/// How long a call is put off whose token was refused, until there is a new one.
const TOKEN_PAUSE: Duration = Duration::from_secs(1);
/// From so many parcels on of which nothing was told one after the other it may be the system.
const IN_DOUBT: usize = 3;

/// Makes calls to one system.
#[derive(Debug)]
pub(crate) struct Asking {
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) carrier: Arc<dyn Carrier>,
    pub(crate) pacer: Pacer,
    pub(crate) breaker: Breaker,
    pub(crate) doubt: Doubt,
}

/// Which call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Call {
    /// Where are they?
    Track,
    /// Follow them.
    Register,
}

/// What came of one call.
pub(crate) enum Ask {
    /// Each parcel's answer.
    Told(Vec<(Uuid, Answered)>),
    /// The question was refused as such.
    Refused(Vec<(Uuid, Asked)>, CarrierError),
    /// What that means for the message.
    Not(Outcome),
}

/// The parcels of which a system failed to tell since it last told of any. Where it says of one parcel's trouble what it
/// says of its own, one parcel alone is no sign of anything, however often it is asked about.
#[derive(Debug, Default)]
pub(crate) struct Doubt(Mutex<BTreeSet<Asked>>);

impl Doubt {
    /// It told of a parcel.
    fn told(&self) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    /// It failed to tell of these. Answers whether it may be the system.
    fn failed<'a>(&self, asked: impl Iterator<Item = &'a Asked>) -> bool {
        let mut parcels = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for one in asked {
            if parcels.len() < IN_DOUBT {
                parcels.insert(one.clone());
            }
        }
        parcels.len() >= IN_DOUBT
    }
}

impl Asking {
    /// One call about these parcels.
    pub(crate) async fn ask(&self, group: Vec<(Uuid, Asked)>, purpose: Purpose, call: Call) -> Ask {
        // What a call needs is had before its permit, which is good for a moment only. If it can't be had, that is how
        // the call ends: it takes a permit all the same, which may be the probe. A system that is left alone is not asked
        // for a token either.
        let left_alone = self.breaker.open_for().is_some();
        let ready = if left_alone { Ok(()) } else { self.carrier.ready().await };
        let permit = match self.permit(purpose).await {
            Ok(permit) => permit,
            Err(outcome) => return Ask::Not(outcome),
        };
        let (ids, asked): (Vec<Uuid>, Vec<Asked>) = group.into_iter().unzip();
        let answer = match (ready, call) {
            (Err(error), _) => Err(error),
            (Ok(()), Call::Track) => self.carrier.track(&asked).await,
            (Ok(()), Call::Register) => self.carrier.register(&asked).await,
        };
        let error = answer.as_ref().map_or_else(Some, |answers| self.failed(answers, permit.is_probe()));
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

    /// One call by which the system is to push what becomes of a parcel until then.
    pub(crate) async fn subscribe(&self, asked: &Asked, until: DateTime<Utc>, purpose: Purpose) -> bool {
        if self.carrier.ready().await.is_err() {
            return false;
        }
        let Ok(permit) = self.permit(purpose).await else { return false };
        let answer = self.carrier.subscribe(asked, until).await;
        let error = answer.as_ref().err();
        let open = self.tell(&permit, error, 1).await;
        drop(permit);
        if let Some(error) = error {
            tracing::warn!(adapter = %self.carrier.id(), %error, "pushes of a parcel could not be asked for");
            if matches!(error, CarrierError::RateLimited { .. } | CarrierError::QuotaExhausted { .. }) {
                // Closes the gate; there is no message to be put off.
                let _ = self.refused(error, open).await;
            }
        }
        error.is_none()
    }

    async fn permit(&self, purpose: Purpose) -> Result<Permit, Outcome> {
        self.pacer.permit_for(purpose).await.map_err(|not_now| {
            let after = self.breaker.open_for().map_or(not_now.after, |_| not_now.after.min(OPEN_PAUSE));
            Outcome::Defer { until: self.clock.now() + after, why: not_now.why.as_str() }
        })
    }

    /// Tells the breaker how a call about so many parcels ended, and answers for how long nobody is to call.
    async fn tell(&self, permit: &Permit, error: Option<&CarrierError>, parcels: usize) -> Option<Duration> {
        let end = match error {
            // A question about one parcel that is refused as such: something is set up wrongly, here or there.
            Some(CarrierError::Rejected { .. }) if parcels == 1 => CallEnd::Failed,
            None
            | Some(CarrierError::Rejected { .. } | CarrierError::TokenRefused | CarrierError::Unregistered) => {
                CallEnd::Well
            }
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

    /// The failure of a call that was answered, but with nothing to go by for any parcel. One parcel's own failure says
    /// nothing of the system, unless that is how the system fails: then it is in doubt once it failed for some parcels
    /// one after the other, and a probe that brings nothing else has found it as it was.
    fn failed<'a>(&self, answers: &'a [Answered], probe: bool) -> Option<&'a CarrierError> {
        let failure = |answered: &&Answered| {
            matches!(answered.outcome, Err(CarrierError::Transient(_) | CarrierError::Malformed(_)))
        };
        let first = answers.first()?;
        if !answers.iter().all(|answered| failure(&answered)) {
            self.doubt.told();
            return None;
        }
        let by_parcel = self.carrier.fails_by_parcel();
        let doubtful = if by_parcel {
            self.doubt.failed(answers.iter().map(|answered| &answered.asked)) || probe
        } else {
            answers.len() > 1
        };
        doubtful.then_some(())?;
        first.outcome.as_ref().err()
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
            CarrierError::Transient(_) | CarrierError::Malformed(_) | CarrierError::Unregistered => {
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

    async fn shut(&self, pause: Duration, why: &'static str, closing: Closing) -> Outcome {
        if let Err(error) = self.pacer.penalise(pause, why, closing).await {
            tracing::warn!(%error, why, "the fleet could not be told to leave a carrier alone; this process does");
        }
        self.defer(pause, why)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parcel(n: u32) -> Asked {
        Asked { carrier: "cj".parse().unwrap(), number: format!("60000000000{n}").parse().unwrap() }
    }

    #[test]
    fn one_parcel_alone_puts_no_system_in_doubt() {
        let doubt = Doubt::default();
        for _ in 0..20 {
            assert!(!doubt.failed([parcel(1)].iter()));
        }
        assert!(!doubt.failed([parcel(2)].iter()));
        assert!(doubt.failed([parcel(3)].iter()), "the third one");
        doubt.told();
        assert!(!doubt.failed([parcel(4)].iter()), "it told of a parcel meanwhile");
    }
}
