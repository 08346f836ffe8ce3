//! A person erased, when the shop is asked for it.

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use forebay_domain::erasure::{Redaction, is_erased};
use forebay_intake::{Kind, Problem};
use forebay_schemas::MemberId;
use forebay_store::{By, Erasure};
use schemars::JsonSchema;
use serde::Deserialize;
use tokio::time::timeout;

use crate::api::Api;
use crate::callers::Admin;
use crate::extract::{COMMAND_BYTES, Named, Sent};
use crate::failure::problem;
use crate::rules::{Note, broken, need_reason};

/// How long the store may take: it reads every dead letter.
const STORE_DEADLINE: Duration = Duration::from_secs(120);

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct EraseAsk {
    #[serde(default)]
    #[schemars(with = "Note")]
    reason: String,
    #[serde(default)]
    dry_run: bool,
}

pub(crate) async fn erase(
    State(api): State<Arc<Api>>,
    admin: Admin,
    Named(member): Named<MemberId>,
    Sent(asked): Sent<EraseAsk, COMMAND_BYTES>,
) -> Result<Json<Erasure>, Problem> {
    if is_erased(&member) {
        return Err(Problem::new(Kind::Conflict, "That is what stands for members who were erased."));
    }
    if !asked.dry_run {
        need_reason(&asked.reason)?;
    }
    if Redaction::of([member.to_string()]).text(&asked.reason).is_some() {
        return Err(broken("/reason", "must not hold the member's id: the reason is kept"));
    }
    let by = By { id: api.new_id(), actor: admin.key_id, reason: asked.reason };
    let (store, now) = (Arc::clone(&api.store), api.clock.now());
    // Once begun it is brought to its end, whether or not somebody still waits for the answer.
    let erasing = tokio::spawn(async move {
        if asked.dry_run {
            store.traces_of(&member).await
        } else {
            store.erase_member(&member, &by, now).await
        }
    });
    match timeout(STORE_DEADLINE, erasing).await {
        Ok(Ok(erased)) => erased.map(Json).map_err(|error| problem(&error)),
        Ok(Err(_)) | Err(_) => {
            let detail = "The store has not answered yet; ask again, which is safe to do.";
            Err(Problem::new(Kind::ReducedCapacity, detail))
        }
    }
}
