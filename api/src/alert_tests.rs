//! Tests of the way on which people are told. A worker sends them, so that its configuration, its network and the queues
//! are tested, too; the api holds no secret of Slack or of the mail server.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use forebay_domain::incident::RULES;
use forebay_intake::Problem;
use forebay_store::{By, SinkAnswer};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::api::Api;
use crate::callers::Operator;
use crate::extract::{COMMAND_BYTES, Named, Sent};
use crate::rules::{Note, broken, check_reason};

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct TestAsk {
    /// The rule whose message is sent; a general one by default.
    rule: Option<String>,
    #[serde(default)]
    #[schemars(with = "Note")]
    reason: String,
}

/// A test, and what each sink answered once it did.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct TestView {
    id: Uuid,
    /// Nothing until a worker has sent it; empty when neither Slack nor mail is configured.
    answers: Option<Vec<SinkAnswer>>,
}

pub(crate) async fn ask(
    State(api): State<Arc<Api>>,
    operator: Operator,
    Sent(asked): Sent<TestAsk, COMMAND_BYTES>,
) -> Result<Json<TestView>, Problem> {
    check_reason(&asked.reason)?;
    let rule = asked.rule.unwrap_or_default();
    if !rule.is_empty() && !RULES.iter().any(|of| of.name == rule) {
        return Err(broken("/rule", "must be one of the rules that forebay alert rules lists"));
    }
    let id = api.new_id();
    let by = By { id: api.new_id(), actor: operator.key_id, reason: asked.reason };
    api.ask(api.store.ask_alert_test(id, &rule, &by, api.clock.now())).await?;
    Ok(Json(TestView { id, answers: None }))
}

pub(crate) async fn one(
    State(api): State<Arc<Api>>,
    _: Operator,
    Named(id): Named<Uuid>,
) -> Result<Json<TestView>, Problem> {
    let answers = api.ask(api.store.alert_test(id)).await?;
    Ok(Json(TestView { id, answers }))
}
