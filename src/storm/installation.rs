//! What a storm breaks: an installation of its own, or one that runs anyway.

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use rand::rngs::StdRng;
use secrecy::SecretString;
use url::Url;

use crate::burst::invariants::Invariant;
use crate::burst::mix::{Planned, Recipe, Straight};
use crate::compose::System;
use crate::exit::Exit;
use crate::storm::faults::Fault;
use crate::storm::told::Told;

/// An installation, as the storm sees it.
#[async_trait]
pub(crate) trait Installation: Send {
    /// Its back ends, for the sums.
    fn system(&self) -> &System;

    /// Where it takes events.
    fn intake(&self) -> Url;

    /// The storefront's key.
    fn key(&self) -> SecretString;

    /// What the burst is made of.
    fn recipe(&self, count: usize, seed: u64) -> Recipe;

    /// Strikes once; what lasts goes on until it is mended.
    async fn strike(&mut self, fault: Fault, random: &mut StdRng) -> Result<(), Exit>;

    /// Ends a fault that lasts.
    async fn mend(&mut self, fault: Fault) -> Result<(), Exit>;

    /// Starts again what ended by itself, and says what did.
    fn revive(&mut self) -> Result<Vec<String>, Exit>;

    /// What the outside has seen so far, in words.
    async fn outside(&self) -> String;

    /// Plays a shop's faulty program that publishes past the intake; returns what it published.
    async fn publish_straight(&self, messages: Vec<Straight>) -> Result<Vec<Straight>, Exit>;

    /// Waits until everything is there, and then reads the books.
    ///
    /// The first is `false` when patience ran out.
    async fn settled(&mut self, sent: &Sums<'_>) -> Result<(bool, Vec<Invariant>), Exit>;

    /// What people were told since then.
    async fn told(&self, since: DateTime<Utc>) -> Result<Told, Exit>;

    /// Ends what the storm started.
    async fn end(self: Box<Self>, sound: bool) -> Result<(), Exit>;
}

/// What the sums must show.
pub(crate) struct Sums<'s> {
    /// All events of the burst, and of the floods.
    pub(crate) events: &'s [Planned],
    /// Indexes of those that the client saw accepted, with repeats.
    pub(crate) accepted: &'s [usize],
    /// What was published past the intake.
    pub(crate) straight: &'s [Straight],
    /// How long to wait for it.
    pub(crate) patience: std::time::Duration,
    /// Whether people do what they have to, and hear that all is well, before the books are read; and since when.
    pub(crate) until_well: Option<DateTime<Utc>>,
}

impl<'s> Sums<'s> {
    /// The events that the client saw accepted.
    pub(crate) fn taken(&self) -> Vec<&'s Planned> {
        self.accepted.iter().map(|i| &self.events[*i]).collect()
    }
}
