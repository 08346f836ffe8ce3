//! Ids as a parameter.

use std::sync::atomic::{AtomicU64, Ordering};

use uuid::Uuid;

/// Makes new ids.
pub trait Ids: Send + Sync + std::fmt::Debug {
    /// A new id that nobody has.
    fn next(&self) -> Uuid;
}

/// UUID version 7: unique, and sorted by time, which keeps indexes compact.
#[derive(Debug, Clone, Copy, Default)]
pub struct RandomIds;

impl Ids for RandomIds {
    #[expect(clippy::disallowed_methods, reason = "the one place where ids are made")]
    fn next(&self) -> Uuid {
        Uuid::now_v7()
    }
}

/// Ids that are the same in each run with the same seed.
#[derive(Debug)]
pub struct SeededIds {
    seed: u64,
    count: AtomicU64,
}

impl SeededIds {
    /// Ids of this seed.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self { seed, count: AtomicU64::new(0) }
    }
}

impl Ids for SeededIds {
    fn next(&self) -> Uuid {
        let count = self.count.fetch_add(1, Ordering::Relaxed);
        Uuid::new_v5(&Uuid::NAMESPACE_OID, format!("{}:{count}", self.seed).as_bytes())
    }
}
