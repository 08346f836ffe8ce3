//! The command line.

mod alert;
mod attendance;
mod carriers;
mod claim;
mod dead_letters;
mod member;
mod plan;
mod points;
mod programme;
mod sandbox;
mod steering;
mod stock;
mod tracking;

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use url::Url;

pub(crate) use self::alert::{AlertCommand, IncidentState, SnoozeArgs};
pub(crate) use self::attendance::{AttendanceCommand, DayArgs, WhichArgs};
pub(crate) use self::carriers::{BreakerWish, CarrierCommand, LimitArgs};
pub(crate) use self::claim::{ClaimCommand, ClaimsArgs, TakeBackArgs};
pub(crate) use self::dead_letters::{DlqCommand, FilterArgs, LettersArgs, When};
pub(crate) use self::member::{BlockArgs, EraseArgs, MemberCommand, TokenArgs, WhyArgs};
pub(crate) use self::plan::PlanArgs;
pub(crate) use self::points::{AdjustArgs, LedgerCommand, LinesArgs, PointsArgs};
pub(crate) use self::programme::{ApplyArgs, ProgrammeCommand, StateArgs};
pub(crate) use self::sandbox::SandboxArgs;
pub(crate) use self::steering::{QueueCommand, WorkerCommand};
pub(crate) use self::stock::{AdjustStockArgs, SetStockArgs, StockCommand};
pub(crate) use self::tracking::{ParcelCommand, ReturnCommand, word};

use crate::storm::{Dose, FaultCommand};

/// Takes the burst of a promotion into queues and drains it at the pace that each outside system can bear.
///
/// Try it: `forebay demo`. Keep it running on one file: `forebay dev`. In production every role is a process of its
/// own: `serve intake`, `serve api`, `work`, `relay`, `schedule`.
#[derive(Debug, Parser)]
#[command(name = "forebay", version, propagate_version = true, arg_required_else_help = true)]
pub(crate) struct Cli {
    /// The configuration file [default: forebay.toml, if it is there]
    #[arg(short, long, global = true, env = "FOREBAY_CONFIG", value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Sends a burst through a whole system in one process and checks that nothing was lost or doubled
    Demo(DemoArgs),
    /// Runs every role in one process on one file, with a sandbox around it
    Dev(DevArgs),
    /// Sends a burst through an installation of processes, breaks what it is told to break, and counts what was lost
    /// or doubled
    Storm(Box<StormArgs>),
    /// Serves HTTP: events (intake), or members' commands, reads and administration (api)
    Serve {
        /// What to serve
        role: ServeRole,
    },
    /// Works on queues
    Work {
        /// Only these queues, e.g. returns,tracking.sweettracker,dead [default: all]
        #[arg(long, value_delimiter = ',')]
        queues: Vec<String>,
    },
    /// Publishes what the outbox holds
    Relay,
    /// Fires the jobs of the clock and plans the checks of parcels
    Schedule,
    /// Brings the store's schema up to this release
    Migrate,
    /// The queues, exchanges and bindings of the broker
    Topology {
        #[command(subcommand)]
        command: TopologyCommand,
    },
    /// The configuration
    Config {
        #[command(subcommand)]
        command: ConfigCommand,
    },
    /// Checks configuration, store, queue and outside systems, and says how to mend what is wrong
    Doctor {
        /// One JSON object
        #[arg(long)]
        json: bool,
    },
    /// Says what a code, an incident or an alert means, how to look into it, how to mend it, and whom to call
    #[command(
        after_long_help = "  forebay explain\n  forebay explain attempts_exhausted\n  forebay explain ForebayDrainLate"
    )]
    Explain {
        /// The code, or the rule of the incident or alert [default: lists all]
        name: Option<String>,
        /// One JSON object
        #[arg(long)]
        json: bool,
    },
    /// Events
    Event {
        #[command(subcommand)]
        command: EventCommand,
    },
    /// Dead letters: found, replayed, discarded, exported
    Dlq {
        #[command(flatten)]
        api: ApiArgs,
        #[command(subcommand)]
        command: Box<DlqCommand>,
    },
    /// Queues: looked at, paused, resumed
    Queue {
        #[command(flatten)]
        api: ApiArgs,
        #[command(subcommand)]
        command: QueueCommand,
    },
    /// Incidents: looked at, taken on, left in silence for a while
    Alert {
        #[command(flatten)]
        api: ApiArgs,
        #[command(subcommand)]
        command: AlertCommand,
    },
    /// Carriers' systems: looked at, limited, left alone
    Carrier {
        #[command(flatten)]
        api: ApiArgs,
        #[command(subcommand)]
        command: CarrierCommand,
    },
    /// Workers: looked at, drained (`work` starts one)
    Worker {
        #[command(flatten)]
        api: ApiArgs,
        #[command(subcommand)]
        command: WorkerCommand,
    },
    /// Parcels: what happened to them, what comes next, asked about now
    Parcel {
        #[command(flatten)]
        api: ApiArgs,
        #[command(subcommand)]
        command: ParcelCommand,
    },
    /// Returns: their states, collected from the shop, their results sent again
    Return {
        #[command(flatten)]
        api: ApiArgs,
        #[command(subcommand)]
        command: ReturnCommand,
    },
    /// Programmes: checked, applied, looked at, paused, resumed, ended
    Programme {
        #[command(flatten)]
        api: ApiArgs,
        #[command(subcommand)]
        command: ProgrammeCommand,
    },
    /// Check-ins: listed, exported for a spreadsheet, voided, restored
    Attendance {
        #[command(flatten)]
        api: ApiArgs,
        #[command(subcommand)]
        command: AttendanceCommand,
    },
    /// Members: looked at, blocked, erased; tokens to try things out with
    Member {
        #[command(flatten)]
        api: ApiArgs,
        #[command(subcommand)]
        command: MemberCommand,
    },
    /// The ledger of points: added up, mended, a transaction taken back
    Ledger {
        #[command(flatten)]
        api: ApiArgs,
        #[command(subcommand)]
        command: LedgerCommand,
    },
    /// Claims: listed, shipped, taken back, exported for a spreadsheet
    Claim {
        #[command(flatten)]
        api: ApiArgs,
        #[command(subcommand)]
        command: ClaimCommand,
    },
    /// Stock: what is left, changed with a reason, its history
    Stock {
        #[command(flatten)]
        api: ApiArgs,
        #[command(subcommand)]
        command: StockCommand,
    },
    /// What a day brought, against the day before it: the report that people are told each morning
    #[command(after_long_help = "  forebay report\n  forebay report --day 2026-11-20 --json")]
    Report {
        #[command(flatten)]
        api: ApiArgs,
        #[command(flatten)]
        asked: ReportArgs,
    },
    /// What people did by the api, the newest first: who, when, why
    Audit {
        #[command(flatten)]
        api: ApiArgs,
        /// At most so many
        #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=200))]
        limit: u32,
        /// One JSON object
        #[arg(long)]
        json: bool,
    },
    /// API keys
    Key {
        #[command(subcommand)]
        command: KeyCommand,
    },
    /// The outside world in a box: carriers' systems, the shop's own, Slack and a mail server
    Sandbox(SandboxArgs),
    /// The version
    Version {
        /// One JSON object
        #[arg(long)]
        json: bool,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum ServeRole {
    /// POST /v1/events
    Intake,
    /// Members' commands, reads, administration
    Api,
}

impl ServeRole {
    /// Its word.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Intake => "intake",
            Self::Api => "api",
        }
    }
}

#[derive(Debug, Args)]
pub(crate) struct ReportArgs {
    /// The day, by the shop's clock; without it, yesterday
    #[arg(long, value_name = "DATE")]
    pub(crate) day: Option<chrono::NaiveDate>,
    /// One JSON object
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct DemoArgs {
    /// Events in the burst
    #[arg(long, default_value_t = 30_000, value_parser = clap::value_parser!(u32).range(100..=1_000_000))]
    pub(crate) events: u32,
    /// One JSON object on standard output instead of the summary
    #[arg(long)]
    pub(crate) json: bool,
    /// RabbitMQ instead of the embedded queue (needs --store-url); everything is declared by the demo
    #[arg(long, env = "FOREBAY_DEMO_QUEUE_URL", hide_env_values = true, requires = "store_url")]
    pub(crate) queue_url: Option<String>,
    /// PostgreSQL instead of the embedded store (needs --queue-url); migrated by the demo, must be empty
    #[arg(long, env = "FOREBAY_DEMO_STORE_URL", hide_env_values = true, requires = "queue_url")]
    pub(crate) store_url: Option<String>,
    /// The same burst again
    #[arg(long, default_value_t = 1)]
    pub(crate) seed: u64,
    /// Give up when the burst is not settled after so many seconds
    #[arg(long, default_value_t = 300)]
    pub(crate) patience_s: u64,
    /// Before the checks, wait until this file is there
    #[arg(long, hide = true)]
    pub(crate) hold: Option<PathBuf>,
}

/// Without --queue-url and --store-url the installation is one process on one file; with them it is the roles of a
/// production set. Both are private to the storm, with a sandbox as their outside, and end with it.
#[derive(Debug, Args)]
pub(crate) struct StormArgs {
    /// Events in the burst
    #[arg(long, default_value_t = 30_000, value_parser = clap::value_parser!(u32).range(100..=1_000_000))]
    pub(crate) events: u32,
    /// Seconds over which the burst is spread
    #[arg(long, default_value_t = 60)]
    pub(crate) over_s: u64,
    /// What to break: how often, how long and when, e.g. worker=20,carrier-down=20m,carrier-slow=3x10s,broker=2m@5m
    /// (three times for 10 s; once, for 2 min, 5 min after the beginning); what is not said is left to chance. Faults
    /// come one after the other. worker, relay, intake, schedule; carrier-slow, carrier-fails, carrier-limits,
    /// carrier-down, shop-fails; poison=5000 (so many messages at once that nobody can handle, counted apart); with
    /// servers also broker, store, cut, freeze, slow-store
    #[arg(
        long = "faults",
        value_delimiter = ',',
        value_name = "FAULT[=[COUNTx]LENGTH|COUNT][@TIME]",
        default_value = "worker=5"
    )]
    pub(crate) faults: Vec<Dose>,
    /// RabbitMQ (needs --store-url); everything is declared by the storm
    #[arg(long, env = "FOREBAY_DEMO_QUEUE_URL", hide_env_values = true, requires = "store_url")]
    pub(crate) queue_url: Option<String>,
    /// PostgreSQL (needs --queue-url or --intake); migrated by the storm and empty, unless it is that of --intake
    #[arg(long, env = "FOREBAY_DEMO_STORE_URL", hide_env_values = true)]
    pub(crate) store_url: Option<String>,
    /// Worker processes
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u8).range(1..=32))]
    pub(crate) workers: u8,
    /// Drive the burst against the installation whose intake this is, instead of a private one; give --store-url, too,
    /// where the effects are counted. It gets a programme of its own and members, orders and returns that begin with
    /// storm-. What is to be broken, break by --on
    #[arg(long, value_name = "URL", requires = "store_url", requires = "key_file")]
    pub(crate) intake: Option<Url>,
    /// The file with the key for that intake
    #[arg(long, value_name = "FILE")]
    pub(crate) key_file: Option<PathBuf>,
    /// The sandbox that this installation calls as carrier and shop; without it the burst has no returns, since they
    /// would reach the real ones
    #[arg(long, value_name = "URL", requires = "intake")]
    pub(crate) sandbox: Option<Url>,
    /// The shell command that does a fault, e.g. worker="kubectl delete pod -l role=worker --grace-period=0"; may be
    /// given for each
    #[arg(long, value_name = "FAULT=COMMAND")]
    pub(crate) on: Vec<FaultCommand>,
    /// A shell command that stops the broker, for the fault broker
    #[arg(long, value_name = "COMMAND")]
    pub(crate) stop_broker: Option<String>,
    /// A shell command that starts it again and returns
    #[arg(long, value_name = "COMMAND")]
    pub(crate) start_broker: Option<String>,
    /// A shell command that stops the database, for the fault store
    #[arg(long, value_name = "COMMAND")]
    pub(crate) stop_store: Option<String>,
    /// A shell command that starts it again and returns
    #[arg(long, value_name = "COMMAND")]
    pub(crate) start_store: Option<String>,
    /// A file of settings for the storm's own installation, e.g. with a section `alerts`; what the storm sets itself
    /// goes before
    #[arg(long, value_name = "FILE")]
    pub(crate) settings: Option<PathBuf>,
    /// When the burst is settled, do what a person would, closing its dead letters and adding stock, and wait until every
    /// incident is over and people have heard so
    #[arg(long)]
    pub(crate) until_well: bool,
    /// Save what people saw, as slack.html and mail.html in this folder
    #[arg(long, value_name = "FOLDER")]
    pub(crate) pages: Option<PathBuf>,
    /// The same burst and the same faults again
    #[arg(long, default_value_t = 1)]
    pub(crate) seed: u64,
    /// Give up when the burst is not settled so many seconds after it
    #[arg(long, default_value_t = 300)]
    pub(crate) patience_s: u64,
    /// One JSON object on standard output instead of the report
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct DevArgs {
    /// The file that holds everything
    #[arg(long, default_value = "forebay.db")]
    pub(crate) data: PathBuf,
    /// Do not start the sandbox; use the outside systems of the configuration
    #[arg(long)]
    pub(crate) no_sandbox: bool,
}

#[derive(Debug, Subcommand)]
pub(crate) enum TopologyCommand {
    /// Shows what would be declared
    Plan,
    /// Declares what is missing
    Apply,
    /// Prints the commands by which an administrator of the broker makes a user for each kind of role, with the least
    /// rights that do
    Users,
}

#[derive(Debug, Subcommand)]
pub(crate) enum ConfigCommand {
    /// Checks it and names every fault
    Check,
    /// Shows it, secrets as stars
    Show,
    /// Writes a commented file with every setting
    Init {
        /// Where to
        #[arg(default_value = "forebay.toml")]
        path: PathBuf,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum EventCommand {
    /// Sends an event to the intake
    Publish {
        #[command(flatten)]
        api: ApiArgs,
        /// The event's JSON; - for standard input
        file: PathBuf,
    },
    /// Checks an event without sending it
    Validate {
        /// The event's JSON; - for standard input
        file: PathBuf,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum KeyCommand {
    /// Makes a key: the secret goes to standard output, the lines for the configuration to standard error
    New {
        /// What it may do
        #[arg(long, value_delimiter = ',', default_value = "events:write")]
        scopes: Vec<String>,
    },
}

/// How people's commands reach the system.
#[derive(Debug, Args)]
pub(crate) struct ApiArgs {
    /// The api's address (for `event publish`: the intake's)
    #[arg(long, env = "FOREBAY_API_URL", default_value = "http://127.0.0.1:8080", global = true)]
    pub(crate) api_url: url::Url,
    /// A file with the API key
    #[arg(long, env = "FOREBAY_TOKEN_FILE", default_value = "forebay.db.key", global = true)]
    pub(crate) token_file: PathBuf,
}
