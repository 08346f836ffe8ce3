//! Which release answers.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};

use crate::api::Api;

pub(crate) async fn get(State(api): State<Arc<Api>>) -> Response {
    Json(serde_json::json!({ "name": "forebay", "version": api.options.version })).into_response()
}
