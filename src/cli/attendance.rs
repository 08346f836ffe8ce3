//! The command line of attendance.

use std::path::PathBuf;

use chrono::NaiveDate;
use clap::{Args, Subcommand};

#[derive(Debug, Subcommand)]
pub(crate) enum AttendanceCommand {
    /// Check-ins, the newest day first
    #[command(
        after_long_help = "  forebay attendance list --programme autumn --on 2026-11-20\n  forebay attendance \
list --programme autumn --member m-4711 --json"
    )]
    List {
        #[command(flatten)]
        which: WhichArgs,
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
    /// Check-ins as CSV, for a spreadsheet
    #[command(
        after_long_help = "  forebay attendance export --programme autumn --from 2026-11-01 --out november.csv"
    )]
    Export {
        #[command(flatten)]
        which: WhichArgs,
        /// The file; - for standard output
        #[arg(short, long, value_name = "FILE", default_value = "-")]
        out: PathBuf,
    },
    /// Takes a day from a member; what was granted for it stays, and is listed for somebody to look at
    #[command(
        after_long_help = "The member can't check in again for that day; `restore` gives it back. Claims that the days do \
not bear any more are found by `forebay claim list --needs-review`.\n\n  forebay attendance void --programme autumn \
m-4711 2026-11-20 --reason 'checked in by a script'"
    )]
    Void(DayArgs),
    /// Gives a day back that was taken
    Restore(DayArgs),
}

#[derive(Debug, Args)]
pub(crate) struct WhichArgs {
    /// The programme
    #[arg(long, value_name = "ID")]
    pub(crate) programme: String,
    /// On this day alone, e.g. 2026-11-20
    #[arg(long, value_name = "DAY", conflicts_with_all = ["from", "to"])]
    pub(crate) on: Option<NaiveDate>,
    /// From this day on
    #[arg(long, value_name = "DAY")]
    pub(crate) from: Option<NaiveDate>,
    /// Up to this day
    #[arg(long, value_name = "DAY")]
    pub(crate) to: Option<NaiveDate>,
    /// Of this member
    #[arg(long, value_name = "ID")]
    pub(crate) member: Option<String>,
    /// Only those that were voided (or, with false, only those that were not)
    #[arg(long, num_args = 0..=1, default_missing_value = "true")]
    pub(crate) voided: Option<bool>,
}

#[derive(Debug, Args)]
pub(crate) struct DayArgs {
    /// The programme
    #[arg(long, value_name = "ID")]
    pub(crate) programme: String,
    /// The member's id
    pub(crate) member: String,
    /// The day, e.g. 2026-11-20
    pub(crate) day: NaiveDate,
    /// Why; it stands in the audit log
    #[arg(long)]
    pub(crate) reason: String,
    /// One JSON object
    #[arg(long)]
    pub(crate) json: bool,
}
