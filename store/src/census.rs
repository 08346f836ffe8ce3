//! How much there is of everything: for the metrics.

use async_trait::async_trait;

use crate::error::Error;

/// Counts at one moment, each by the word that a metric's label holds.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Counts {
    /// Returns, by state.
    pub returns: Vec<(String, i64)>,
    /// Parcels, by status.
    pub parcels: Vec<(String, i64)>,
    /// Claims, by state.
    pub claims: Vec<(String, i64)>,
    /// What is left of the stock of rewards, by id; at most [`PAGE_MAX`](crate::PAGE_MAX) of them.
    pub stock: Vec<(String, i64)>,
    /// Open incidents, by rule and severity.
    pub incidents: Vec<(String, String, i64)>,
}

impl Counts {
    /// The counts that a store read: what each is of, its word, a second word, and the count.
    #[must_use]
    pub fn of(rows: Vec<(String, String, String, i64)>) -> Self {
        let mut counts = Self::default();
        for (of, word, second, count) in rows {
            match of.as_str() {
                "returns" => counts.returns.push((word, count)),
                "parcels" => counts.parcels.push((word, count)),
                "claims" => counts.claims.push((word, count)),
                "stock" => counts.stock.push((word, count)),
                _ => counts.incidents.push((word, second, count)),
            }
        }
        counts
    }
}

/// Counting.
#[async_trait]
pub trait Census {
    /// Counts returns, parcels and claims, in one consistent read. It reads as much as there ever was: to be asked
    /// seldom, and the more seldom the longer it takes.
    async fn counts(&self) -> Result<Counts, Error>;

    /// Counts open incidents, and reads what is left of stocks: by index, however many there ever were.
    async fn pulse(&self) -> Result<Counts, Error>;
}
