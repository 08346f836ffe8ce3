//! The command line of stock.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

#[derive(Debug, Subcommand)]
pub(crate) enum StockCommand {
    /// Rewards with what is left of them
    #[command(
        after_long_help = "  forebay stock list\n  forebay stock list --low   # at or below their threshold"
    )]
    List {
        /// Only those at or below their threshold
        #[arg(long)]
        low: bool,
        /// One JSON object
        #[arg(long)]
        json: bool,
    },
    /// The stock of one reward
    #[command(after_long_help = "  forebay stock show mug")]
    Show {
        /// The reward
        reward: String,
        /// One JSON object
        #[arg(long)]
        json: bool,
    },
    /// Changes a stock by so many
    #[command(
        after_long_help = "Nothing is given out twice by a repeat: with --key the same change has its effect once, however \
often it is sent.\n\n  forebay stock adjust mug --by 50 --kind receive --reason 'delivery of 20 November' --key delivery-1120\n  \
forebay stock adjust mug --by -5 --reason 'broken'"
    )]
    Adjust(AdjustStockArgs),
    /// Sets a stock, and at how many left people are told
    #[command(
        after_long_help = "It is refused when somebody changed the stock since it was read, and when so many were given out \
already.\n\n  forebay stock set mug --total 120 --low-at 10 --reason 'counted'"
    )]
    Set(SetStockArgs),
    /// What happened to a stock: claims and changes, who and why, the newest first
    #[command(after_long_help = "  forebay stock history mug\n  forebay stock history mug --all --json")]
    History {
        /// The reward
        reward: String,
        /// At most so many
        #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=200))]
        limit: u32,
        /// All of it, page by page
        #[arg(long, conflicts_with = "limit")]
        all: bool,
        /// One JSON object
        #[arg(long)]
        json: bool,
    },
    /// What happened to a stock as CSV, for a spreadsheet
    #[command(after_long_help = "  forebay stock export mug --out mug.csv")]
    Export {
        /// The reward
        reward: String,
        /// The file; - for standard output
        #[arg(short, long, value_name = "FILE", default_value = "-")]
        out: PathBuf,
    },
}

/// A change of a stock.
#[derive(Debug, Args)]
pub(crate) struct AdjustStockArgs {
    /// The reward
    pub(crate) reward: String,
    /// How many, below 0 to take away
    #[arg(long, allow_negative_numbers = true, value_name = "N")]
    pub(crate) by: i64,
    /// What kind of change it is
    #[arg(long, default_value = "correct")]
    pub(crate) kind: KindWish,
    /// Why; it stands in the history and in the audit log
    #[arg(long)]
    pub(crate) reason: String,
    /// By which a repeat is known [default: each call is a change of its own]
    #[arg(long)]
    pub(crate) key: Option<String>,
    /// One JSON object
    #[arg(long)]
    pub(crate) json: bool,
}

/// A stock as it is to be.
#[derive(Debug, Args)]
pub(crate) struct SetStockArgs {
    /// The reward
    pub(crate) reward: String,
    /// All there is, with what was given out
    #[arg(long)]
    pub(crate) total: i64,
    /// At or below how many left people are told [default: as it is]
    #[arg(long)]
    pub(crate) low_at: Option<i64>,
    /// Why; it stands in the history and in the audit log
    #[arg(long)]
    pub(crate) reason: String,
    /// One JSON object
    #[arg(long)]
    pub(crate) json: bool,
}

/// What kind of change it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
#[value(rename_all = "snake_case")]
pub(crate) enum KindWish {
    /// More came in
    Receive,
    /// What was counted is not what was written
    Correct,
    /// What was given out came back
    Return,
}
