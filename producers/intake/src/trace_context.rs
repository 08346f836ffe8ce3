//! W3C trace context (<https://www.w3.org/TR/trace-context/>, version 00): the header `traceparent`.

use axum::http::HeaderMap;
use forebay_domain::Ids;
use forebay_schemas::trail::TRACEPARENT;
use uuid::Uuid;

/// The text is a `traceparent` of version 00 with a trace id and a parent id that are not all zero.
#[must_use]
pub fn is_valid(text: &str) -> bool {
    let parts: Vec<&str> = text.split('-').collect();
    let [version, trace_id, parent_id, flags] = parts[..] else { return false };
    let hex = |part: &str, digits: usize| {
        part.len() == digits && part.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
    };
    let set = |part: &str| part.bytes().any(|b| b != b'0');
    version == "00"
        && hex(trace_id, 32)
        && set(trace_id)
        && hex(parent_id, 16)
        && set(parent_id)
        && hex(flags, 2)
}

/// The trace context of a request, if it has a valid one.
pub fn of(headers: &HeaderMap) -> Option<String> {
    let text = headers.get(TRACEPARENT)?.to_str().ok()?;
    is_valid(text).then(|| text.to_owned())
}

/// A `traceparent` that begins a trace. It is not marked as sampled: nothing records it yet.
pub fn begin(ids: &dyn Ids) -> String {
    let (trace, parent) = (ids.next(), low_half(ids.next()));
    format!("00-{}-{parent:016x}-00", trace.simple())
}

/// The half of an id that is random, whatever the id's version; never 0, which would mean that there is none.
fn low_half(id: Uuid) -> u64 {
    id.as_u64_pair().1.max(1)
}

#[cfg(test)]
mod tests {
    use forebay_domain::SeededIds;

    use super::*;

    #[test]
    fn what_is_begun_is_valid_and_new_each_time() {
        let ids = SeededIds::new(1);
        let (one, two) = (begin(&ids), begin(&ids));
        assert!(is_valid(&one), "{one}");
        assert_ne!(one, two);
    }

    #[test]
    fn what_is_not_trace_context_is_not_valid() {
        let (trace, parent) = ("0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331");
        assert!(is_valid(&format!("00-{trace}-{parent}-01")));
        for text in [
            String::new(),
            "00".to_owned(),
            format!("ff-{trace}-{parent}-01"),
            format!("00-{}-{parent}-01", "0".repeat(32)),
            format!("00-{trace}-{}-01", "0".repeat(16)),
            format!("00-{}-{parent}-01", trace.to_uppercase()),
            format!("00-{trace}-{parent}-01-more"),
            format!("00-{trace}-{parent}-é"),
        ] {
            assert!(!is_valid(&text), "{text:?} was taken");
        }
    }
}
