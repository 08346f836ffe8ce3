//! The command line of members.

use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use clap::{Args, Subcommand};

use super::dead_letters::length;
use super::points::{AdjustArgs, LinesArgs, PointsArgs};

#[derive(Debug, Subcommand)]
pub(crate) enum MemberCommand {
    /// What is known of a member: points, days, claims
    Show {
        /// The member's id, as the shop names them
        member: String,
        /// One JSON object
        #[arg(long)]
        json: bool,
    },
    /// Says in words what stands between a member and a reward
    #[command(
        after_long_help = "Says for each rule whether a claim would be granted now and, if not, why: which days are \
missing, when it was claimed before, since when there is none left.\n\n  forebay member why m-4711\n  forebay member why \
m-4711 --programme autumn --rule five-days"
    )]
    Why(WhyArgs),
    /// Refuses a member's check-ins, claims and spendings from now on
    #[command(after_long_help = "  forebay member block m-4711 --reason 'two accounts, see ticket 4711'")]
    Block(BlockArgs),
    /// Lets a blocked member check in, claim and spend again
    #[command(after_long_help = "  forebay member unblock m-4711 --reason 'it was a family of two'")]
    Unblock(BlockArgs),
    /// A member's points, and when they end
    Points(PointsArgs),
    /// How a member's points came and went, the newest first
    Ledger(LinesArgs),
    /// Corrects a member's points by hand
    #[command(
        after_long_help = "More than 100000 points in one correction, given or taken, need a key of the scope admin.\n\n  forebay member adjust m-4711 --by -5 --reason 'counted twice, see ticket 4711' --key ticket-4711"
    )]
    Adjust(AdjustArgs),
    /// Prints a token with which to call the api of `forebay dev` as a member
    #[command(
        after_long_help = "The token is signed with the key that lies beside the data file of `forebay dev`; no other \
installation takes it.\n\n  curl -X POST http://127.0.0.1:8080/v1/programmes/demo/check-ins -H 'Content-Type: \
application/json' -d '{}' -H \"Authorization: Bearer $(forebay member token m-1)\""
    )]
    Token(TokenArgs),
    /// Erases a person: from the books, dead letters, messages on their way, incidents and the audit log
    #[command(
        after_long_help = "In the books a pseudonym takes the place of the id, so that points and stock add up as \
before; in messages and texts `forebay:erased` does. What comes later about the person, from a queue, a spool or the \
shop, has no effect and leaves no trace. There is no way back, other than a backup: erase again after restoring an \
older one.\n\n  forebay member erase m-4711 --dry-run\n  forebay member erase m-4711 --reason 'request of 20 \
November' --yes"
    )]
    Erase(EraseArgs),
}

#[derive(Debug, Args)]
pub(crate) struct WhyArgs {
    /// The member's id, as the shop names them
    pub(crate) member: String,
    /// Only this programme
    #[arg(long)]
    pub(crate) programme: Option<String>,
    /// Only this rule of it
    #[arg(long, requires = "programme")]
    pub(crate) rule: Option<String>,
    /// One JSON object
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct BlockArgs {
    /// The member's id, as the shop names them
    pub(crate) member: String,
    /// Why; it stands in the audit log
    #[arg(long)]
    pub(crate) reason: String,
    /// One JSON object
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct TokenArgs {
    /// The member's id, as the shop names them
    pub(crate) member: String,
    /// It expires after this time, e.g. 30m, 1h; a day at most
    #[arg(long = "for", value_name = "TIME", default_value = "1h")]
    pub(crate) life: Life,
    /// The data file of `forebay dev`
    #[arg(long, default_value = "forebay.db")]
    pub(crate) data: PathBuf,
}

#[derive(Debug, Args)]
pub(crate) struct EraseArgs {
    /// The member's id, as the shop names them
    pub(crate) member: String,
    /// Why, without the id; it stands in the audit log
    #[arg(long, required_unless_present = "dry_run", default_value_if("dry_run", "true", ""))]
    pub(crate) reason: Option<String>,
    /// Only count what would be touched
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Do not ask
    #[arg(long)]
    pub(crate) yes: bool,
    /// One JSON object
    #[arg(long)]
    pub(crate) json: bool,
}

/// How long a token is good.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Life(pub(crate) Duration);

impl FromStr for Life {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let day = Duration::from_secs(24 * 3600);
        let life = length(text).filter(|life| !life.is_zero() && *life <= day);
        life.map(Self).ok_or("give a time like 90s, 30m or 2h, 24h at most")
    }
}
