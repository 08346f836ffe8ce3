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
    /// Puts a count that a store read into its place: what it is of, its word, a second word, and the count.
    pub fn put(&mut self, (of, word, second, count): (String, String, String, i64)) {
        match of.as_str() {
            "returns" => self.returns.push((word, count)),
            "parcels" => self.parcels.push((word, count)),
            "claims" => self.claims.push((word, count)),
            "stock" => self.stock.push((word, count)),
            _ => self.incidents.push((word, second, count)),
        }
    }
}

/// Counting.
#[async_trait]
pub trait Census {
    /// Counts everything, in one consistent read: for once a minute, not for each request.
    async fn counts(&self) -> Result<Counts, Error>;
}
