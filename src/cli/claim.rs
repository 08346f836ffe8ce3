//! The command line of claims.

use std::path::PathBuf;

use chrono::{DateTime, Utc};
use clap::{Args, Subcommand, ValueEnum};
use uuid::Uuid;

#[derive(Debug, Subcommand)]
pub(crate) enum ClaimCommand {
    /// Claims, those that were settled last first
    #[command(
        after_long_help = "  forebay claim list --to-ship            # granted, and still in the house\n  forebay claim list \
--overdue\n  forebay claim list --member m-4711 --json"
    )]
    List {
        #[command(flatten)]
        which: ClaimsArgs,
        /// At most so many
        #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=200))]
        limit: u32,
        /// All of them, page by page
        #[arg(long, conflicts_with = "limit")]
        all: bool,
        /// One JSON object
        #[arg(long)]
        json: bool,
    },
    /// One claim: where it stands, and why
    #[command(after_long_help = "  forebay claim show 0190a7c4-7b1e-7c3a-8f00-000000000001")]
    Show {
        /// The claim
        id: Uuid,
        /// One JSON object
        #[arg(long)]
        json: bool,
    },
    /// Notes that a granted product was sent
    #[command(
        after_long_help = "A repeat with the same number changes nothing.\n\n  forebay claim ship 0190a7c4-7b1e-7c3a-8f00-\
000000000001 --carrier cj --number 600000000001 --reason 'packed by Kim'"
    )]
    Ship {
        /// The claim
        id: Uuid,
        /// Who carries it, e.g. cj
        #[arg(long)]
        carrier: String,
        /// Its number there
        #[arg(long)]
        number: String,
        /// Why; it stands in the audit log
        #[arg(long)]
        reason: String,
        /// The number that it has was wrong: this one takes its place
        #[arg(long)]
        replace: bool,
        /// One JSON object
        #[arg(long)]
        json: bool,
    },
    /// Takes a granted claim back that was not shipped: its stock is there again, and the member may claim again
    #[command(
        after_long_help = "  forebay claim cancel 0190a7c4-7b1e-7c3a-8f00-000000000001 --reason 'asked by phone'"
    )]
    Cancel(TakeBackArgs),
    /// Takes a claim back, also one that was shipped (for admins) or was for points
    #[command(
        after_long_help = "Points are taken back as far as the member still has them.\n\n  forebay claim reverse \
0190a7c4-7b1e-7c3a-8f00-000000000001 --reason 'lost on its way' --no-restock"
    )]
    Reverse(TakeBackArgs),
    /// Lets a claim stand that somebody was to look at again
    Keep {
        /// The claim
        id: Uuid,
        /// Why; it stands in the audit log
        #[arg(long)]
        reason: String,
        /// One JSON object
        #[arg(long)]
        json: bool,
    },
    /// Claims as CSV, for a spreadsheet
    #[command(
        after_long_help = "  forebay claim export --to-ship --out to-ship.csv\n  forebay claim export --reward mug --out -"
    )]
    Export {
        #[command(flatten)]
        which: ClaimsArgs,
        /// The file; - for standard output
        #[arg(short, long, value_name = "FILE", default_value = "-")]
        out: PathBuf,
    },
}

/// Which claims.
#[derive(Debug, Args)]
pub(crate) struct ClaimsArgs {
    /// In this programme
    #[arg(long)]
    pub(crate) programme: Option<String>,
    /// Under this rule
    #[arg(long)]
    pub(crate) rule: Option<String>,
    /// For this reward
    #[arg(long)]
    pub(crate) reward: Option<String>,
    /// Of this member
    #[arg(long)]
    pub(crate) member: Option<String>,
    /// Standing here
    #[arg(long)]
    pub(crate) state: Option<StageWish>,
    /// Products that were granted and not shipped
    #[arg(long)]
    pub(crate) to_ship: bool,
    /// Of these, those that wait too long (alerts.unshipped_after_days)
    #[arg(long)]
    pub(crate) overdue: bool,
    /// Those that somebody should look at again: a day that they rest on counts no more
    #[arg(long)]
    pub(crate) needs_review: bool,
    /// Settled at that time or later, e.g. 2026-11-20T00:00:00Z
    #[arg(long)]
    pub(crate) from: Option<DateTime<Utc>>,
    /// Settled before that time
    #[arg(long)]
    pub(crate) to: Option<DateTime<Utc>>,
}

/// A claim, and why it is taken back.
#[derive(Debug, Args)]
pub(crate) struct TakeBackArgs {
    /// The claim
    pub(crate) id: Uuid,
    /// Why; it stands in the audit log
    #[arg(long)]
    pub(crate) reason: String,
    /// What it took can be given out again [default, unless it was shipped]
    #[arg(long, conflicts_with = "no_restock")]
    pub(crate) restock: bool,
    /// What it took can't be given out again: it is written off
    #[arg(long)]
    pub(crate) no_restock: bool,
    /// One JSON object
    #[arg(long)]
    pub(crate) json: bool,
}

/// Where a claim stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
#[value(rename_all = "snake_case")]
pub(crate) enum StageWish {
    /// The reward is the member's
    Granted,
    /// It was shipped
    Fulfilled,
    /// It was taken back
    Reversed,
    /// It was refused
    Rejected,
}
