//! The store contract: use cases, one transaction each.
//!
//! A store implements every trait below and with them [`Store`]. A business refusal is a value, not an error.
//! What both stores must decide alike is decided in `domain`; a store loads, locks, decides and writes in one
//! transaction. `conformance` calls every method on each store.
//!
//! Rules for all methods: instants are kept to the microsecond; lists are bounded by a `limit` that the store cuts
//! to [`PAGE_MAX`]; an [`Error`] means that nothing was written, except [`Error::Unknown`].

pub mod attendance;
pub mod audit;
pub mod audit_log;
pub mod breakers;
pub mod census;
pub mod claims;
pub mod codes;
#[cfg(feature = "conformance")]
pub mod conformance;
pub mod dead_letters;
pub mod effects;
pub mod erasure;
pub mod error;
pub mod fleet;
pub mod inbox;
pub mod incidents;
pub mod lifecycle;
pub mod members;
pub mod outbox;
pub mod pacing;
pub mod parcels;
pub mod patience;
pub mod points;
pub mod programmes;
pub mod report;
pub mod retention;
pub mod returns;
pub mod rewards;
pub mod schedule;
pub mod stock;
pub mod tokens;
pub mod watch;

pub use attendance::{
    Attendance, AttendanceCursor, AttendanceFilter, AttendanceView, ClaimSum, DaySet, DaySummary, FunnelStep,
    MemberDays, ProgrammeSummary, Voided,
};
pub use audit::{Audit, Done, EffectKind, RewardTally, Tally};
pub use audit_log::{AuditEntry, AuditLog, By};
pub use breakers::{Breakers, DayUse, Outlook, Shut, Standing, SystemView};
pub use census::Census;
pub use claims::{ClaimChanged, ClaimFilter, ClaimView, Claims};
pub use codes::{CodeSeen, Codes};
pub use dead_letters::{
    Archived, Cursor, DeadLetter, DeadLetterCount, DeadLetterFilter, DeadLetterGroup, DeadLetters,
    NewDeadLetter, NewReplay, Replay, ReplayStep, Replays, Revived, Status,
};
pub use effects::{EffectView, Effects, Intent, ResultDelivered, result_key};
pub use erasure::{Erasure, Erasures};
pub use error::Error;
pub use fleet::{Fleet, Orders, Pause, WorkerBeat, WorkerView};
pub use inbox::{Identity, Triage, triage};
pub use incidents::{IncidentFilter, Incidents, Ordered, SinkAnswer, Told};
pub use lifecycle::{Lifecycle, StoreStatus};
pub use members::{Block, BlockSet, MemberRecord, Members};
pub use outbox::{Outbox, OutboxLag, OutboxRow};
pub use pacing::{Closed, Closing, Pacing, Permits, Places, Wish};
pub use parcels::{
    CheckAsked, CheckDone, CheckpointView, ParcelFilter, ParcelView, Parcels, PushDone, PushTally,
    PushesApplied, check_commands,
};
pub use patience::{PATIENCE, within};
pub use points::{
    Adjusted, Adjustment, BOOKS_DIFFER, BooksCheck, LedgerLine, LotView, Points, PointsView, Reversal,
    SpendView,
};
pub use programmes::{ProgrammePut, ProgrammeRecord, Programmes, Seen, StateSet};
pub use report::{DayReports, day_figures};
pub use retention::{Memory, Retention};
pub use returns::{NewParcel, NewReturn, Overdue, Resent, ReturnFilter, ReturnState, ReturnView, Returns};
pub use rewards::{BalanceView, RewardMessage, Rewards, RewardsSettled};
pub use schedule::{Firing, Schedule};
pub use stock::{
    RewardView, StockAfter, StockCursor, StockEntry, StockMovement, StockOutcome, StockSetting, StockView,
    Stocks,
};
pub use tokens::{TokenState, Tokens};
pub use watch::Watch;

/// Most rows that any list answers at once.
pub const PAGE_MAX: u32 = 500;

/// What became of one message of a set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Handled {
    /// Its effect is committed, by this call.
    Done,
    /// Its effect was committed before; nothing changed.
    Duplicate,
    /// Its identity was used before for other contents; nothing changed.
    Reused,
    /// What it refers to is not here yet; nothing was written, not even to the inbox.
    NotYetKnown,
}

/// A whole store.
pub trait Store:
    Lifecycle
    + Outbox
    + Programmes
    + Attendance
    + Rewards
    + Points
    + Claims
    + Stocks
    + Returns
    + Parcels
    + Effects
    + Erasures
    + Incidents
    + Members
    + DeadLetters
    + Replays
    + AuditLog
    + Fleet
    + Pacing
    + Breakers
    + Schedule
    + Tokens
    + Codes
    + Retention
    + Audit
    + Census
    + Watch
    + DayReports
    + Send
    + Sync
    + std::fmt::Debug
{
}

impl<S> Store for S where
    S: Lifecycle
        + Outbox
        + Programmes
        + Attendance
        + Rewards
        + Points
        + Claims
        + Stocks
        + Returns
        + Parcels
        + Effects
        + Erasures
        + Incidents
        + Members
        + DeadLetters
        + Replays
        + AuditLog
        + Fleet
        + Pacing
        + Breakers
        + Schedule
        + Tokens
        + Codes
        + Retention
        + Audit
        + Census
        + Watch
        + DayReports
        + Send
        + Sync
        + std::fmt::Debug
{
}
