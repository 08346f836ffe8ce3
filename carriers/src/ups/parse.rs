//! What an answer says: of the whole call, then of the parcel.

use forebay_domain::parcel::Lookup;

use super::mapping::{REFUSALS, Refusal};
use super::packages;
use crate::body;
use crate::carrier::{Answered, Asked, Received, Unmapped};
use crate::error::CarrierError;
use crate::wire::Object;

/// What the answer says of each parcel.
pub(super) fn parse(received: &Received<'_>, asked: &[Asked]) -> Result<Vec<Answered>, CarrierError> {
    let json = body::object(received);
    let object = json.as_ref().ok().and_then(Object::of);
    let all = |lookup: Lookup| Ok(asked.iter().map(|one| Answered::told(one, lookup.clone())).collect());
    match object.and_then(refusal) {
        Some((Refusal::NotFound, _)) => return all(Lookup::NotYetKnown),
        Some((Refusal::BadNumber, _)) => return all(Lookup::InvalidNumber),
        Some((Refusal::Token, code)) => return Err(CarrierError::Auth(code)),
        Some((Refusal::TooMany, _)) => {
            return Err(CarrierError::RateLimited { retry_after: received.retry_after });
        }
        None => body::status(received)?,
    }
    let json = json?;
    let object = Object::of(&json);
    let part = |one: &Asked| {
        let mut unmapped = Unmapped::default();
        let nothing = || CarrierError::Malformed("nothing in it is about a parcel".into());
        let response = object.and_then(|o| o.object("trackResponse")).ok_or_else(nothing);
        let outcome = response.and_then(|response| packages::found(response, one, &mut unmapped));
        Answered { asked: one.clone(), outcome, unmapped: unmapped.into_codes() }
    };
    Ok(asked.iter().map(part).collect())
}

/// The first code that we know, of an error, or of a warning that stands in the place of a parcel.
fn refusal(object: Object<'_>) -> Option<(Refusal, String)> {
    let errors = object.object("response").map(|r| r.objects("errors")).unwrap_or_default();
    let shipments = object.object("trackResponse").map(|r| r.objects("shipment")).unwrap_or_default();
    let without_parcel = shipments.iter().all(|s| s.objects("package").is_empty());
    let warnings = shipments.iter().flat_map(|s| s.objects("warnings")).filter(|_| without_parcel);
    errors.into_iter().chain(warnings).find_map(|error| {
        let code = error.text("code")?;
        REFUSALS.iter().find(|(known, _)| *known == code).map(|(_, refusal)| (*refusal, code))
    })
}
