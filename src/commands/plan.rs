//! `carrier plan`: what following parcels will cost, on paper, beside a fixed schedule.

use std::time::Duration;

use forebay_domain::daily::Purpose;
use forebay_domain::forecast::{Forecast, Lag, Rule, Scenario};
use forebay_domain::{Clock as _, SystemClock};
use serde_json::json;

use crate::cli::PlanArgs;
use crate::commands::{people, table};
use crate::config::Config;
use crate::exit::{CONFIGURATION, Exit, NOT_FOUND};

/// Days that are listed one by one.
const DAYS_LISTED: usize = 14;

pub(crate) fn run(config: &Config, args: &PlanArgs) -> Result<(), Exit> {
    let known = forebay_carriers::KNOWN.iter().find(|known| known.id == args.id).ok_or_else(|| {
        let ids: Vec<&str> = forebay_carriers::KNOWN.iter().map(|known| known.id).collect();
        Exit::new(NOT_FOUND, format!("{} is not one of: {}", args.id, ids.join(", ")))
    })?;
    let system = config.carriers.get(known.id).cloned().unwrap_or_default();
    let mut terms = system.terms();
    terms.quota.limit = args.limit.unwrap_or(terms.quota.limit);
    if terms.quota.limit <= terms.quota.burst {
        let text = format!("--limit must be more than the burst ({})", terms.quota.burst);
        return Err(Exit::new(CONFIGURATION, text));
    }
    if let Some(most) = args.daily {
        terms = terms.with(&forebay_domain::limits::LiveLimits { daily: Some(most), ..Default::default() });
    }
    let budget = terms.daily.map(|daily| (daily.most_for(Purpose::Routine), daily.reset));
    let batch = u32::try_from(known.max_batch).unwrap_or(u32::MAX);
    let first_look_within = Duration::from_secs(system.first_look_within_s);
    let now = SystemClock.now();
    // The days of the play are the carrier's.
    let begins = budget.map_or(now, |(_, reset)| reset.day_of(now).0);
    let scenario = Scenario {
        parcels: args.parcels,
        over: args.over.0,
        mix: args.mix.iter().map(|part| (part.0.clone(), part.1)).collect(),
        rate: terms.quota.rate(),
        batch,
        daily: budget,
        rule: Rule::Adaptive { first_look_within },
        begins,
        days: args.days,
    };
    let ours = scenario.play();
    let fixed = Scenario { rule: Rule::Every(args.every()), ..scenario.clone() }.play();
    let budget = budget.map(|(most, _)| most);
    if args.json {
        return people::print_json(&json!({
            "carrier": known.id,
            "parcels": args.parcels,
            "calls_a_second": scenario.rate,
            "planned_calls_a_day": budget,
            "parcels_a_call": batch,
            "planned": ours,
            "fixed": fixed,
            "fixed_every_s": args.every().as_secs(),
        }));
    }
    people::print(&text(args, &scenario, budget, &ours, &fixed))
}

fn text(
    args: &PlanArgs,
    scenario: &Scenario,
    budget: Option<u32>,
    ours: &Forecast,
    fixed: &Forecast,
) -> String {
    let mix: Vec<String> = args.mix.iter().map(|part| format!("{} {}", part.1, part.0.name)).collect();
    let bears = format!(
        "{:.1} calls a second, {}, {} parcel{} a call",
        scenario.rate,
        budget.map_or_else(|| "no budget of a day".to_owned(), |most| format!("{most} planned calls a day")),
        scenario.batch,
        if scenario.batch == 1 { "" } else { "s" },
    );
    let head = format!(
        "{} parcels in {} at {}, which bears {bears}.\nThe journeys are assumptions: of a hundred {}.",
        args.parcels,
        length(args.over.0.as_secs()),
        args.id,
        mix.join(", "),
    );
    let every = format!("each {}", length(args.every().as_secs()));
    let lag = |lag: &Lag| match lag.count {
        0 => "-".to_owned(),
        _ => format!("{} / {}", length(lag.median_s), length(lag.p95_s)),
    };
    let row = |name: &str, of: &dyn Fn(&Forecast) -> String| vec![name.to_owned(), of(ours), of(fixed)];
    let figures = [
        row("calls", &|f| f.calls.to_string()),
        row("looks a parcel", &|f| format!("{:.1}", f.looks_a_parcel)),
        row("busiest day, calls", &|f| f.days.iter().map(|day| day.calls).max().unwrap_or(0).to_string()),
        row("first look after (half / 95 %)", &|f| lag(&f.first_look)),
        row("pick-up learned after", &|f| lag(&f.picked_up)),
        row("delivery learned after", &|f| lag(&f.delivered)),
        row(&format!("not finished after {} days", args.days), &|f| f.unfinished.to_string()),
    ];
    let days = ours.days.iter().enumerate().take(DAYS_LISTED).map(|(n, day)| {
        let share = budget.map_or_else(
            || "-".to_owned(),
            |most| format!("{:.0} %", 100.0 * day.calls as f64 / f64::from(most.max(1))),
        );
        let beside = fixed.days.get(n).map_or(0, |day| day.calls);
        [(n + 1).to_string(), day.calls.to_string(), share, day.waiting.to_string(), beside.to_string()]
            .to_vec()
    });
    let days = table::plain(&["day", "calls", "of the budget", "waiting at its end", &every], days);
    let rest = ours.days.len().saturating_sub(DAYS_LISTED);
    let more = if rest == 0 { String::new() } else { format!("\n… and {rest} more days; --json has all") };
    format!("{head}\n\n{}\n\n{days}{more}", table::plain(&["", "planned", &every], figures))
}

fn length(seconds: u64) -> String {
    match seconds {
        0..=119 => format!("{seconds} s"),
        120..=7199 => format!("{} min", seconds / 60),
        7200..=172_799 => format!("{:.1} h", seconds as f64 / 3600.0),
        _ => format!("{:.1} days", seconds as f64 / 86_400.0),
    }
}
