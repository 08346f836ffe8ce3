//! What is published straight to the queues, past the intake.

use std::time::Duration;

use bytes::Bytes;
use forebay_queue::{Message, Outgoing, Publisher};
use forebay_schemas::{Code, Queue, Route};

use crate::burst::mix::Straight;
use crate::exit::{Exit, UNAVAILABLE};

/// How often a publish is tried.
const PUBLISH_TRIES: usize = 240;

/// Plays a shop's faulty program that publishes past the intake.
pub(crate) async fn publish(publisher: &dyn Publisher, straight: &[Straight]) -> Result<(), Exit> {
    let mut batch: Vec<Outgoing> = straight.iter().map(outgoing).collect();
    for _ in 0..PUBLISH_TRIES {
        let fates = publisher.publish(batch.clone()).await;
        batch = batch.into_iter().zip(fates).filter(|(_, fate)| fate.is_err()).map(|(out, _)| out).collect();
        if batch.is_empty() {
            return Ok(());
        }
        tokio::time::sleep(Duration::from_millis(250)).await;
    }
    Err(Exit::new(UNAVAILABLE, "the queue did not take the poison that was published straight to it"))
}

fn outgoing(straight: &Straight) -> Outgoing {
    let route = match straight.code {
        Code::Undecodable => Route::Work(Queue::Returns),
        _ => Route::Event(straight.kind.clone()),
    };
    let message = Message {
        id: straight.id.clone(),
        kind: straight.kind.clone(),
        timestamp: None,
        headers: forebay_schemas::trail::Headers::new(),
        body: Bytes::from(straight.body.clone()),
    };
    Outgoing { route, message }
}
