//! The command line of points.

use clap::{Args, Subcommand};
use uuid::Uuid;

#[derive(Debug, Args)]
pub(crate) struct PointsArgs {
    /// The member's id, as the shop names them
    pub(crate) member: String,
    /// One JSON object
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct LinesArgs {
    /// The member's id, as the shop names them
    pub(crate) member: String,
    /// At most so many
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=200))]
    pub(crate) limit: u32,
    /// Only what is older than this transaction
    #[arg(long, value_name = "TXN")]
    pub(crate) before: Option<Uuid>,
    /// One JSON object
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct AdjustArgs {
    /// The member's id, as the shop names them
    pub(crate) member: String,
    /// How many points the member gets; below 0 how many are taken
    #[arg(long, allow_negative_numbers = true, value_name = "POINTS")]
    pub(crate) by: i64,
    /// Why, without the id; it stands in the audit log
    #[arg(long)]
    pub(crate) reason: String,
    /// What makes it the same correction when it is sent again, e.g. a ticket's number [default: a new one each time]
    #[arg(long)]
    pub(crate) key: Option<String>,
    /// One JSON object
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Subcommand)]
pub(crate) enum LedgerCommand {
    /// Adds everything up: transactions, balances, lots, stock; exits with 1 when something differs
    #[command(
        after_long_help = "The schedule does the same each night. What differs is told as an incident, which \
resolves itself once a check finds nothing."
    )]
    Check {
        /// One JSON object
        #[arg(long)]
        json: bool,
    },
    /// Sets what follows from the ledger, balances and lots, to what the ledger says
    #[command(
        after_long_help = "The ledger itself is never changed. Find out first what made the difference.\n\nOn PostgreSQL only \
the members whose books differ wait meanwhile, some at a time; with the embedded store every change waits, so mend in a \
quiet hour. Where the answer takes longer than two minutes, the mending goes on: `forebay audit` and another check tell \
when it is done.\n\n  forebay ledger mend --reason 'a balance was changed by hand, see ticket 4711'"
    )]
    Mend {
        /// Why; it stands in the audit log
        #[arg(long)]
        reason: String,
        /// Do not ask
        #[arg(long)]
        yes: bool,
        /// One JSON object
        #[arg(long)]
        json: bool,
    },
    /// Takes a transaction back, once: spent points return to where they came from, granted ones are taken as far as
    /// the member still has them
    Reverse {
        /// The transaction, as `forebay member ledger` shows it
        txn: Uuid,
        /// Why; it stands in the audit log
        #[arg(long)]
        reason: String,
        /// One JSON object
        #[arg(long)]
        json: bool,
    },
}
