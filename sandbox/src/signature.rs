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
