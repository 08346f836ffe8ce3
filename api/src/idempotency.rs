//! The header `Idempotency-Key`.

use std::sync::Arc;

use axum::extract::FromRequestParts;
use axum::http::HeaderMap;
use axum::http::request::Parts;
use forebay_intake::{Kind, Problem};
use serde_json::json;

use crate::api::Api;
use crate::openapi::{Input, Operation};

/// Longest key, in characters.
const CHARS: usize = 255;

/// The key that may be given.
#[derive(Debug)]
pub(crate) struct Key(pub(crate) Option<String>);

impl FromRequestParts<Arc<Api>> for Key {
    type Rejection = Problem;
    async fn from_request_parts(parts: &mut Parts, _: &Arc<Api>) -> Result<Self, Problem> {
        Ok(Self(key(&parts.headers)?.map(str::to_owned)))
    }
}

impl Input for Key {
    fn tell(operation: &mut Operation<'_>) {
        tell(operation, false);
    }
}

/// The key that must be given.
#[derive(Debug)]
pub(crate) struct NeededKey(pub(crate) String);

impl FromRequestParts<Arc<Api>> for NeededKey {
    type Rejection = Problem;
    async fn from_request_parts(parts: &mut Parts, _: &Arc<Api>) -> Result<Self, Problem> {
        let detail = "The header Idempotency-Key is missing: a key of your own by which a repeat is known.";
        let key = key(&parts.headers)?.ok_or_else(|| Problem::new(Kind::InvalidRequest, detail))?;
        Ok(Self(key.to_owned()))
    }
}

impl Input for NeededKey {
    fn tell(operation: &mut Operation<'_>) {
        tell(operation, true);
    }
}

fn tell(operation: &mut Operation<'_>, required: bool) {
    let about = "A key of your own by which a repeat is known; quoted or bare.";
    let schema = json!({ "type": "string", "pattern": format!("^[!-~]{{1,{CHARS}}}$") });
    operation.header("Idempotency-Key", required, about, schema);
    operation.refuses(&[Kind::InvalidRequest]);
}

/// The key, quoted (as a structured field) or bare.
fn key(headers: &HeaderMap) -> Result<Option<&str>, Problem> {
    let Some(value) = headers.get("idempotency-key") else { return Ok(None) };
    let text = value.to_str().unwrap_or_default();
    let key = text.strip_prefix('"').and_then(|t| t.strip_suffix('"')).unwrap_or(text);
    if (1..=CHARS).contains(&key.len()) && key.bytes().all(|b| (0x21..=0x7e).contains(&b)) {
        return Ok(Some(key));
    }
    let detail = format!("Idempotency-Key must be 1 to {CHARS} visible ASCII characters.");
    Err(Problem::new(Kind::InvalidRequest, detail))
}

/// The key was used before, for something else.
pub(crate) fn reused() -> Problem {
    Problem::new(Kind::InvalidContent, "This Idempotency-Key was used for another change; nothing was done.")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(value: &str) -> HeaderMap {
        HeaderMap::from_iter([("idempotency-key".parse().unwrap(), value.parse().unwrap())])
    }

    #[test]
    fn a_key_may_be_quoted_or_bare() {
        assert_eq!(key(&headers("\"a-1\"")).unwrap(), Some("a-1"));
        assert_eq!(key(&headers("a-1")).unwrap(), Some("a-1"));
        assert_eq!(key(&HeaderMap::new()).unwrap(), None);
        for value in ["", "\"\"", "a b", &"x".repeat(256)] {
            assert!(key(&headers(value)).is_err(), "{value:?} was taken");
        }
    }
}
