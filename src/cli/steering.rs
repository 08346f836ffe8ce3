//! The command line of queues and workers.

use std::str::FromStr;
use std::time::Duration;

use clap::Subcommand;
use uuid::Uuid;

use super::dead_letters::length;

#[derive(Debug, Subcommand)]
pub(crate) enum QueueCommand {
    /// Every queue: what waits, who works on it, whether it is paused
    List {
        /// One JSON object
        #[arg(long)]
        json: bool,
    },
    /// One queue
    Show {
        /// The queue, e.g. returns, tracking.sweettracker
        name: String,
        /// One JSON object
        #[arg(long)]
        json: bool,
    },
    /// Lets every worker leave a queue alone; what is sent to it waits
    #[command(
        after_long_help = "Within 2 seconds nothing more is taken from the queue. What is in a handler's hands is \
finished; no message loses an attempt or ages. Workers that start later leave it alone, too. Pausing a paused queue \
changes its end and its reason.\n\n  forebay queue pause results --for 30m --reason 'the shop is moving'\n  forebay \
queue pause tracking.sweettracker --reason 'contract ended, see ticket 4711'"
    )]
    Pause {
        /// The queue, e.g. returns, tracking.sweettracker
        name: String,
        /// Why; it stands in the list of queues and in the audit log
        #[arg(long)]
        reason: String,
        /// It ends by itself after this time, e.g. 90s, 30m, 2h, 7d [default: it lasts until it is resumed]
        #[arg(long = "for", value_name = "TIME")]
        length: Option<Length>,
        /// One JSON object
        #[arg(long)]
        json: bool,
    },
    /// Lets workers work on a paused queue again
    #[command(after_long_help = "  forebay queue resume results --reason 'the shop has moved'")]
    Resume {
        /// The queue
        name: String,
        /// Why; it stands in the audit log
        #[arg(long)]
        reason: String,
        /// One JSON object
        #[arg(long)]
        json: bool,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum WorkerCommand {
    /// Every worker: where it runs, what it does, what it holds
    List {
        /// At most so many
        #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=200))]
        limit: u32,
        /// One JSON object
        #[arg(long)]
        json: bool,
    },
    /// Lets a worker take no more: what it holds is finished, others go on
    #[command(
        after_long_help = "The process stays there, drained, until you stop it: would it end by itself, a supervisor \
would start it again at once, and it would take work again. A worker that is started anew is another one, with \
another id, and takes work. A worker that was drained by mistake is therefore restarted. SIGTERM drains, too, and then \
ends the process; this command is for when there is time to look first.\n\n  forebay worker list\n  forebay worker \
drain 0190a7c4-7b1e-7c3a-8f00-000000000001 --reason 'its disk is worn' --wait"
    )]
    Drain {
        /// Its id
        id: Uuid,
        /// Why; it stands in the audit log
        #[arg(long)]
        reason: String,
        /// Wait until it holds nothing more
        #[arg(long)]
        wait: bool,
        /// One JSON object
        #[arg(long)]
        json: bool,
    },
}

/// A length of time as people say it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Length(pub(crate) Duration);

impl FromStr for Length {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        length(text).map(Self).ok_or("give a time like 90s, 30m, 2h or 7d")
    }
}
