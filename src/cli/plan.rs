//! The command line of `carrier plan`.

use std::str::FromStr;
use std::time::Duration;

use clap::Args;
use forebay_domain::forecast::Journey;

use super::steering::Length;

#[derive(Debug, Args)]
pub(crate) struct PlanArgs {
    /// The system, e.g. sweettracker: its section of the configuration says what it bears
    pub(crate) id: String,
    /// Parcels that are registered
    #[arg(long, default_value_t = 30_000, value_parser = clap::value_parser!(u32).range(1..=200_000))]
    pub(crate) parcels: u32,
    /// Over this time
    #[arg(long, default_value = "5m")]
    pub(crate) over: Length,
    /// What becomes of them, of a hundred: return (collected after two days), domestic (delivered in a day), abroad (in
    /// four), unused
    #[arg(
        long,
        value_delimiter = ',',
        value_name = "JOURNEY=SHARE",
        default_value = "return=70,domestic=20,abroad=5,unused=5"
    )]
    pub(crate) mix: Vec<Part>,
    /// Most calls in a window, instead of what is configured
    #[arg(long)]
    pub(crate) limit: Option<u32>,
    /// Most calls of a day, instead of what is configured
    #[arg(long)]
    pub(crate) daily: Option<u32>,
    /// Beside it, what asking about each parcel at this interval would cost
    #[arg(long, default_value = "2h")]
    pub(crate) against: Length,
    /// Days to look ahead
    #[arg(long, default_value_t = 30, value_parser = clap::value_parser!(u32).range(1..=365))]
    pub(crate) days: u32,
    /// One JSON object
    #[arg(long)]
    pub(crate) json: bool,
}

/// A journey's share.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Part(pub(crate) Journey, pub(crate) u32);

impl FromStr for Part {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (name, share) = text.split_once('=').ok_or("give it as JOURNEY=SHARE, e.g. return=70")?;
        let all = Journey::all();
        let names = all.iter().map(|journey| journey.name).collect::<Vec<_>>().join(", ");
        let journey = all.into_iter().find(|journey| journey.name == name);
        let journey = journey.ok_or_else(|| format!("\"{name}\" is not one of: {names}"))?;
        let share = share.parse().ok().filter(|share| (1..=100).contains(share));
        Ok(Self(journey, share.ok_or_else(|| format!("the share of {name} is 1 to 100"))?))
    }
}

impl PlanArgs {
    /// The interval of the fixed schedule; a minute at least.
    pub(crate) fn every(&self) -> Duration {
        self.against.0.max(Duration::from_secs(60))
    }
}
