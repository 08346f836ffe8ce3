//! What is the same in every answer: JSON or not, and what its status says.

use serde_json::Value;

use crate::carrier::Received;
use crate::error::CarrierError;

/// The body as a JSON object.
///
/// # Errors
/// An empty body or a web page is a failure of the other side that may pass; other bytes can't be read.
pub(crate) fn object(received: &Received<'_>) -> Result<Value, CarrierError> {
    let body = trimmed(received);
    match (serde_json::from_slice::<Value>(body), body) {
        (Ok(json @ Value::Object(_)), _) => Ok(json),
        (_, []) => Err(CarrierError::Transient("an empty answer".into())),
        (_, [b'<', ..]) => Err(CarrierError::Transient("a web page instead of an answer".into())),
        (Ok(_), _) => Err(CarrierError::Malformed("JSON, but no object".into())),
        (Err(_), _) => Err(CarrierError::Malformed(format!("{} bytes that are not JSON", body.len()))),
    }
}

/// What the HTTP status says of the whole call, when the body says nothing closer.
///
/// # Errors
/// For any status that is no success.
pub(crate) fn status(received: &Received<'_>) -> Result<(), CarrierError> {
    status_is(received.status, received)
}

/// As [`status`], for a status that stands in the body.
pub(crate) fn status_is(status: u16, received: &Received<'_>) -> Result<(), CarrierError> {
    match status {
        200..300 => Ok(()),
        401 | 403 => Err(CarrierError::Auth(format!("status {status}"))),
        429 => Err(CarrierError::RateLimited { retry_after: received.retry_after }),
        400..500 if status != 408 => {
            let detail = "is the base URL right, and the question still of the form that it takes?";
            Err(CarrierError::Rejected { code: format!("status_{status}"), detail })
        }
        _ => Err(CarrierError::Transient(format!("status {status}"))),
    }
}

/// Without a byte order mark and space around it.
pub(crate) fn trimmed<'a>(received: &Received<'a>) -> &'a [u8] {
    received.body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(received.body).trim_ascii()
}
