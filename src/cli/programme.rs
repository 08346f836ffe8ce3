//! The command line of programmes.

use std::path::PathBuf;

use clap::{Args, Subcommand};

#[derive(Debug, Subcommand)]
pub(crate) enum ProgrammeCommand {
    /// Checks a programme's file without an installation, and names every fault with its place
    #[command(
        after_long_help = "  forebay programme check autumn.toml\n  forebay programme check - < autumn.json"
    )]
    Check {
        /// TOML or JSON; - for standard input
        file: PathBuf,
    },
    /// Creates a programme or changes it to what its file says, after showing what becomes different
    #[command(
        after_long_help = "A file without `state` leaves the state as it is; a new programme is a draft then. The stock of \
a reward that is there already is not changed: see `forebay stock`.\n\n  forebay programme apply autumn.toml --dry-run\n  \
forebay programme apply autumn.toml --reason 'one week longer' --yes"
    )]
    Apply(ApplyArgs),
    /// Programmes, by id
    List {
        /// One JSON object
        #[arg(long)]
        json: bool,
    },
    /// One programme: its days and rules, and how it goes
    #[command(after_long_help = "  forebay programme show autumn\n  forebay programme show autumn --days 30")]
    Show {
        /// The programme
        id: String,
        /// So many of the last days
        #[arg(long, default_value_t = 7, value_parser = clap::value_parser!(u16).range(0..=400))]
        days: u16,
        /// One JSON object
        #[arg(long)]
        json: bool,
    },
    /// Takes no check-ins and no claims until it is resumed
    Pause(StateArgs),
    /// Opens a draft, or a programme that was paused or ended
    Resume(StateArgs),
    /// Takes no more check-ins; what was reached can be claimed for as long as its rules say
    End(StateArgs),
    /// Prints a commented file to begin with
    #[command(after_long_help = "  forebay programme example > autumn.toml")]
    Example,
}

#[derive(Debug, Args)]
pub(crate) struct ApplyArgs {
    /// TOML or JSON; - for standard input
    pub(crate) file: PathBuf,
    /// Why; it stands in the audit log
    #[arg(long, default_value = "")]
    pub(crate) reason: String,
    /// Only show what would become different
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Do not ask
    #[arg(long)]
    pub(crate) yes: bool,
    /// One JSON object
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct StateArgs {
    /// The programme
    pub(crate) id: String,
    /// Why; it stands in the audit log
    #[arg(long)]
    pub(crate) reason: String,
    /// One JSON object
    #[arg(long)]
    pub(crate) json: bool,
}
