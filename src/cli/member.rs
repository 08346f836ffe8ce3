//! The command line of members.

use clap::Subcommand;

#[derive(Debug, Subcommand)]
pub(crate) enum MemberCommand {
    /// Erases a person: from the books, dead letters, messages on their way, incidents and the audit log
    #[command(
        after_long_help = "In the books a pseudonym takes the place of the id, so that points and stock add up as \
before; in messages and texts `forebay:erased` does. What comes later about the person, from a queue, a spool or the \
shop, has no effect and leaves no trace. There is no way back, other than a backup: erase again after restoring an \
older one.\n\n  forebay member erase m-4711 --dry-run\n  forebay member erase m-4711 --reason 'request of 20 \
November' --yes"
    )]
    Erase {
        /// The member's id, as the shop names them
        member: String,
        /// Why, without the id; it stands in the audit log
        #[arg(long, required_unless_present = "dry_run", default_value_if("dry_run", "true", ""))]
        reason: Option<String>,
        /// Only count what would be touched
        #[arg(long)]
        dry_run: bool,
        /// Do not ask
        #[arg(long)]
        yes: bool,
        /// One JSON object
        #[arg(long)]
        json: bool,
    },
}
