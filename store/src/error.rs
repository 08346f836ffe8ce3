//! Why a store could not do what was asked.

/// A store's failure. Nothing was written unless it is [`Error::Unknown`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// Not reachable, or too busy; try later.
    #[error("the store is not available: {0}")]
    Unavailable(String),
    /// The connection broke at the commit: it may or may not have been written. Trying again is safe.
    #[error("the store did not say whether it committed: {0}")]
    Unknown(String),
    /// The disk of the store is full.
    #[error("the store's disk is full: {0}")]
    Full(String),
    /// The store's schema is not the one of this release; the text says how to mend it.
    #[error("{0}")]
    Schema(String),
    /// What was asked breaks a rule of the store (a constraint). Trying again will not help.
    #[error("the store refused: {0}")]
    Refused(String),
    /// A row holds what this release can't read.
    #[error("table {table}, column {column} holds what can't be read: {why}")]
    Inconsistent {
        /// The table.
        table: &'static str,
        /// The column.
        column: &'static str,
        /// Why it can't be read.
        why: String,
    },
}

impl Error {
    /// Trying again later may help.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        matches!(self, Self::Unavailable(_) | Self::Unknown(_) | Self::Full(_))
    }
}
