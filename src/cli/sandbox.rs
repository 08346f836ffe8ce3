//! The command line of the sandbox.

use std::net::SocketAddr;

use chrono::{DateTime, Utc};
use clap::Args;

#[derive(Debug, Args)]
#[command(
    after_help = "See --help for its carriers, its control and how to point an installation at it.",
    after_long_help = "Carriers' systems, each in its own wire format below its own path: sweettracker, \
tracker_delivery, fedex, dhl, easypost, ups, aftership. All tell of the same parcels; how a number begins decides what \
happens to its parcel: 610 a label first, 620 a whole journey, 640 not known, 650 told in disorder, 690 on its way \
back, anything else picked up at once.

Point an installation at it:
  forebay sandbox --settings > sandbox.toml
  forebay sandbox &
  forebay --config sandbox.toml dev --no-sandbox

Ask what it saw, and make it misbehave, while it runs:
  curl http://127.0.0.1:8090/_control/carriers
  curl 'http://127.0.0.1:8090/_control/carriers/dhl?windows_ms=1000,60000'
  curl -X POST -H 'content-type: application/json' -d '{\"carriers\":{\"fedex\":{\"rate_limited\":{\"seconds\":30}}}}' \
http://127.0.0.1:8090/_control/faults
  curl -X POST http://127.0.0.1:8090/_control/parcels/615000000001/advance

All stories, switches and paths: sandbox/README.md in the source."
)]
pub(crate) struct SandboxArgs {
    /// Where its HTTP side listens
    #[arg(long, default_value = "127.0.0.1:8090")]
    pub(crate) listen: SocketAddr,
    /// Where its mail server listens
    #[arg(long, default_value = "127.0.0.1:8025")]
    pub(crate) smtp: SocketAddr,
    /// Most calls a second that each carrier takes
    #[arg(long, default_value_t = 1_000, value_name = "CALLS")]
    pub(crate) quota: u32,
    /// Refuse calls above the quota instead of only counting them
    #[arg(long)]
    pub(crate) enforce_quota: bool,
    /// Hold each carrier to what its documents say that it takes, such as 250 calls a day at DHL, and refuse what is
    /// above
    #[arg(long)]
    pub(crate) documented_limits: bool,
    /// Choose the parcels' places and times
    #[arg(long, default_value_t = 1)]
    pub(crate) seed: u64,
    /// When the earliest parcel begins, as RFC 3339; the others begin within ten hours after it [default: always the
    /// same instant, so that a sandbox started again tells the same]
    #[arg(long, value_name = "TIME")]
    pub(crate) begin: Option<DateTime<Utc>>,
    /// First pause before a push that was not taken is sent again; the next ones double
    #[arg(long, default_value_t = 30_000, value_name = "MILLISECONDS")]
    pub(crate) push_retry_ms: u64,
    /// Print a configuration file that points an installation at such a sandbox, and end
    #[arg(long)]
    pub(crate) settings: bool,
    /// The name by which the installation reaches it, for --settings [default: the address of --listen]
    #[arg(long, requires = "settings")]
    pub(crate) host: Option<String>,
}
