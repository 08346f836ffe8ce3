//! What processes that do not reach the store say of themselves, put where the schedule looks at it.

use forebay_domain::Outcome;
use forebay_domain::watch::{Condition, Sign};
use forebay_schemas::events::ProcessSigns;
use forebay_store::Store;
use forebay_worker::Failure;

use crate::answers;

/// Keeps what a process said. That it came late is told by when it was said.
pub(super) async fn keep(store: &dyn Store, said: &ProcessSigns) -> Result<Outcome, Failure> {
    let known = said.signs.iter().filter_map(|sign| {
        Some(Sign {
            process: said.process.clone(),
            condition: Condition::from_text(&sign.condition)?,
            subject: sign.subject.clone(),
            since: sign.since,
            seen_at: said.said_at,
            detail: sign.detail.clone(),
        })
    });
    let signs: Vec<Sign> = known.collect();
    store.note_signs(&said.process, said.said_at, &signs).await.map_err(answers::failure)?;
    Ok(Outcome::Done)
}
