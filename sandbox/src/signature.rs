//! Signatures after Standard Webhooks 1.0.0: `v1,` and the base64 HMAC-SHA256 of `id.timestamp.body`.

use axum::http::HeaderMap;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

/// How far a signature's time may lie from ours, in seconds.
const TOLERANCE_S: u64 = 300;
const SECRET_PREFIX: &str = "whsec_";

/// Whether one of the signatures is right and its time is near `now` (seconds of the epoch).
pub(crate) fn is_good(secret: &str, headers: &HeaderMap, body: &[u8], now: i64) -> bool {
    let (id, time) = (text(headers, "webhook-id"), text(headers, "webhook-timestamp"));
    let fresh = time.parse::<i64>().is_ok_and(|time| now.abs_diff(time) <= TOLERANCE_S);
    let Ok(secret) = STANDARD.decode(secret.trim_start_matches(SECRET_PREFIX)) else { return false };
    let Ok(mac) = Hmac::<Sha256>::new_from_slice(&secret) else { return false };
    let mac = mac.chain_update(id).chain_update(".").chain_update(time).chain_update(".").chain_update(body);
    let mut given = text(headers, "webhook-signature")
        .split(' ')
        .filter_map(|one| one.strip_prefix("v1,"))
        .filter_map(|one| STANDARD.decode(one).ok());
    fresh && !id.is_empty() && given.any(|one| mac.clone().verify_slice(&one).is_ok())
}

/// A header's text; empty when it is not there or is no text.
pub(crate) fn text<'h>(headers: &'h HeaderMap, name: &str) -> &'h str {
    headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    const BODY: &[u8] = br#"{"return_id":"R-1"}"#;
    /// Made with Python's hmac module from the secret of this crate.
    const SIGNATURE: &str = "v1,CMjJ68TzaDLo6HR+6eni4WLstj59fUTmykMSDhCLvjg=";
    const TIME: i64 = 1_700_000_000;

    fn judged(id: &'static str, body: &[u8], now: i64) -> bool {
        let mut headers = HeaderMap::new();
        headers.insert("webhook-id", id.parse().unwrap());
        headers.insert("webhook-timestamp", TIME.into());
        headers.insert("webhook-signature", SIGNATURE.parse().unwrap());
        is_good(crate::SIGNING_SECRET, &headers, body, now)
    }

    #[test]
    fn a_signature_made_elsewhere_is_good_for_its_id_its_body_and_five_minutes() {
        assert!(judged("msg_1", BODY, TIME));
        assert!(judged("msg_1", BODY, TIME + 300) && judged("msg_1", BODY, TIME - 300));
        assert!(!judged("msg_1", BODY, TIME + 301) && !judged("msg_1", BODY, TIME - 301));
        assert!(!judged("msg_2", BODY, TIME));
        assert!(!judged("msg_1", b"{}", TIME));
    }
}
