//! From a message and its route to the rows that hold it.

use chrono::{DateTime, Utc};
use forebay_queue::size::{fits, name_fits};
use forebay_queue::{Message, Outgoing, PublishError};
use forebay_schemas::{Queue, Route, Tier, Topology};

/// One row to be inserted.
#[derive(Debug, Clone)]
pub(crate) struct Row {
    pub(crate) queue: String,
    /// The tier's word, and when the message leaves it.
    pub(crate) waits: Option<(&'static str, DateTime<Utc>)>,
    pub(crate) enqueued_at: DateTime<Utc>,
    pub(crate) message: Message,
}

/// The rows of a message: one, or none for a fact, since nobody can listen to facts within one process.
pub(crate) fn place(
    outgoing: Outgoing,
    topology: &Topology,
    now: DateTime<Utc>,
) -> Result<Vec<Row>, PublishError> {
    fits(&outgoing.message)?;
    let Outgoing { route, message } = outgoing;
    let queues = match &route {
        Route::Event(kind) => {
            name_fits(kind, "its routing key")?;
            bound(topology, kind)
        }
        Route::Fact(kind) => {
            name_fits(kind, "its routing key")?;
            return Ok(Vec::new());
        }
        Route::Delay(tier, queue) if queue.is_work() && is_there(topology, queue) => {
            return Ok(vec![delayed(message, *tier, queue, now)]);
        }
        Route::Work(queue) if !matches!(queue, Queue::Delay(_)) && is_there(topology, queue) => {
            vec![queue.clone()]
        }
        Route::Work(_) | Route::Delay(..) => return Err(PublishError::Unroutable(route.to_text())),
    };
    Ok(queues.iter().map(|queue| at_once(message.clone(), queue, now)).collect())
}

/// The row of a message that can be delivered at once.
pub(crate) fn at_once(message: Message, queue: &Queue, now: DateTime<Utc>) -> Row {
    Row { queue: queue.to_string(), waits: None, enqueued_at: now, message }
}

/// The row of a message that waits in a tier first.
pub(crate) fn delayed(message: Message, tier: Tier, queue: &Queue, now: DateTime<Utc>) -> Row {
    let waits = Some((tier.as_str(), now + tier.duration()));
    Row { queue: queue.to_string(), waits, enqueued_at: now, message }
}

/// The queues that are bound for an event's type, or the one for what nothing is bound for.
fn bound(topology: &Topology, kind: &str) -> Vec<Queue> {
    let bindings = topology.bindings().into_iter();
    let queues: Vec<Queue> = bindings.filter(|(bound, _)| bound.name() == kind).map(|(_, q)| q).collect();
    if queues.is_empty() { vec![Queue::Unrouted] } else { queues }
}

fn is_there(topology: &Topology, queue: &Queue) -> bool {
    match queue {
        Queue::Tracking(adapter) => topology.adapters().contains(adapter),
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use forebay_schemas::AdapterId;
    use forebay_schemas::trail::Headers;

    use super::*;

    fn placed(route: Route) -> Result<Vec<(String, bool)>, PublishError> {
        let message = Message {
            id: "m".to_owned(),
            kind: "a.v1".to_owned(),
            timestamp: None,
            headers: Headers::new(),
            body: "{}".into(),
        };
        let topology = Topology::new([AdapterId::new("here").unwrap()]);
        let rows = place(Outgoing { route, message }, &topology, DateTime::UNIX_EPOCH)?;
        Ok(rows.into_iter().map(|row| (row.queue, row.waits.is_some())).collect())
    }

    fn tracking(adapter: &str) -> Queue {
        Queue::Tracking(AdapterId::new(adapter).unwrap())
    }

    #[test]
    fn every_route_that_leads_somewhere_has_its_row() {
        for (route, queue, waits) in [
            (Route::Event("order.paid.v1".into()), "forebay.rewards", false),
            (Route::Event("order.lost.v1".into()), "forebay.unrouted", false),
            (Route::Work(tracking("here")), "forebay.tracking.here", false),
            (Route::Work(Queue::Dead), "forebay.dead", false),
            (Route::Delay(Tier::M2, tracking("here")), "forebay.tracking.here", true),
        ] {
            assert_eq!(placed(route), Ok(vec![(queue.to_owned(), waits)]));
        }
        assert_eq!(placed(Route::Fact("a.v1".into())), Ok(vec![]));
    }

    #[test]
    fn a_route_that_leads_nowhere_is_told() {
        for route in [
            Route::Work(tracking("gone")),
            Route::Work(Queue::Delay(Tier::S5)),
            Route::Delay(Tier::S5, tracking("gone")),
            Route::Delay(Tier::S5, Queue::Dead),
        ] {
            let text = route.to_text();
            assert_eq!(placed(route), Err(PublishError::Unroutable(text)));
        }
    }
}
