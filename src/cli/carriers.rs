//! The command line of carriers' systems.

use clap::{Args, Subcommand, ValueEnum};

use super::plan::PlanArgs;
use super::steering::Length;

#[derive(Debug, Subcommand)]
pub(crate) enum CarrierCommand {
    /// Every carrier's system: its rate, what is left of its day, whether it is left alone
    List {
        /// One JSON object
        #[arg(long)]
        json: bool,
    },
    /// One carrier's system, with its limits and why it is left alone
    Show {
        /// The system, e.g. sweettracker
        id: String,
        /// One JSON object
        #[arg(long)]
        json: bool,
    },
    /// What following parcels will cost, on paper: calls each day against the quota, and how late news are learned
    #[command(
        after_long_help = "Nothing is called and nothing is stored: journeys that are assumed are played against the rules \
by which parcels are asked about, beside a fixed schedule.\n\n  forebay carrier plan sweettracker --parcels 30000\n  \
forebay carrier plan dhl --parcels 500 --daily 2500 --mix return=90,unused=10"
    )]
    Plan(PlanArgs),
    /// Sets what a system bears, for the whole fleet at once, without a restart
    #[command(
        after_long_help = "What is not named stays as it is; --configured goes back to the configuration. The next \
permit of every worker goes by it.\n\n  forebay carrier limit dhl --daily 5000 --reason 'the contract grew'\n  forebay \
carrier limit sweettracker --limit 20 --burst 2 --reason 'they asked for less during the sale'\n  forebay carrier limit \
sweettracker --configured --reason 'the sale is over'"
    )]
    Limit {
        /// The system, e.g. sweettracker
        id: String,
        #[command(flatten)]
        limits: LimitArgs,
        /// Why; it stands in the audit log
        #[arg(long)]
        reason: String,
        /// One JSON object
        #[arg(long)]
        json: bool,
    },
    /// Keeps a system's breaker open or closed, or lets it go by itself again
    #[command(
        after_long_help = "Open: nothing is sent to it, its messages wait and lose no attempt; when the time is over, one \
call tries it. Closed: it is called whatever comes of it. Auto: a breaker that is open is tried at once.\n\n  forebay \
carrier breaker ups open --for 2h --reason 'they announced maintenance'\n  forebay carrier breaker ups auto --reason \
'they are done early'"
    )]
    Breaker {
        /// The system, e.g. sweettracker
        id: String,
        /// What it is to be
        state: BreakerWish,
        /// Why; it stands in the list and in the audit log
        #[arg(long)]
        reason: String,
        /// It ends by itself after this time, e.g. 90s, 30m, 2h, 7d [default: it lasts until `auto`]
        #[arg(long = "for", value_name = "TIME")]
        length: Option<Length>,
        /// One JSON object
        #[arg(long)]
        json: bool,
    },
}

/// What a system bears.
#[derive(Debug, Args)]
#[group(required = true, multiple = true)]
pub(crate) struct LimitArgs {
    /// At most so many calls in any window
    #[arg(long)]
    pub(crate) limit: Option<u32>,
    /// The window's length in milliseconds
    #[arg(long)]
    pub(crate) window_ms: Option<u64>,
    /// So many of them at once
    #[arg(long)]
    pub(crate) burst: Option<u32>,
    /// At most so many calls a day
    #[arg(long)]
    pub(crate) daily: Option<u32>,
    /// So much of the day, in hundredths, is kept for people's requests
    #[arg(long)]
    pub(crate) reserve_percent: Option<u8>,
    /// All as configured, but for what else is named
    #[arg(long)]
    pub(crate) configured: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum BreakerWish {
    /// Nothing is sent
    Open,
    /// Everything is sent
    Closed,
    /// By itself
    Auto,
}
