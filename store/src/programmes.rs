//! Programmes: written, changed, steered.

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use forebay_domain::programme::{Change, Fault, InUse, Programme, ProgrammeState, changes, refusals};
use forebay_schemas::ProgrammeId;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::audit_log::{AuditEntry, By};
use crate::error::Error;

/// A programme as the store holds it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProgrammeRecord {
    /// The programme.
    pub programme: Programme,
    /// How often it was written; each change is the next one.
    pub version: i64,
    /// When it was written last.
    pub changed_at: DateTime<Utc>,
}

/// Which version the change was made for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Seen {
    /// There is no such programme yet.
    Nothing,
    /// This one.
    Version(i64),
    /// Whatever is there.
    Whatever,
}

impl Seen {
    /// What is there is what was seen.
    #[must_use]
    pub fn fits(self, present: Option<i64>) -> bool {
        match self {
            Self::Nothing => present.is_none(),
            Self::Version(version) => present == Some(version),
            Self::Whatever => true,
        }
    }
}

/// What became of a programme that was put.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ProgrammePut {
    /// It is written, or would be.
    Done {
        /// Its version.
        version: i64,
        /// What became different; nothing, and no new version, when it was the same.
        changes: Vec<Change>,
    },
    /// Another version is there; nothing was written.
    Stale,
    /// It can't become this, for these reasons; nothing was written.
    Refused(Vec<Fault>),
}

/// What became of a programme whose state was set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StateSet {
    /// It is in that state now, in this version.
    Done(i64),
    /// There is no such programme.
    Unknown,
    /// It can't go into that state, for this reason.
    Refused(String),
}

/// What a put comes to, decided for both stores alike. Nothing when it is the same programme.
///
/// # Errors
/// What becomes of it instead.
pub fn judge_put(
    before: Option<&ProgrammeRecord>,
    after: &Programme,
    seen: Seen,
    in_use: &InUse,
) -> Result<Vec<Change>, ProgrammePut> {
    let mut faults = after.faults();
    if !seen.fits(before.map(|before| before.version)) {
        return Err(ProgrammePut::Stale);
    }
    let before = before.map(|before| &before.programme);
    if faults.is_empty() {
        faults = refusals(before, after, in_use);
    }
    if faults.is_empty() { Ok(changes(before, after, in_use)) } else { Err(ProgrammePut::Refused(faults)) }
}

/// Why a programme can't go into a state; none when it can.
#[must_use]
pub fn judge_state(before: &Programme, state: ProgrammeState, any_day: bool) -> Option<String> {
    if before.state == state {
        return Some(format!("It is {} already; nothing was changed.", state.as_str()));
    }
    let back = state == ProgrammeState::Draft && any_day;
    back.then(|| "There are check-ins, so it is no draft any more; pause it instead.".to_owned())
}

/// What the audit log says of a programme that was put.
#[must_use]
pub fn put_entry(
    by: &By,
    before: Option<&Programme>,
    after: &Programme,
    changes: &[Change],
    now: DateTime<Utc>,
) -> AuditEntry {
    let side = |side: fn(&Change) -> &Value| -> Value {
        let values = changes.iter().map(|change| (change.what.clone(), side(change).clone()));
        Value::Object(values.filter(|(_, value)| !value.is_null()).collect())
    };
    AuditEntry {
        subject: after.id.to_string(),
        count: i64::try_from(changes.len()).unwrap_or(i64::MAX),
        before: side(|change| &change.before),
        after: side(|change| &change.after),
        ..AuditEntry::of(by, if before.is_some() { "programme.change" } else { "programme.create" }, now)
    }
}

/// What the audit log says of a programme whose state was set.
#[must_use]
pub fn state_entry(
    by: &By,
    id: &ProgrammeId,
    before: ProgrammeState,
    after: ProgrammeState,
    now: DateTime<Utc>,
) -> AuditEntry {
    AuditEntry {
        subject: id.to_string(),
        count: 1,
        before: json!({ "state": before }),
        after: json!({ "state": after }),
        ..AuditEntry::of(by, "programme.state", now)
    }
}

/// Programmes.
#[async_trait]
pub trait Programmes {
    /// Creates a programme with its rules, rewards and first stock, or changes it to this; with an entry in the audit
    /// log, in one transaction. The stock of a reward that exists is left alone. With `dry_run` nothing is written.
    async fn change_programme(
        &self,
        programme: &Programme,
        seen: Seen,
        dry_run: bool,
        by: &By,
        now: DateTime<Utc>,
    ) -> Result<ProgrammePut, Error>;

    /// Creates or changes a programme, whatever version is there, for the installation itself: nobody did it, so the
    /// audit log does not tell of it. [`Error::Refused`] when it can't become this.
    async fn put_programme(&self, programme: &Programme, now: DateTime<Utc>) -> Result<(), Error>;

    /// Sets a programme's state, with an entry in the audit log.
    async fn set_programme_state(
        &self,
        id: &ProgrammeId,
        state: ProgrammeState,
        by: &By,
        now: DateTime<Utc>,
    ) -> Result<StateSet, Error>;

    /// Every programme, by id.
    async fn programmes(&self) -> Result<Vec<Programme>, Error>;

    /// One programme, with its version.
    async fn programme(&self, id: &ProgrammeId) -> Result<Option<ProgrammeRecord>, Error>;
}

/// What [`Programmes::put_programme`] answers.
///
/// # Errors
/// [`Error::Refused`] when it was refused.
pub fn put_by_house(put: ProgrammePut, id: &ProgrammeId) -> Result<(), Error> {
    match put {
        ProgrammePut::Done { .. } => Ok(()),
        ProgrammePut::Stale => Err(Error::Refused(format!("programme {id} was changed meanwhile"))),
        ProgrammePut::Refused(faults) => {
            let faults: Vec<String> = faults.iter().map(ToString::to_string).collect();
            Err(Error::Refused(format!("programme {id}: {}", faults.join("; "))))
        }
    }
}
