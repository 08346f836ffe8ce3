//! The command line of dead letters.

use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use chrono::{DateTime, NaiveDate, NaiveTime, Utc};
use clap::{Args, Subcommand, ValueEnum};
use forebay_domain::dead_letter::replay::{RATE_DEFAULT, RATE_MAX};
use uuid::Uuid;

#[derive(Debug, Subcommand)]
pub(crate) enum DlqCommand {
    /// Groups of dead letters that are alike: begin here
    #[command(
        after_long_help = "Letters of one code, queue, type and error (numbers and quoted words apart) are a \
group.\n\n  forebay dlq groups\n  forebay dlq list --group 5ab1c02f9d3e7744"
    )]
    Groups {
        /// Those without an open letter, too
        #[arg(long)]
        all: bool,
        /// One JSON object
        #[arg(long)]
        json: bool,
    },
    /// Dead letters, the last death first
    #[command(
        after_long_help = "All conditions hold at once; ids are named whole. Letters that wait for somebody are \
listed, unless --status says otherwise.\n\n  forebay dlq list --order O-4711\n  forebay dlq list --text 'status 410' \
--since 2h\n  forebay dlq list --queue results --status any --limit 200"
    )]
    List {
        #[command(flatten)]
        filter: FilterArgs,
        /// In this state
        #[arg(long, value_enum, default_value_t = StatusArg::Open)]
        status: StatusArg,
        /// At most so many
        #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=200))]
        limit: u32,
        /// Go on behind this place: the next_cursor of the page before
        #[arg(long)]
        cursor: Option<String>,
        /// One JSON object
        #[arg(long)]
        json: bool,
    },
    /// One dead letter, whole: bytes, headers, earlier deaths
    Show {
        /// Its id
        id: Uuid,
    },
    /// Sends dead letters back to where they died: one first, then ten, then the rest
    #[command(
        after_long_help = "Mend the cause first. A replay keeps each message's id and bytes, so that what had its \
effect has no second one. It stops by itself when more than 20 % of the last 20 die again, and goes on by itself when \
the process that drives it dies.\n\n  forebay dlq replay --group 5ab1c02f9d3e7744 --dry-run\n  forebay dlq replay \
--group 5ab1c02f9d3e7744 --rate 50 --reason 'shop is back' --yes\n  forebay dlq replay --id \
0190a7c4-7b1e-7c3a-8f00-000000000001 --yes\n\nExit codes: 0 every letter had its effect; 3 some died again or have no \
way back; 1 it stopped or was aborted; 4 no letter matches; 5 not confirmed."
    )]
    Replay {
        #[command(flatten)]
        letters: LettersArgs,
        /// Letters a second
        #[arg(long, default_value_t = RATE_DEFAULT, value_parser = clap::value_parser!(u32).range(1..=i64::from(RATE_MAX)))]
        rate: u32,
        /// All at once, without one first and then ten
        #[arg(long)]
        no_canary: bool,
        /// Why; it stands in the audit log
        #[arg(long, default_value = "")]
        reason: String,
        /// Do not wait for its end
        #[arg(long)]
        detach: bool,
    },
    /// Replays, the newest first, or one until its end
    Replays {
        /// This one, until its end
        id: Option<Uuid>,
        /// At most so many
        #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=200))]
        limit: u32,
        /// Do not wait for its end
        #[arg(long)]
        detach: bool,
        /// One JSON object
        #[arg(long)]
        json: bool,
    },
    /// Ends a replay: what was sent is on its way, the rest is left alone
    Abort {
        /// The replay
        id: Uuid,
        /// Why; it stands in the audit log
        #[arg(long, default_value = "")]
        reason: String,
        /// One JSON object
        #[arg(long)]
        json: bool,
    },
    /// Closes dead letters that need no effect; they are kept some days more
    #[command(
        after_long_help = "  forebay dlq discard --text 'load test' --until 2026-11-20 --reason 'load test of \
Friday' --dry-run\n  forebay dlq discard --text 'load test' --until 2026-11-20 --reason 'load test of Friday' --yes"
    )]
    Discard {
        #[command(flatten)]
        letters: LettersArgs,
        /// Why; it stands in the audit log
        #[arg(long, required_unless_present = "dry_run", default_value_if("dry_run", "true", ""))]
        reason: Option<String>,
    },
    /// Writes dead letters, whole, as lines of JSON
    #[command(
        after_long_help = "A body that is not UTF-8 is base64, as body_encoding says.\n\n  forebay dlq export \
--queue results > dead.ndjson\n  forebay dlq export --status any --since 7d --output dead.ndjson"
    )]
    Export {
        #[command(flatten)]
        filter: FilterArgs,
        /// In this state
        #[arg(long, value_enum, default_value_t = StatusArg::Open)]
        status: StatusArg,
        /// Into this file instead of standard output
        #[arg(long, short, value_name = "FILE")]
        output: Option<PathBuf>,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum StatusArg {
    /// All of them
    Any,
    /// Waiting for somebody
    Open,
    /// On their way again
    Replaying,
    /// Had their effect after all
    Resolved,
    /// Closed by a person
    Discarded,
}

impl StatusArg {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Any => "any",
            Self::Open => "open",
            Self::Replaying => "replaying",
            Self::Resolved => "resolved",
            Self::Discarded => "discarded",
        }
    }
}

/// Conditions; all of them hold at once.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Which letters")]
pub(crate) struct FilterArgs {
    /// Of this code, e.g. rejected
    #[arg(long)]
    pub(crate) code: Option<String>,
    /// Of this queue, e.g. returns, results, tracking.sweettracker
    #[arg(long)]
    pub(crate) queue: Option<String>,
    /// Of this type, e.g. return.requested.v1
    #[arg(long = "type", value_name = "TYPE")]
    pub(crate) kind: Option<String>,
    /// Of this group
    #[arg(long)]
    pub(crate) group: Option<String>,
    /// Of this message id
    #[arg(long)]
    pub(crate) message_id: Option<String>,
    /// About this subject, e.g. return/R-1
    #[arg(long)]
    pub(crate) subject: Option<String>,
    /// About this order
    #[arg(long)]
    pub(crate) order: Option<String>,
    /// About the parcel of this number
    #[arg(long)]
    pub(crate) parcel: Option<String>,
    /// About this member
    #[arg(long)]
    pub(crate) member: Option<String>,
    /// With this in the error, or with this as an id
    #[arg(long)]
    pub(crate) text: Option<String>,
    /// Died then or later: an instant, a day (UTC), or how long ago, e.g. 2h
    #[arg(long, allow_hyphen_values = true, value_name = "WHEN")]
    pub(crate) since: Option<When>,
    /// Died before
    #[arg(long, allow_hyphen_values = true, value_name = "WHEN")]
    pub(crate) until: Option<When>,
}

/// Letters that something is to be done to.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct LettersArgs {
    #[command(flatten)]
    pub(crate) filter: FilterArgs,
    /// This letter; may be given again
    #[arg(long = "id", value_name = "ID", help_heading = "Which letters")]
    pub(crate) ids: Vec<Uuid>,
    /// Every open letter
    #[arg(long, help_heading = "Which letters")]
    pub(crate) all: bool,
    /// Only count them and show some
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Do not ask
    #[arg(long, short)]
    pub(crate) yes: bool,
    /// One JSON object on standard output
    #[arg(long)]
    pub(crate) json: bool,
}

/// A point in time as people say it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum When {
    At(DateTime<Utc>),
    Ago(Duration),
}

impl When {
    pub(crate) fn instant(self, now: DateTime<Utc>) -> DateTime<Utc> {
        match self {
            Self::At(at) => at,
            Self::Ago(ago) => now - ago,
        }
    }
}

impl FromStr for When {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        const RULE: &str =
            "give an instant (2026-11-20T09:00:00Z), a day (2026-11-20) or how long ago (30m, 2h, 7d)";
        if let Ok(at) = DateTime::parse_from_rfc3339(text) {
            return Ok(Self::At(at.with_timezone(&Utc)));
        }
        if let Ok(day) = text.parse::<NaiveDate>() {
            return Ok(Self::At(day.and_time(NaiveTime::MIN).and_utc()));
        }
        length(text.strip_prefix('-').unwrap_or(text)).map(Self::Ago).ok_or(RULE)
    }
}

/// A number with its unit: `90s`, `30m`, `2h`, `7d`.
pub(super) fn length(text: &str) -> Option<Duration> {
    let (number, unit) = text.split_at_checked(text.len().saturating_sub(1))?;
    let seconds = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 3600,
        "d" => 86_400,
        _ => return None,
    };
    let number: u32 = number.parse().ok()?;
    Some(Duration::from_secs(u64::from(number) * seconds))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_read_as_people_say_it() {
        let now = "2026-11-20T10:00:00Z".parse().unwrap();
        for (text, instant) in [
            ("2026-11-20T09:00:00+09:00", "2026-11-20T00:00:00Z"),
            ("2026-11-19", "2026-11-19T00:00:00Z"),
            ("2h", "2026-11-20T08:00:00Z"),
            ("-30m", "2026-11-20T09:30:00Z"),
            ("1d", "2026-11-19T10:00:00Z"),
        ] {
            let when: When = text.parse().unwrap();
            assert_eq!(when.instant(now), instant.parse::<DateTime<Utc>>().unwrap(), "{text}");
        }
        for text in ["", "h", "2", "yesterday", "2w", "-2", "99999999999h", "é"] {
            assert!(text.parse::<When>().is_err(), "{text}");
        }
    }
}
