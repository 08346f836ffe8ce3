//! Members who may take part no more, and who may again.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use forebay_domain::erasure::{Redaction, is_erased};
use forebay_intake::{Kind, Problem};
use forebay_schemas::MemberId;
use forebay_store::{BlockSet, By};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::api::Api;
use crate::callers::EventManager;
use crate::extract::{COMMAND_BYTES, Named, Sent};
use crate::rules::{Reason, broken, need_reason};

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct BlockAsk {
    #[serde(default)]
    #[schemars(!default, with = "Reason")]
    reason: String,
}

/// Whether a member is blocked now.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct BlockView {
    member_id: MemberId,
    blocked: bool,
    /// It is as it was before.
    unchanged: bool,
}

pub(crate) async fn block(
    State(api): State<Arc<Api>>,
    manager: EventManager,
    Named(member): Named<MemberId>,
    Sent(asked): Sent<BlockAsk, COMMAND_BYTES>,
) -> Result<Json<BlockView>, Problem> {
    set(&api, manager, member, true, asked).await
}

pub(crate) async fn unblock(
    State(api): State<Arc<Api>>,
    manager: EventManager,
    Named(member): Named<MemberId>,
    Sent(asked): Sent<BlockAsk, COMMAND_BYTES>,
) -> Result<Json<BlockView>, Problem> {
    set(&api, manager, member, false, asked).await
}

async fn set(
    api: &Api,
    manager: EventManager,
    member_id: MemberId,
    blocked: bool,
    asked: BlockAsk,
) -> Result<Json<BlockView>, Problem> {
    need_reason(&asked.reason)?;
    if Redaction::of([member_id.to_string()]).text(&asked.reason).is_some() {
        return Err(broken("/reason", "must not hold the member's id: the reason is kept"));
    }
    let by = By { id: api.new_id(), actor: manager.key_id, reason: asked.reason };
    let set = if is_erased(&member_id) {
        BlockSet::Erased
    } else {
        api.ask(api.store.set_blocked(&member_id, blocked, &by, api.clock.now())).await?
    };
    match set {
        BlockSet::Done { before: unchanged } => Ok(Json(BlockView { member_id, blocked, unchanged })),
        BlockSet::Erased => Err(Problem::new(Kind::Conflict, "The member was erased; nothing was changed.")),
    }
}
