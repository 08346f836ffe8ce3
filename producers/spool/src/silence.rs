//! A broker that is connected and answers nothing.

use std::time::Duration;

use forebay_queue::Publisher;
use tokio::time::Instant;

/// How long the broker may leave everybody without an answer before it counts as gone. With the commit that follows
/// it is within the second in which the spool takes over.
pub(crate) const PATIENCE: Duration = Duration::from_millis(800);
/// How often answers are looked for.
const LOOK: Duration = Duration::from_millis(50);

/// Ends when the broker has answered no publish of anybody for [`PATIENCE`]. One that is slow because there is much to
/// do goes on answering.
pub(crate) async fn silence(publisher: &dyn Publisher) {
    let mut answers = publisher.answers();
    let mut since = Instant::now();
    while since.elapsed() < PATIENCE {
        tokio::time::sleep(LOOK).await;
        let now = publisher.answers();
        if now != answers {
            (answers, since) = (now, Instant::now());
        }
    }
}
