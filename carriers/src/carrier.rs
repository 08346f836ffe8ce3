//! What every adapter can do.

use std::collections::BTreeSet;
use std::fmt;
use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, NaiveTime, Utc};
use forebay_domain::pacing::Quota;
use forebay_domain::parcel::Lookup;
use forebay_outbound::Answer;
use forebay_schemas::{AdapterId, CarrierCode, TrackingNumber};
use http::HeaderMap;

use crate::error::CarrierError;
use crate::numbers::{self, NumberFault};

/// One parcel that is asked about.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Asked {
    /// Who carries it.
    pub carrier: CarrierCode,
    /// Its number there.
    pub number: TrackingNumber,
}

/// What came back for one parcel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answered {
    /// The parcel that was asked about.
    pub asked: Asked,
    /// What the carrier said of it, or why that can't be told. An error here is this parcel's alone.
    pub outcome: Result<Lookup, CarrierError>,
    /// Codes in the answer that have no meaning of ours, each once; to be counted by the caller.
    pub unmapped: Vec<String>,
}

impl Answered {
    /// This parcel's own failure.
    pub(crate) fn error(asked: &Asked, error: CarrierError) -> Self {
        Self { asked: asked.clone(), outcome: Err(error), unmapped: Vec::new() }
    }

    /// What was told without anything odd in it.
    pub(crate) fn told(asked: &Asked, lookup: Lookup) -> Self {
        Self { asked: asked.clone(), outcome: Ok(lookup), unmapped: Vec::new() }
    }
}

/// Most codes without a meaning that are reported of one answer, and most characters of one.
const UNMAPPED_MAX: usize = 20;
const UNMAPPED_CHARS: usize = 60;

/// Codes without a meaning of ours, each once.
#[derive(Debug, Default)]
pub(crate) struct Unmapped(BTreeSet<String>);

impl Unmapped {
    /// A code of this kind; without a code, something of this kind that can't be read.
    pub(crate) fn insert(&mut self, kind: &str, code: Option<String>) {
        let visible = |c: char| if c.is_ascii_graphic() || c.is_alphanumeric() { c } else { '_' };
        let code = code.map(|code| code.chars().take(UNMAPPED_CHARS).map(visible).collect::<String>());
        if self.0.len() < UNMAPPED_MAX {
            self.0.insert(code.map_or_else(|| kind.to_owned(), |code| format!("{kind}:{code}")));
        }
    }

    pub(crate) fn into_codes(self) -> Vec<String> {
        self.0.into_iter().collect()
    }
}

/// What an outside system bears and how long it may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Most parcels of one call.
    pub max_batch: usize,
    /// Most calls, from all workers together.
    pub quota: Quota,
    /// The time for one call.
    pub timeout: Duration,
}

/// An answer as it came over the wire.
#[derive(Clone, Copy)]
pub struct Received<'a> {
    /// The HTTP status.
    pub status: u16,
    /// How long the system asks to be left alone.
    pub retry_after: Option<Duration>,
    /// The headers.
    pub headers: &'a HeaderMap,
    /// The body.
    pub body: &'a [u8],
}

impl<'a> Received<'a> {
    /// An answer of the client.
    #[must_use]
    pub fn of(answer: &'a Answer) -> Self {
        Self {
            status: answer.status,
            retry_after: answer.retry_after,
            headers: answer.headers(),
            body: &answer.body,
        }
    }
}

impl Received<'_> {
    /// When it was answered, if the answer says so. Its own clock is the one that counts for what it says.
    pub(crate) fn date(&self) -> Option<DateTime<Utc>> {
        let text = self.headers.get(http::header::DATE)?.to_str().ok()?;
        DateTime::parse_from_rfc2822(text.trim()).ok().map(|at| at.with_timezone(&Utc))
    }

    /// How long it is until midnight GMT.
    pub(crate) fn until_midnight(&self) -> Option<Duration> {
        let now = self.date()?;
        let midnight = now.date_naive().succ_opt()?.and_time(NaiveTime::MIN).and_utc();
        (midnight - now).to_std().ok()
    }
}

/// Neither headers nor body: both may be personal.
impl fmt::Debug for Received<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bytes = self.body.len();
        f.debug_struct("Received")
            .field("status", &self.status)
            .field("bytes", &bytes)
            .finish_non_exhaustive()
    }
}

/// An outside system that knows of parcels.
#[async_trait]
pub trait Carrier: Send + Sync + std::fmt::Debug {
    /// Its id, which names its queue and its quota.
    fn id(&self) -> &AdapterId;

    /// The carriers whose parcels it knows.
    fn serves(&self) -> &[CarrierCode];

    /// What it bears.
    fn limits(&self) -> Limits;

    /// When it is down it says so of each parcel, in an answer that looks like one about that parcel.
    fn fails_by_parcel(&self) -> bool {
        false
    }

    /// The number as the carrier writes it, unless it can't be one of that carrier's. Offline and free; a number that
    /// fails is never asked about.
    ///
    /// # Errors
    /// [`NumberFault`], which names the rule that the number breaks.
    fn check_number(
        &self,
        carrier: &CarrierCode,
        number: &TrackingNumber,
    ) -> Result<TrackingNumber, NumberFault> {
        numbers::check(carrier, number)
    }

    /// Gets what a call needs before it can be made (a token), so that a call leaves at once when it has its permit. To
    /// be asked for before the permit.
    ///
    /// # Errors
    /// [`CarrierError`], as if the call had failed so.
    async fn ready(&self) -> Result<(), CarrierError> {
        Ok(())
    }

    /// Asks about up to `max_batch` parcels, in one call for which the caller holds a permit. The result has one
    /// entry for each parcel asked about, in their order. A parcel that its system follows only once it is told to is
    /// [`CarrierError::Unregistered`].
    ///
    /// # Errors
    /// [`CarrierError`] when the call as a whole failed; that concerns the system, not the parcels.
    async fn track(&self, asked: &[Asked]) -> Result<Vec<Answered>, CarrierError>;

    /// Has its system follow a parcel that it answered [`CarrierError::Unregistered`] for, in one call with a permit of
    /// its own, and answers as [`Carrier::track`] does.
    ///
    /// # Errors
    /// As [`Carrier::track`].
    async fn register(&self, asked: &[Asked]) -> Result<Vec<Answered>, CarrierError> {
        self.track(asked).await
    }

    /// For how long its system pushes what becomes of a parcel once it was asked to; `None` where nobody has to ask it.
    fn subscription(&self) -> Option<Duration> {
        None
    }

    /// Has its system push what becomes of this parcel until then, in one call for which the caller holds a permit.
    /// Harmless to repeat: only the end moves.
    ///
    /// # Errors
    /// [`CarrierError`].
    async fn subscribe(&self, _asked: &Asked, _until: DateTime<Utc>) -> Result<(), CarrierError> {
        Ok(())
    }

    /// What an answer says. Pure and total.
    ///
    /// # Errors
    /// As [`Carrier::track`].
    fn parse(&self, received: &Received<'_>, asked: &[Asked]) -> Result<Vec<Answered>, CarrierError>;
}
