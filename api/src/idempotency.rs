//! The header `Idempotency-Key`.

use axum::http::{HeaderMap, HeaderName, HeaderValue};
use axum::response::Response;
use forebay_intake::{Kind, Problem};

/// Longest key, in characters.
const CHARS: usize = 255;
const REPLAYED: HeaderName = HeaderName::from_static("idempotent-replayed");

/// The key, quoted (as a structured field) or bare.
pub(crate) fn key(headers: &HeaderMap) -> Result<Option<&str>, Problem> {
    let Some(value) = headers.get("idempotency-key") else { return Ok(None) };
    let text = value.to_str().unwrap_or_default();
    let key = text.strip_prefix('"').and_then(|t| t.strip_suffix('"')).unwrap_or(text);
    if (1..=CHARS).contains(&key.len()) && key.bytes().all(|b| (0x21..=0x7e).contains(&b)) {
        return Ok(Some(key));
    }
    let detail = format!("Idempotency-Key must be 1 to {CHARS} visible ASCII characters.");
    Err(Problem::new(Kind::InvalidRequest, detail))
}

/// A key that must be given.
pub(crate) fn need_key(headers: &HeaderMap) -> Result<&str, Problem> {
    let detail = "The header Idempotency-Key is missing: a key of your own by which a repeat is known.";
    key(headers)?.ok_or_else(|| Problem::new(Kind::InvalidRequest, detail))
}

/// The answer that was given before.
pub(crate) fn replayed(mut response: Response) -> Response {
    response.headers_mut().insert(REPLAYED, HeaderValue::from_static("true"));
    response
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
        assert!(need_key(&HeaderMap::new()).is_err());
        for value in ["", "\"\"", "a b", &"x".repeat(256)] {
            assert!(key(&headers(value)).is_err(), "{value:?} was taken");
        }
    }
}
