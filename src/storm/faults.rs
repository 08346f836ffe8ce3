//! What is broken, how often, and when.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use clap::ValueEnum;
use forebay_sandbox::Faults;
use rand::RngExt;
use rand::rngs::StdRng;

/// A kind of fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub(crate) enum Fault {
    /// kill -9 of a worker (embedded: of the one process)
    Worker,
    /// kill -9 of the relay (embedded: of the one process)
    Relay,
    /// kill -9 of the intake (embedded: of the one process)
    Intake,
    /// kill -9 of the schedule (embedded: of the one process)
    Schedule,
    /// The broker stops and starts again, by your commands
    Broker,
    /// The database stops and starts again, by your commands
    Store,
    /// Every connection to broker and database is cut
    Cut,
    /// Every connection to broker and database goes silent for good; new ones work
    Freeze,
    /// The carrier answers late
    CarrierSlow,
    /// The carrier answers half of the calls with 500
    CarrierFails,
    /// The carrier answers 429
    CarrierLimits,
    /// The carrier answers every call with 500
    CarrierDown,
    /// The shop answers half of the results with 503
    ShopFails,
    /// Every byte to and from the database comes late
    SlowStore,
    /// So many messages come at once that nobody can handle
    Poison,
}

impl Fault {
    /// It breaks what only the set of servers has.
    pub(crate) fn needs_servers(self) -> bool {
        matches!(self, Self::Broker | Self::Store | Self::Cut | Self::Freeze | Self::SlowStore)
    }

    /// Its count is that of the messages of one fault, not of the faults.
    pub(crate) fn is_flood(self) -> bool {
        self == Self::Poison
    }

    /// It goes on until it is mended.
    pub(crate) fn lasts(self) -> bool {
        matches!(self, Self::Broker | Self::Store | Self::SlowStore) || self.of_the_outside().is_some()
    }

    /// The sandbox's switches for it, when it is the outside that breaks.
    pub(crate) fn of_the_outside(self) -> Option<Faults> {
        match self {
            Self::CarrierSlow => Some(Faults { carrier_latency_ms: 2_000, ..Faults::default() }),
            Self::CarrierFails => Some(Faults { carrier_fail_percent: 50, ..Faults::default() }),
            Self::CarrierLimits => Some(Faults { carrier_rate_limited: Some(1), ..Faults::default() }),
            Self::CarrierDown => Some(Faults { carrier_fail_percent: 100, ..Faults::default() }),
            Self::ShopFails => Some(Faults { results_fail_percent: 50, ..Faults::default() }),
            _ => None,
        }
    }

    fn of_name(name: &str) -> Result<Self, String> {
        let kinds = || Self::value_variants().iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
        Self::from_str(name, false).map_err(|_| format!("\"{name}\" is not one of: {}", kinds()))
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.to_possible_value().as_ref().map_or("", |value| value.get_name()))
    }
}

/// So many faults of a kind, each so long, from then on: `worker=20`, `carrier-down=20m`, `carrier-slow=3x10s@2m`, or
/// `worker` for one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Dose {
    pub(crate) fault: Fault,
    pub(crate) count: u16,
    /// How long each lasts; a few seconds by chance when nothing is said.
    pub(crate) lasts: Option<Duration>,
    /// When the one begins; by chance when nothing is said.
    pub(crate) at: Option<Duration>,
}

impl FromStr for Dose {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (text, at) = match text.split_once('@') {
            Some((text, at)) => (text, Some(length(at)?)),
            None => (text, None),
        };
        let (name, dose) = text.split_once('=').unwrap_or((text, "1"));
        let fault = Fault::of_name(name)?;
        let (count, lasts) = match dose.split_once('x') {
            Some((count, lasts)) => (count, Some(length(lasts)?)),
            None if dose.ends_with(['s', 'm', 'h']) => ("1", Some(length(dose)?)),
            None => (dose, None),
        };
        let count = count.parse().map_err(|_| format!("\"{count}\" is not a number of faults"))?;
        if at.is_some() && count != 1 && !fault.is_flood() {
            return Err("one fault alone begins at a time".to_owned());
        }
        Ok(Self { fault, count, lasts, at })
    }
}

/// `90s`, `20m` or `2h`.
fn length(text: &str) -> Result<Duration, String> {
    let wrong = || format!("\"{text}\" is not a length of time such as 90s, 20m or 2h");
    let unit = match text.chars().last() {
        Some('s') => 1,
        Some('m') => 60,
        Some('h') => 3_600,
        _ => return Err(wrong()),
    };
    let many: u64 = text[..text.len() - 1].parse().map_err(|_| wrong())?;
    many.checked_mul(unit).map(Duration::from_secs).ok_or_else(wrong)
}

/// The shell command that does a fault: `worker=kubectl delete pod -l role=worker --grace-period=0`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct FaultCommand {
    pub(crate) fault: Fault,
    pub(crate) command: String,
}

impl FromStr for FaultCommand {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (name, command) = text.split_once('=').ok_or("it is FAULT=COMMAND")?;
        Ok(Self { fault: Fault::of_name(name)?, command: command.to_owned() })
    }
}

/// One fault at its time.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Strike {
    pub(crate) at: Duration,
    pub(crate) fault: Fault,
    /// How long it lasts, where it has a length.
    pub(crate) lasts: Duration,
    /// How many messages, where it is a flood.
    pub(crate) size: u16,
}

/// The faults in their order, spread over the burst: each kind evenly, each fault at a random time within its share,
/// unless its time was given.
pub(crate) fn plan(doses: &[Dose], over: Duration, random: &mut StdRng) -> Vec<Strike> {
    let mut strikes = Vec::new();
    for dose in doses {
        let strikes_of = if dose.fault.is_flood() { dose.count.min(1) } else { dose.count };
        for n in 0..strikes_of {
            let share = (f64::from(n) + random.random_range(0.0..1.0)) / f64::from(strikes_of);
            let by_chance = Duration::from_millis(random.random_range(500..3_000));
            strikes.push(Strike {
                at: dose.at.unwrap_or_else(|| over.mul_f64(share)),
                fault: dose.fault,
                lasts: dose.lasts.unwrap_or(by_chance),
                size: dose.count,
            });
        }
    }
    strikes.sort_by_key(|strike| strike.at);
    strikes
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;

    use super::*;

    #[test]
    fn a_dose_is_a_kind_with_or_without_a_count() {
        let dose = |fault, count, lasts: Option<u64>, at: Option<u64>| {
            let (lasts, at) = (lasts.map(Duration::from_secs), at.map(Duration::from_secs));
            Ok(Dose { fault, count, lasts, at })
        };
        assert_eq!("worker=20".parse(), dose(Fault::Worker, 20, None, None));
        assert_eq!("carrier-slow".parse(), dose(Fault::CarrierSlow, 1, None, None));
        assert_eq!("carrier-down=20m".parse(), dose(Fault::CarrierDown, 1, Some(1_200), None));
        assert_eq!("carrier-slow=3x10s".parse(), dose(Fault::CarrierSlow, 3, Some(10), None));
        assert_eq!("poison=5000@2m".parse(), dose(Fault::Poison, 5_000, None, Some(120)));
        assert!("lightning".parse::<Dose>().unwrap_err().contains("carrier-slow"));
        for wrong in [
            "worker=many",
            "worker=2@1m",
            "cut=1x",
            "cut=sm",
            "broker=1x2가",
            "cut@",
            "cut=99999999999999999999h",
        ] {
            assert!(wrong.parse::<Dose>().is_err(), "{wrong}");
        }
        let command = FaultCommand { fault: Fault::Relay, command: "a=b c".to_owned() };
        assert_eq!("relay=a=b c".parse(), Ok(command));
        assert!("relay".parse::<FaultCommand>().is_err());
    }

    #[test]
    fn every_fault_lies_within_the_burst_and_the_same_seed_is_the_same_plan() {
        let doses: [Dose; 3] = ["worker=20", "cut=3", "poison=500"].map(|dose| dose.parse().unwrap());
        let over = Duration::from_secs(180);
        let of = |seed| plan(&doses, over, &mut StdRng::seed_from_u64(seed));
        assert_eq!(of(1).len(), 24);
        assert!(of(1).iter().all(|s| s.at <= over));
        assert_eq!(of(1), of(1));
        assert_ne!(of(1), of(2));
    }
}
