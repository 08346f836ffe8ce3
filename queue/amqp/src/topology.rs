//! The whole topology as a list of objects to declare.
//!
//! What safety rests on stands in the arguments of the queues, not in policies: changing a policy on a live queue
//! can drop dead letters, and an argument can't be changed by accident. A new argument needs a new queue, so the
//! arguments are part of the topology's hash.

use std::fmt;

use forebay_schemas::{Queue, Tier, Topology, topology};
use lapin::ExchangeKind;

use crate::options::TopologyOptions;

/// Fanout exchange before the queue of dead letters; the broker's own dead letters come through it, too.
pub(crate) const DEAD: &str = "forebay.dead";
/// Fanout exchange before the queue of what no queue was bound for.
pub(crate) const UNROUTED: &str = "forebay.unrouted";

/// So high that it is never reached: an archive's inlet must not lose messages because its reader crashes, and
/// from RabbitMQ 4.0 on a queue without a limit of its own has one of 20.
const NEVER: i32 = 2_000_000_000;

/// The fanout exchange before a tier's queue.
pub(crate) fn delay_exchange(tier: Tier) -> String {
    Queue::Delay(tier).to_string()
}

/// An exchange to declare. Durable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Exchange {
    pub(crate) name: String,
    pub(crate) kind: ExchangeKind,
    /// Where messages go that match no binding.
    pub(crate) alternate: Option<&'static str>,
}

/// The value of a queue's argument.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Argument {
    Text(&'static str),
    Number(i32),
}

/// A queue to declare. Durable, of type quorum.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct QueueObject {
    pub(crate) name: String,
    /// Besides `x-queue-type`.
    pub(crate) arguments: Vec<(&'static str, Argument)>,
}

/// A binding to declare.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Binding {
    pub(crate) exchange: String,
    pub(crate) queue: String,
    pub(crate) key: String,
}

/// Everything, in the order in which it can be declared.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Objects {
    pub(crate) exchanges: Vec<Exchange>,
    pub(crate) queues: Vec<QueueObject>,
    pub(crate) bindings: Vec<Binding>,
    /// The queue whose name says that all the others are there.
    pub(crate) marker: String,
}

impl Objects {
    pub(crate) fn of(topology: &Topology, options: &TopologyOptions) -> Self {
        let mut objects = Self {
            exchanges: exchanges(),
            queues: topology.queues().iter().map(|queue| queue_object(queue, options)).collect(),
            bindings: bindings(topology),
            marker: String::new(),
        };
        objects.marker = format!("forebay.topology.{}", topology.hash(&objects.lines().join("\n")));
        objects
    }

    /// One line an object, for people.
    pub(crate) fn lines(&self) -> Vec<String> {
        let exchanges = self.exchanges.iter().map(ToString::to_string);
        let queues = self.queues.iter().map(ToString::to_string);
        exchanges.chain(queues).chain(self.bindings.iter().map(ToString::to_string)).collect()
    }
}

fn exchanges() -> Vec<Exchange> {
    let exchange = |name: &str, kind, alternate| Exchange { name: name.to_owned(), kind, alternate };
    let mut exchanges = vec![
        exchange(UNROUTED, ExchangeKind::Fanout, None),
        exchange(DEAD, ExchangeKind::Fanout, None),
        exchange(topology::EVENTS, ExchangeKind::Topic, Some(UNROUTED)),
        // No alternate here: a message for a queue that is not there must come back to its publisher.
        exchange(topology::WORK, ExchangeKind::Direct, None),
        exchange(topology::FACTS, ExchangeKind::Topic, None),
    ];
    exchanges
        .extend(Tier::ALL.iter().map(|tier| exchange(&delay_exchange(*tier), ExchangeKind::Fanout, None)));
    exchanges
}

/// Dead letters of a work queue or a delay queue are confirmed by their target before they leave it. That needs
/// `reject-publish`; without it the broker silently falls back to at most once.
fn at_least_once(exchange: &'static str) -> Vec<(&'static str, Argument)> {
    vec![
        ("x-dead-letter-exchange", Argument::Text(exchange)),
        ("x-dead-letter-strategy", Argument::Text("at-least-once")),
        ("x-overflow", Argument::Text("reject-publish")),
    ]
}

fn queue_object(queue: &Queue, options: &TopologyOptions) -> QueueObject {
    let arguments = match queue {
        Queue::Delay(tier) => {
            let mut arguments = at_least_once(topology::WORK);
            // The longest tier is an hour: well within 32 bits.
            let ttl = i32::try_from(tier.duration().as_millis()).unwrap_or(i32::MAX);
            arguments.push(("x-message-ttl", Argument::Number(ttl)));
            arguments
        }
        Queue::Dead | Queue::Unrouted => vec![
            ("x-overflow", Argument::Text("reject-publish")),
            ("x-delivery-limit", Argument::Number(NEVER)),
        ],
        _ => {
            let mut arguments = at_least_once(DEAD);
            let limit = i32::try_from(options.delivery_limit).unwrap_or(NEVER);
            arguments.push(("x-delivery-limit", Argument::Number(limit)));
            arguments
        }
    };
    QueueObject { name: queue.to_string(), arguments }
}

fn bindings(topology: &Topology) -> Vec<Binding> {
    let binding = |exchange: &str, queue: &Queue, key: String| Binding {
        exchange: exchange.to_owned(),
        queue: queue.to_string(),
        key,
    };
    let inbound = topology.bindings();
    let events = inbound.iter().map(|(kind, queue)| binding(topology::EVENTS, queue, kind.name().to_owned()));
    // The archives' inlets, too: what their reader delays comes back through here.
    let work = topology.queues().into_iter().filter(|queue| !matches!(queue, Queue::Delay(_)));
    let work = work.map(|queue| binding(topology::WORK, &queue, queue.to_string()));
    let delays = Tier::ALL.iter().map(|t| binding(&delay_exchange(*t), &Queue::Delay(*t), String::new()));
    let ends = [(DEAD, Queue::Dead), (UNROUTED, Queue::Unrouted)];
    let ends = ends.iter().map(|(exchange, queue)| binding(exchange, queue, String::new()));
    events.chain(work).chain(delays).chain(ends).collect()
}

impl fmt::Display for Exchange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match &self.kind {
            ExchangeKind::Topic => "topic",
            ExchangeKind::Direct => "direct",
            ExchangeKind::Fanout => "fanout",
            ExchangeKind::Headers | ExchangeKind::Custom(_) => "other",
        };
        write!(f, "exchange {} ({kind}", self.name)?;
        if let Some(alternate) = self.alternate {
            write!(f, ", alternate-exchange {alternate}")?;
        }
        f.write_str(")")
    }
}

impl fmt::Display for QueueObject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "queue {} (quorum", self.name)?;
        for (name, value) in &self.arguments {
            let name = name.strip_prefix("x-").unwrap_or(name);
            match value {
                Argument::Text(text) => write!(f, ", {name} {text}")?,
                Argument::Number(number) => write!(f, ", {name} {number}")?,
            }
        }
        f.write_str(")")
    }
}

impl fmt::Display for Binding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let key = if self.key.is_empty() { "everything" } else { &self.key };
        write!(f, "binding {} to {} ({key})", self.exchange, self.queue)
    }
}

#[cfg(test)]
mod tests {
    use forebay_schemas::AdapterId;

    use super::*;

    fn objects(options: &TopologyOptions) -> Objects {
        Objects::of(&Topology::new([AdapterId::new("sweettracker").unwrap()]), options)
    }

    #[test]
    fn no_queue_that_loses_its_dead_letters_is_ever_declared() {
        for queue in objects(&TopologyOptions::default()).queues {
            let has = |name| queue.arguments.iter().find(|(n, _)| *n == name).map(|(_, v)| v.clone());
            assert_eq!(has("x-overflow"), Some(Argument::Text("reject-publish")), "{queue}");
            if has("x-dead-letter-exchange").is_some() {
                assert_eq!(has("x-dead-letter-strategy"), Some(Argument::Text("at-least-once")), "{queue}");
            }
            if has("x-message-ttl").is_none() {
                assert!(has("x-delivery-limit").is_some(), "{queue}");
            }
        }
    }

    #[test]
    fn every_queue_is_bound_and_every_binding_has_both_ends() {
        let objects = objects(&TopologyOptions::default());
        for queue in &objects.queues {
            assert!(objects.bindings.iter().any(|b| b.queue == queue.name), "{queue} gets nothing");
        }
        for binding in &objects.bindings {
            assert!(objects.exchanges.iter().any(|e| e.name == binding.exchange), "{binding}");
            assert!(objects.queues.iter().any(|q| q.name == binding.queue), "{binding}");
        }
    }

    #[test]
    fn the_marker_changes_with_an_argument() {
        let other = TopologyOptions { delivery_limit: 21 };
        assert_ne!(objects(&TopologyOptions::default()).marker, objects(&other).marker);
        assert_eq!(objects(&other).marker, objects(&other).marker);
    }

    #[test]
    fn the_plan_reads_like_a_list() {
        let lines = objects(&TopologyOptions::default()).lines();
        for line in [
            "exchange forebay.events (topic, alternate-exchange forebay.unrouted)",
            "queue forebay.returns (quorum, dead-letter-exchange forebay.dead, dead-letter-strategy at-least-once, \
             overflow reject-publish, delivery-limit 20)",
            "binding forebay.work to forebay.tracking.sweettracker (forebay.tracking.sweettracker)",
            "binding forebay.work to forebay.dead (forebay.dead)",
            "binding forebay.dead to forebay.dead (everything)",
        ] {
            assert!(lines.iter().any(|l| l == line), "{line} is not among {lines:#?}");
        }
    }
}
