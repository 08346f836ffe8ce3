//! Discarding with a reason.

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use forebay_intake::Problem;
use forebay_store::By;
use schemars::JsonSchema;
use serde::Serialize;
use tokio::time::Instant;
use uuid::Uuid;

use super::ask::{ASK_BYTES, LettersAsk};
use super::replays::{DryRun, dry_run};
use crate::api::Api;
use crate::callers::Operator;
use crate::extract::Sent;
use crate::openapi::Either;
use crate::rules::broken;

/// Letters discarded in one transaction.
const BATCH: u32 = 500;
/// Most letters of one request, and how long it goes on at most: whoever means more asks again.
const REQUEST_LETTERS: u32 = 10_000;
const REQUEST_TIME: Duration = Duration::from_secs(5);

#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Discarded {
    /// The entry in the audit log.
    id: Uuid,
    discarded: u32,
    /// There are more; ask again.
    more: bool,
}

pub(crate) async fn discard(
    State(api): State<Arc<Api>>,
    operator: Operator,
    Sent(mut asked): Sent<LettersAsk, ASK_BYTES>,
) -> Result<Either<Json<DryRun>, Json<Discarded>>, Problem> {
    if asked.rate_per_s.is_some() || asked.canary.is_some() {
        return Err(broken("", "rate_per_s and canary are a replay's"));
    }
    let mut filter = asked.filter()?;
    let reason = asked.reason()?;
    if asked.dry_run {
        return dry_run(&api, &filter).await.map(Either::One);
    }
    if reason.trim().is_empty() {
        return Err(broken("/reason", "is missing; say why these letters need no effect"));
    }
    let now = api.clock.now();
    // What dies while this goes on was not seen by whoever asked for it.
    let until = now + chrono::Duration::microseconds(1);
    filter.until = Some(filter.until.map_or(until, |asked| asked.min(until)));
    let by = By { id: api.new_id(), actor: operator.key_id, reason };
    let begun = Instant::now();
    let mut discarded = 0;
    let mut more = true;
    while more && discarded < REQUEST_LETTERS && begun.elapsed() < REQUEST_TIME {
        let gone = api.ask(api.store.discard(&filter, BATCH, &by, api.clock.now())).await?;
        discarded += gone;
        more = gone == BATCH;
    }
    Ok(Either::Other(Json(Discarded { id: by.id, discarded, more })))
}
