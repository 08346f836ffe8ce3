//! The course of a storm: what strikes, when and for how long, with a line every few seconds that tells how it goes.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use rand::rngs::StdRng;
use tokio::time::Instant;

use crate::burst::client::{self, Sending};
use crate::burst::mix::{self, Planned, Tag};
use crate::commands::people;
use crate::exit::Exit;
use crate::storm::ACCEPT_PATIENCE;
use crate::storm::faults::{Fault, Strike};
use crate::storm::installation::Installation;
use crate::storm::orders::{Obeyed, Orders};

/// How often a line tells how it goes.
const LINE_EVERY: Duration = Duration::from_secs(5);

/// A storm under way.
pub(crate) struct Course {
    begun: Instant,
    line_at: Instant,
    /// How many events of the burst the client saw accepted so far.
    accepted: Arc<AtomicU64>,
    /// Faults that struck.
    pub(crate) struck: BTreeMap<Fault, usize>,
    /// Processes that ended though nobody killed them.
    pub(crate) ended: Vec<String>,
    /// The messages of floods, all of them accepted.
    pub(crate) flood: Vec<Planned>,
}

impl Course {
    /// Begins now.
    pub(crate) fn begin(accepted: Arc<AtomicU64>) -> Self {
        let begun = Instant::now();
        Self {
            begun,
            line_at: begun + LINE_EVERY,
            accepted,
            struck: BTreeMap::new(),
            ended: Vec::new(),
            flood: Vec::new(),
        }
    }

    /// Strikes one after the other, each at its time or as soon as the one before is mended.
    pub(crate) async fn run(
        &mut self,
        strikes: Vec<Strike>,
        tag: &Tag,
        orders: &Orders,
        installation: &mut dyn Installation,
        random: &mut StdRng,
    ) -> Result<(), Exit> {
        for strike in strikes {
            let fault = strike.fault;
            self.pass(self.begun + strike.at, installation).await;
            *self.struck.entry(fault).or_default() += 1;
            if fault.is_flood() {
                self.pour(strike.size.into(), tag, installation).await?;
                continue;
            }
            let obeyed = orders.strike(fault).await?;
            if obeyed == Obeyed::Not {
                installation.strike(fault, random).await?;
            }
            if obeyed != Obeyed::Whole && fault.lasts() {
                self.pass(Instant::now() + strike.lasts, installation).await;
                orders.mend(fault).await?;
                installation.mend(fault).await?;
            }
            self.ended.extend(installation.revive()?);
        }
        Ok(())
    }

    /// Sends a flood as fast as it is taken.
    async fn pour(&mut self, count: usize, tag: &Tag, installation: &dyn Installation) -> Result<(), Exit> {
        let more = mix::flood(self.flood.len(), count, installation.system().clock.now(), tag);
        let intake = installation.intake();
        let client = client::storefront(installation.system(), &intake)?;
        let sending = Sending { over: Duration::ZERO, patience: ACCEPT_PATIENCE };
        let (key, progress) = (installation.key(), Arc::default());
        client::send(&client, &intake, &key, &Arc::new(more.clone()), &progress, sending).await?;
        self.flood.extend(more);
        Ok(())
    }

    async fn pass(&mut self, until: Instant, installation: &dyn Installation) {
        while Instant::now() < until {
            tokio::time::sleep_until(until.min(self.line_at)).await;
            if Instant::now() >= self.line_at {
                self.line_at += LINE_EVERY;
                self.tell(installation).await;
            }
        }
    }

    /// Tells how it goes.
    pub(crate) async fn tell(&self, installation: &dyn Installation) {
        let faults: Vec<String> = self.struck.iter().map(|(fault, n)| format!("{n} {fault}")).collect();
        people::note(&format!(
            "{:5.1} s  accepted {}  {}  faults {}",
            self.begun.elapsed().as_secs_f64(),
            self.accepted.load(Ordering::Relaxed),
            installation.outside().await,
            if faults.is_empty() { "none yet".to_owned() } else { faults.join(", ") },
        ));
    }
}
