//! The marker that says which topology was declared, and the plan for people.

use chrono::{DateTime, Utc};
use forebay_schemas::{Queue, Topology, topology};
use forebay_sqlite::{Db, Error};

/// Stores the marker.
pub(crate) async fn declare(db: &Db, topology: &Topology, now: DateTime<Utc>) -> Result<(), Error> {
    let hash = hash(topology);
    db.write(move |conn| {
        Box::pin(async move {
            sqlx::query(
                "INSERT INTO queue_topology (one, hash, declared_at) VALUES (1, ?1, ?2)
                 ON CONFLICT (one) DO UPDATE SET hash = ?1, declared_at = ?2 WHERE hash <> ?1",
            )
            .bind(hash)
            .bind(now.timestamp_micros())
            .execute(conn)
            .await?;
            Ok(())
        })
    })
    .await
}

/// Whether this topology was declared last.
pub(crate) async fn is_declared(db: &Db, topology: &Topology) -> Result<bool, Error> {
    let declared: Option<String> =
        sqlx::query_scalar("SELECT hash FROM queue_topology").fetch_optional(db.read()).await?;
    Ok(declared == Some(hash(topology)))
}

/// One line an object. Nothing but the marker is made: a queue is a word in a column.
pub(crate) fn plan(topology: &Topology) -> Vec<String> {
    let queues = topology.queues().into_iter().map(|queue| match queue {
        Queue::Delay(tier) => format!("queue {queue} (embedded, waits {} s)", tier.duration().as_secs()),
        queue => format!("queue {queue} (embedded)"),
    });
    let bindings = topology.bindings().into_iter();
    let bindings = bindings.map(|(kind, queue)| format!("binding {} to {queue} ({kind})", topology::EVENTS));
    let unrouted = format!("binding {} to {} (everything else)", topology::EVENTS, Queue::Unrouted);
    queues.chain(bindings).chain([unrouted]).collect()
}

fn hash(topology: &Topology) -> String {
    topology.hash("embedded")
}
