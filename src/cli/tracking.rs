//! The command line of returns and parcels.

use clap::{Subcommand, ValueEnum};

use super::steering::Length;

#[derive(Debug, Subcommand)]
pub(crate) enum ParcelCommand {
    /// One parcel: what happened to it, where and when, and what comes next
    #[command(after_long_help = "  forebay parcel show cj 600000000001")]
    Show {
        /// Who carries it, e.g. cj
        carrier: String,
        /// Its number there
        number: String,
        /// One JSON object
        #[arg(long)]
        json: bool,
    },
    /// Parcels, the newest first, each with the last thing that happened to it
    #[command(
        after_long_help = "  forebay parcel list --status exception\n  forebay parcel list --stopped silent --all --json"
    )]
    List {
        /// In this state, e.g. unknown, registered, in_transit, exception, delivered
        #[arg(long)]
        status: Option<String>,
        /// Of this carrier, e.g. cj
        #[arg(long)]
        carrier: Option<String>,
        /// Asked about at this carrier's system, e.g. sweettracker
        #[arg(long)]
        adapter: Option<String>,
        /// Not asked about any more, for this reason
        #[arg(long)]
        stopped: Option<StoppedWish>,
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
    /// Asks the carrier about a parcel now, before its turn
    #[command(
        after_long_help = "The question may use the share of the day's calls that is kept for people. A parcel that is \
not asked about any more (silent, never used, refused) is asked about again.\n\n  forebay parcel track cj 600000000001 \
--reason 'the customer is on the phone' --wait"
    )]
    Track {
        /// Who carries it, e.g. cj
        carrier: String,
        /// Its number there
        number: String,
        /// Why; it stands in the audit log
        #[arg(long)]
        reason: String,
        /// Wait for the carrier's answer, and show the parcel
        #[arg(long)]
        wait: bool,
        /// With --wait: no longer than this, e.g. 30s, 5m
        #[arg(long, value_name = "TIME", default_value = "2m", requires = "wait")]
        timeout: Length,
        /// One JSON object
        #[arg(long)]
        json: bool,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum ReturnCommand {
    /// One return: its states, its parcel, and how its result came to the shop
    #[command(after_long_help = "  forebay return show R-1001")]
    Show {
        /// The return
        id: String,
        /// One JSON object
        #[arg(long)]
        json: bool,
    },
    /// Returns, those that were registered last first
    #[command(
        after_long_help = "  forebay return list --state picked_up      # picked up, and the shop was not told yet\n  \
forebay return list --order O-4711 --json"
    )]
    List {
        /// In this state
        #[arg(long)]
        state: Option<StateWish>,
        /// Of this order
        #[arg(long)]
        order: Option<String>,
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
    /// Reads new returns from the shop's returns API now, before the next time of the schedule
    #[command(after_long_help = "  forebay return collect --reason 'the shop has just registered a pallet'")]
    Collect {
        /// Why; it stands in the audit log
        #[arg(long)]
        reason: String,
        /// One JSON object
        #[arg(long)]
        json: bool,
    },
    /// Sends a return's result to the shop again, under the key that it had
    #[command(
        after_long_help = "Also when the shop has taken it before: the idempotency key is the same, so that a shop that \
still knows it takes it once.\n\n  forebay return resend R-1001 --reason 'the shop restored a backup'"
    )]
    Resend {
        /// The return
        id: String,
        /// Why; it stands in the audit log
        #[arg(long)]
        reason: String,
        /// One JSON object
        #[arg(long)]
        json: bool,
    },
}

/// Why a parcel is not asked about any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
#[value(rename_all = "snake_case")]
pub(crate) enum StoppedWish {
    /// Nothing more is to be expected
    Finished,
    /// Nobody handed it to the carrier
    NeverUsed,
    /// The carrier has said nothing for long
    Silent,
    /// The number is not one of the carrier's
    Refused,
}

/// How far a return is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
#[value(rename_all = "snake_case")]
pub(crate) enum StateWish {
    /// Asked for; its parcel is not known
    Requested,
    /// Its parcel is followed
    Tracking,
    /// Picked up; the shop is to be told
    PickedUp,
    /// The shop was told
    Reported,
}

/// The word of a value, as the api takes it.
pub(crate) fn word(value: impl ValueEnum) -> String {
    value.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default()
}
