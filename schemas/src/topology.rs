//! Queues, exchanges and bindings by name: the whole topology as one value.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use sha2::{Digest as _, Sha256};

use crate::event_type::{Direction, EventType};
use crate::id::AdapterId;

/// Topic exchange for what comes in; what no queue is bound for goes to [`Queue::Unrouted`].
pub const EVENTS: &str = "forebay.events";
/// Direct exchange, by queue name: commands, returns from delay queues, replays.
pub const WORK: &str = "forebay.work";
/// Topic exchange, by type, for what happened; nobody need listen.
pub const FACTS: &str = "forebay.facts";

/// A delay: one queue a tier, each with one time to live, so that nothing waits behind a longer wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Tier {
    /// 5 seconds.
    S5,
    /// 30 seconds.
    S30,
    /// 2 minutes.
    M2,
    /// 10 minutes.
    M10,
    /// 1 hour.
    H1,
}

impl Tier {
    /// Every tier, shortest first.
    pub const ALL: &'static [Tier] = &[Tier::S5, Tier::S30, Tier::M2, Tier::M10, Tier::H1];

    /// How long a message waits in it.
    #[must_use]
    pub fn duration(self) -> Duration {
        Duration::from_secs(match self {
            Self::S5 => 5,
            Self::S30 => 30,
            Self::M2 => 120,
            Self::M10 => 600,
            Self::H1 => 3600,
        })
    }

    /// The tier's word in its queue's name.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::S5 => "5s",
            Self::S30 => "30s",
            Self::M2 => "2m",
            Self::M10 => "10m",
            Self::H1 => "1h",
        }
    }

    /// The shortest tier that waits at least `wait`; the longest when none does.
    #[must_use]
    pub fn covering(wait: Duration) -> Self {
        Self::ALL.iter().copied().find(|t| t.duration() >= wait).unwrap_or(Self::H1)
    }
}

/// A queue.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Queue {
    /// Returns asked for or to be collected.
    Returns,
    /// Parcels to be asked about at one carrier's system.
    Tracking(AdapterId),
    /// What carriers' systems tell by themselves. Nobody outside is called for it, so it waits for no carrier.
    Pushes,
    /// Check-ins, claims, orders.
    Rewards,
    /// Results to send to the shop.
    Results,
    /// Incident changes to tell.
    Notices,
    /// Messages that wait.
    Delay(Tier),
    /// Dead letters on their way to the archive.
    Dead,
    /// What no queue was bound for, on its way to the archive.
    Unrouted,
}

impl fmt::Display for Queue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Returns => f.write_str("forebay.returns"),
            Self::Tracking(adapter) => write!(f, "forebay.tracking.{adapter}"),
            Self::Pushes => f.write_str("forebay.pushes"),
            Self::Rewards => f.write_str("forebay.rewards"),
            Self::Results => f.write_str("forebay.results"),
            Self::Notices => f.write_str("forebay.notices"),
            Self::Delay(tier) => write!(f, "forebay.delay.{}", tier.as_str()),
            Self::Dead => f.write_str("forebay.dead"),
            Self::Unrouted => f.write_str("forebay.unrouted"),
        }
    }
}

/// The text is not the name of a queue of ours.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "not a queue of Forebay; queues are returns, tracking.<carrier>, pushes, rewards, results, notices, dead, \
     unrouted"
)]
pub struct UnknownQueue;

impl FromStr for Queue {
    type Err = UnknownQueue;

    /// Reads a queue's name, with or without `forebay.` before it.
    fn from_str(name: &str) -> Result<Self, UnknownQueue> {
        let name = name.strip_prefix("forebay.").unwrap_or(name);
        if let Some(adapter) = name.strip_prefix("tracking.") {
            return AdapterId::new(adapter).map(Self::Tracking).map_err(|_| UnknownQueue);
        }
        if let Some(tier) = name.strip_prefix("delay.") {
            return Tier::ALL
                .iter()
                .find(|t| t.as_str() == tier)
                .map(|t| Self::Delay(*t))
                .ok_or(UnknownQueue);
        }
        match name {
            "returns" => Ok(Self::Returns),
            "pushes" => Ok(Self::Pushes),
            "rewards" => Ok(Self::Rewards),
            "results" => Ok(Self::Results),
            "notices" => Ok(Self::Notices),
            "dead" => Ok(Self::Dead),
            "unrouted" => Ok(Self::Unrouted),
            _ => Err(UnknownQueue),
        }
    }
}

impl Queue {
    /// A queue whose messages a handler works on (not a delay, not an archive's inlet).
    #[must_use]
    pub fn is_work(&self) -> bool {
        !matches!(self, Self::Delay(_) | Self::Dead | Self::Unrouted)
    }
}

/// Where a publisher sends a message.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Route {
    /// To [`EVENTS`], by type: to whatever is bound, else to [`Queue::Unrouted`].
    Event(String),
    /// To [`WORK`], straight into this queue.
    Work(Queue),
    /// Into the tier's delay queue, from which it returns to this work queue.
    Delay(Tier, Queue),
    /// To [`FACTS`], by type; kept only if somebody listens.
    Fact(String),
}

impl Route {
    /// The route of an event of the catalogue that comes in: a member's command goes straight to its work queue,
    /// since the exchange for events is open to the shop and must not be able to carry it.
    #[must_use]
    pub fn inbound(kind: EventType) -> Self {
        match (kind.direction(), kind.queue()) {
            (Direction::Member | Direction::Command, Some(queue)) => Self::Work(queue),
            (Direction::Fact, _) => Self::Fact(kind.name().to_owned()),
            _ => Self::Event(kind.name().to_owned()),
        }
    }

    /// Writes the route as one line of text, for the outbox: `event:<type>`, `work:<queue>`, `fact:<type>`.
    #[must_use]
    pub fn to_text(&self) -> String {
        match self {
            Self::Event(kind) => format!("event:{kind}"),
            Self::Work(queue) => format!("work:{queue}"),
            Self::Delay(tier, queue) => format!("delay:{}:{queue}", tier.as_str()),
            Self::Fact(kind) => format!("fact:{kind}"),
        }
    }

    /// Reads what [`Route::to_text`] wrote.
    ///
    /// # Errors
    /// [`UnknownQueue`] when the text is no route.
    pub fn from_text(text: &str) -> Result<Self, UnknownQueue> {
        let (way, rest) = text.split_once(':').ok_or(UnknownQueue)?;
        match way {
            "event" => Ok(Self::Event(rest.to_owned())),
            "fact" => Ok(Self::Fact(rest.to_owned())),
            "work" => Ok(Self::Work(rest.parse()?)),
            "delay" => {
                let (tier, queue) = rest.split_once(':').ok_or(UnknownQueue)?;
                let tier = Tier::ALL.iter().find(|t| t.as_str() == tier).ok_or(UnknownQueue)?;
                Ok(Self::Delay(*tier, queue.parse()?))
            }
            _ => Err(UnknownQueue),
        }
    }
}

/// The queues and bindings of one installation: fixed but for the carriers' systems it uses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Topology {
    adapters: Vec<AdapterId>,
}

impl Topology {
    /// The topology for these carriers' systems.
    #[must_use]
    pub fn new(adapters: impl IntoIterator<Item = AdapterId>) -> Self {
        let mut adapters: Vec<AdapterId> = adapters.into_iter().collect();
        adapters.sort();
        adapters.dedup();
        Self { adapters }
    }

    /// The carriers' systems that have a queue.
    #[must_use]
    pub fn adapters(&self) -> &[AdapterId] {
        &self.adapters
    }

    /// The queues that handlers work on.
    #[must_use]
    pub fn work_queues(&self) -> Vec<Queue> {
        let mut queues = vec![Queue::Returns];
        queues.extend(self.adapters.iter().cloned().map(Queue::Tracking));
        queues.extend([Queue::Pushes, Queue::Rewards, Queue::Results, Queue::Notices]);
        queues
    }

    /// Every queue.
    #[must_use]
    pub fn queues(&self) -> Vec<Queue> {
        let mut queues = self.work_queues();
        queues.extend(Tier::ALL.iter().copied().map(Queue::Delay));
        queues.extend([Queue::Dead, Queue::Unrouted]);
        queues
    }

    /// The bindings of [`EVENTS`]: type and queue.
    #[must_use]
    pub fn bindings(&self) -> Vec<(EventType, Queue)> {
        EventType::ALL
            .iter()
            .filter(|kind| kind.direction() == Direction::Inbound)
            .filter_map(|kind| Some((*kind, kind.queue()?)))
            .collect()
    }

    /// A short hash of all names and bindings and of `arguments`, the back end's own declaration details; the
    /// marker queue carries it in its name.
    #[must_use]
    pub fn hash(&self, arguments: &str) -> String {
        let mut hasher = Sha256::new();
        for queue in self.queues() {
            hasher.update(format!("queue {queue}\n"));
        }
        for (kind, queue) in self.bindings() {
            hasher.update(format!("binding {kind} {queue}\n"));
        }
        hasher.update(arguments);
        hasher.finalize().iter().take(6).map(|b| format!("{b:02x}")).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn topology() -> Topology {
        Topology::new([AdapterId::new("sweettracker").unwrap()])
    }

    #[test]
    fn every_queue_reads_back_from_its_name() {
        for queue in topology().queues() {
            assert_eq!(queue.to_string().parse(), Ok(queue));
        }
    }

    #[test]
    fn every_route_reads_back_from_its_text() {
        for route in [
            Route::Event("a.v1".into()),
            Route::Fact("b.v1".into()),
            Route::Work(Queue::Rewards),
            Route::Delay(Tier::M2, Queue::Tracking(AdapterId::new("x").unwrap())),
        ] {
            assert_eq!(Route::from_text(&route.to_text()), Ok(route));
        }
    }

    #[test]
    fn a_members_command_never_travels_on_the_exchange_that_the_shop_can_write() {
        assert_eq!(Route::inbound(EventType::ClaimRequested), Route::Work(Queue::Rewards));
        assert!(topology().bindings().iter().all(|(kind, _)| kind.direction() == Direction::Inbound));
    }

    #[test]
    fn a_wait_is_rounded_up_to_a_tier() {
        assert_eq!(Tier::covering(Duration::from_secs(6)), Tier::S30);
        assert_eq!(Tier::covering(Duration::from_secs(5)), Tier::S5);
        assert_eq!(Tier::covering(Duration::from_secs(86_400)), Tier::H1);
    }

    #[test]
    fn the_hash_changes_with_the_carriers_and_the_arguments() {
        assert_ne!(topology().hash(""), Topology::new([]).hash(""));
        assert_ne!(topology().hash("a"), topology().hash("b"));
    }
}
