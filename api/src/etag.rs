//! The headers by which a caller says what they have seen.

use std::convert::Infallible;
use std::sync::Arc;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderValue, header};
use serde_json::json;

use crate::api::Api;
use crate::openapi::{Input, Operation};

/// `If-Match`, as it was sent.
#[derive(Debug)]
pub(crate) struct IfMatch(pub(crate) Option<HeaderValue>);

/// `If-None-Match`, as it was sent.
#[derive(Debug)]
pub(crate) struct IfNoneMatch(pub(crate) Option<HeaderValue>);

impl FromRequestParts<Arc<Api>> for IfMatch {
    type Rejection = Infallible;
    async fn from_request_parts(parts: &mut Parts, _: &Arc<Api>) -> Result<Self, Infallible> {
        Ok(Self(parts.headers.get(header::IF_MATCH).cloned()))
    }
}

impl FromRequestParts<Arc<Api>> for IfNoneMatch {
    type Rejection = Infallible;
    async fn from_request_parts(parts: &mut Parts, _: &Arc<Api>) -> Result<Self, Infallible> {
        Ok(Self(parts.headers.get(header::IF_NONE_MATCH).cloned()))
    }
}

impl Input for IfMatch {
    fn tell(operation: &mut Operation<'_>) {
        let about = "The `ETag` of what was read: nothing is changed if it was changed since.";
        let tag = json!({ "type": "string", "pattern": r#"^(\*|"[0-9]+")$"# });
        operation.header("If-Match", false, about, tag);
    }
}

impl Input for IfNoneMatch {
    fn tell(operation: &mut Operation<'_>) {
        let about = "`*`: nothing is changed if there is such a thing.";
        operation.header("If-None-Match", false, about, json!({ "type": "string", "enum": ["*"] }));
    }
}

/// The version that a tag of ours stands for; none for any other text.
pub(crate) fn version(tag: &str) -> Option<i64> {
    tag.trim().strip_prefix('"')?.strip_suffix('"')?.parse().ok()
}
