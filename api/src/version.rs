//! Which release answers.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use schemars::JsonSchema;
use serde::Serialize;

use crate::api::Api;

/// The release.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Version {
    name: &'static str,
    version: &'static str,
}

pub(crate) async fn get(State(api): State<Arc<Api>>) -> Json<Version> {
    Json(Version { name: "forebay", version: api.options.version })
}
