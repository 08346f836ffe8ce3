//! What a token claims, and what of it must be so. The signature is checked before.

use chrono::{DateTime, Utc};
use forebay_domain::erasure::is_erased;
use forebay_schemas::MemberId;
use serde_json::{Map, Value};

use super::{Fault, Issuer, Mode};

/// How far the issuer's clock may be from ours, in seconds.
const LEEWAY_S: f64 = 60.0;
/// The age from which a token is not taken, whatever it says of its end, in seconds.
const AGE_MAX_S: f64 = 24.0 * 3600.0;

/// The member for whom the token was made.
pub(super) fn member(
    claims: &Map<String, Value>,
    issuer: &Issuer,
    now: DateTime<Utc>,
) -> Result<MemberId, Fault> {
    check_times(claims, now)?;
    if !is_for(claims, issuer) {
        return Err(Fault::Audience);
    }
    // Whoever the member is, a token has a subject.
    let text = |name: &str| claims.get(name).and_then(Value::as_str).filter(|text| !text.is_empty());
    text("sub").ok_or(Fault::Member)?;
    let member = text(&issuer.member_claim).and_then(|id| MemberId::new(id).ok());
    member.filter(|member| !is_erased(member)).ok_or(Fault::Member)
}

fn check_times(claims: &Map<String, Value>, now: DateTime<Utc>) -> Result<(), Fault> {
    let now = now.timestamp_millis() as f64 / 1000.0;
    let (expires, issued) = (instant(claims, "exp")?, instant(claims, "iat")?);
    let (Some(expires), Some(issued)) = (expires, issued) else { return Err(Fault::Times) };
    if now > expires + LEEWAY_S {
        return Err(Fault::Expired);
    }
    if now < issued - LEEWAY_S || instant(claims, "nbf")?.is_some_and(|begins| now < begins - LEEWAY_S) {
        return Err(Fault::NotYet);
    }
    if now > issued + AGE_MAX_S {
        return Err(Fault::TooOld);
    }
    Ok(())
}

/// Seconds since 1970, whole or not; a claim that is there and is no number is a fault.
fn instant(claims: &Map<String, Value>, name: &str) -> Result<Option<f64>, Fault> {
    match claims.get(name) {
        None => Ok(None),
        Some(value) => value.as_f64().filter(|seconds| seconds.is_finite()).map(Some).ok_or(Fault::Times),
    }
}

fn is_for(claims: &Map<String, Value>, issuer: &Issuer) -> bool {
    let text = |name: &str| claims.get(name).and_then(Value::as_str);
    let ours = |audience: &str| issuer.audiences.iter().any(|ours| ours == audience);
    match issuer.mode {
        Mode::Standard => match claims.get("aud") {
            Some(Value::String(audience)) => ours(audience),
            Some(Value::Array(all)) => all.iter().filter_map(Value::as_str).any(ours),
            _ => false,
        },
        Mode::CognitoAccess => text("token_use") == Some("access") && text("client_id").is_some_and(ours),
    }
}
