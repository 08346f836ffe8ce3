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
    /// The shop answers half of the results with 503
    ShopFails,
}

impl Fault {
    /// It breaks what only the set of servers has.
    pub(crate) fn needs_servers(self) -> bool {
        matches!(self, Self::Broker | Self::Store | Self::Cut | Self::Freeze)
    }

    /// The sandbox's switches for it, when it is the outside that breaks.
    pub(crate) fn of_the_outside(self) -> Option<Faults> {
        match self {
            Self::CarrierSlow => Some(Faults { carrier_latency_ms: 2_000, ..Faults::default() }),
            Self::CarrierFails => Some(Faults { carrier_fail_percent: 50, ..Faults::default() }),
            Self::CarrierLimits => Some(Faults { carrier_rate_limited: Some(1), ..Faults::default() }),
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

/// So many faults of a kind: `worker=20`, or `worker` for one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Dose {
    pub(crate) fault: Fault,
    pub(crate) count: u16,
}

impl FromStr for Dose {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (name, count) = text.split_once('=').unwrap_or((text, "1"));
        let fault = Fault::of_name(name)?;
        let count = count.parse().map_err(|_| format!("\"{count}\" is not a number of faults"))?;
        Ok(Self { fault, count })
    }
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
}

/// The faults in their order, spread over the burst: each kind evenly, each fault at a random time within its share.
pub(crate) fn plan(doses: &[Dose], over: Duration, random: &mut StdRng) -> Vec<Strike> {
    let mut strikes = Vec::new();
    for dose in doses {
        for n in 0..dose.count {
            let share = (f64::from(n) + random.random_range(0.0..1.0)) / f64::from(dose.count);
            let lasts = Duration::from_millis(random.random_range(500..3_000));
            strikes.push(Strike { at: over.mul_f64(share), fault: dose.fault, lasts });
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
        assert_eq!("worker=20".parse(), Ok(Dose { fault: Fault::Worker, count: 20 }));
        assert_eq!("carrier-slow".parse(), Ok(Dose { fault: Fault::CarrierSlow, count: 1 }));
        assert!("lightning".parse::<Dose>().unwrap_err().contains("carrier-slow"));
        assert!("worker=many".parse::<Dose>().is_err());
        let command = FaultCommand { fault: Fault::Relay, command: "a=b c".to_owned() };
        assert_eq!("relay=a=b c".parse(), Ok(command));
        assert!("relay".parse::<FaultCommand>().is_err());
    }

    #[test]
    fn every_fault_lies_within_the_burst_and_the_same_seed_is_the_same_plan() {
        let doses = [Dose { fault: Fault::Worker, count: 20 }, Dose { fault: Fault::Cut, count: 3 }];
        let over = Duration::from_secs(180);
        let of = |seed| plan(&doses, over, &mut StdRng::seed_from_u64(seed));
        assert_eq!(of(1).len(), 23);
        assert!(of(1).iter().all(|s| s.at <= over));
        assert_eq!(of(1), of(1));
        assert_ne!(of(1), of(2));
    }
}
