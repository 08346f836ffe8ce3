//! The command line of incidents.

use chrono::{DateTime, Utc};
use clap::{Args, Subcommand, ValueEnum};
use uuid::Uuid;

use super::steering::Length;

#[derive(Debug, Subcommand)]
pub(crate) enum AlertCommand {
    /// Incidents, the newest first
    #[command(
        after_long_help = "  forebay alert list\n  forebay alert list --state any --rule dead_letters --limit 200"
    )]
    List {
        /// Open ones, those that are over, or any
        #[arg(long, value_enum, default_value_t = IncidentState::Open)]
        state: IncidentState,
        /// Of this rule
        #[arg(long)]
        rule: Option<String>,
        /// At most so many
        #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=200))]
        limit: u32,
        /// Go on behind this place: the next_cursor of the page before
        #[arg(long)]
        cursor: Option<Uuid>,
        /// One JSON object
        #[arg(long)]
        json: bool,
    },
    /// Every rule by which incidents are raised: how bad it is at most, what raises it, where more is written
    Rules {
        /// One JSON object
        #[arg(long)]
        json: bool,
    },
    /// Sends a message that says that it is a test to Slack and to each recipient of mail, by a worker of the installation
    #[command(
        after_long_help = "Says what each sink answered; exits with 1 when one did not take it, or when no worker sent \
it in time.\n\n  forebay alert test\n  forebay alert test --rule stock_out"
    )]
    Test {
        /// The message of this rule, with nothing behind it
        #[arg(long)]
        rule: Option<String>,
        /// What for; it stands in the audit log
        #[arg(long, default_value = "")]
        reason: String,
        /// Wait so long for a worker to send it, e.g. 30s, 2m
        #[arg(long, value_name = "TIME", default_value = "60s")]
        wait: Length,
        /// One JSON object
        #[arg(long)]
        json: bool,
    },
    /// One incident: what it means, what to do, who sees to it
    Show {
        /// Its id
        id: Uuid,
        /// One JSON object
        #[arg(long)]
        json: bool,
    },
    /// Takes an incident on: people are told who, and then no more until it gets worse or ends
    #[command(
        after_long_help = "Who took it on stays: a second acknowledgement changes nothing. When its severity rises, \
somebody has to take it on anew.\n\n  forebay alert ack 0190a7c4-7b1e-7c3a-8f00-000000000001 --reason 'calling the shop'"
    )]
    Ack {
        /// Its id
        id: Uuid,
        /// What for; it stands in the audit log
        #[arg(long, default_value = "")]
        reason: String,
        /// One JSON object
        #[arg(long)]
        json: bool,
    },
    /// Silence about an incident for a while, whatever comes, unless its severity rises
    #[command(
        after_long_help = "When the silence is over, people are told how it stands. A second silence takes the place \
of the first.\n\n  forebay alert snooze 0190a7c4-7b1e-7c3a-8f00-000000000001 --for 2h --reason 'the truck comes at \
four'"
    )]
    Snooze(SnoozeArgs),
}

#[derive(Debug, Args)]
pub(crate) struct SnoozeArgs {
    /// Its id
    pub(crate) id: Uuid,
    /// For so long, e.g. 90s, 30m, 2h, 7d; 30 days at most
    #[arg(long = "for", value_name = "TIME", required_unless_present = "until", conflicts_with = "until")]
    pub(crate) length: Option<Length>,
    /// Until then, e.g. 2026-11-21T16:00:00Z
    #[arg(long, value_name = "WHEN")]
    pub(crate) until: Option<DateTime<Utc>>,
    /// Why; it stands in the audit log
    #[arg(long)]
    pub(crate) reason: String,
    /// One JSON object
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum IncidentState {
    Open,
    Resolved,
    Any,
}
