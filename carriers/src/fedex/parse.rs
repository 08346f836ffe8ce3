//! What an answer says: of the whole call, then of each number.

use forebay_domain::parcel::Lookup;
use serde_json::Value;

use super::mapping::{self, DAILY_WORDS, Refusal};
use super::results;
use crate::body;
use crate::carrier::{Answered, Asked, Received, Unmapped};
use crate::error::CarrierError;
use crate::numbers;
use crate::wire::Object;

/// The body, unless it says that the whole call failed.
pub(super) fn whole(received: &Received<'_>) -> Result<Value, CarrierError> {
    let json = body::object(received);
    let errors = json.as_ref().ok().and_then(Object::of).map(|o| o.objects("errors")).unwrap_or_default();
    if received.status == 429 {
        let daily = errors.iter().filter_map(|e| e.text("message"));
        let daily = daily.map(|m| m.to_lowercase()).any(|m| m.contains(DAILY_WORDS));
        return Err(match daily {
            true => CarrierError::QuotaExhausted {
                // The day ends at midnight GMT.
                retry_after: received.retry_after.or_else(|| received.until_midnight()),
            },
            false => CarrierError::RateLimited { retry_after: received.retry_after },
        });
    }
    for error in &errors {
        let Some(code) = error.text("code") else { continue };
        match mapping::refusal(&code) {
            Some(Refusal::Token | Refusal::Credentials) => return Err(CarrierError::Auth(code)),
            Some(Refusal::Failed) => return Err(CarrierError::Transient(code)),
            // About the numbers, whatever status it comes under.
            Some(Refusal::NotFound | Refusal::BadNumber) => return json,
            None => {}
        }
    }
    body::status(received)?;
    json
}

/// A bad number among many for which the whole call was refused: the answer does not say which it is.
pub(super) fn told(body: &Value, asked: &[Asked]) -> Result<(), CarrierError> {
    let object = Object::of(body);
    let output = object.and_then(|o| o.object("output"));
    let answered = output.is_some_and(|o| !o.objects("completeTrackResults").is_empty());
    let codes = object.into_iter().flat_map(|o| o.objects("errors")).filter_map(|error| error.text("code"));
    let bad = codes.into_iter().find(|code| mapping::refusal(code) == Some(Refusal::BadNumber));
    match bad {
        Some(code) if asked.len() > 1 && !answered => {
            Err(CarrierError::Rejected { code, detail: "one of the numbers can't be one of FedEx's" })
        }
        _ => Ok(()),
    }
}

/// What the answer says of each number.
pub(super) fn parts(body: &Value, asked: &[Asked]) -> Vec<Answered> {
    let object = Object::of(body);
    let output = object.and_then(|o| o.object("output"));
    let complete = output.map(|o| o.objects("completeTrackResults")).unwrap_or_default();
    // An error of the whole call about its numbers says of one number what it says of all.
    let error = object.into_iter().flat_map(|o| o.objects("errors")).next();
    asked
        .iter()
        .map(|one| {
            let mut unmapped = Unmapped::default();
            let outcome = match (part(&complete, one, &mut unmapped), error) {
                (Some(outcome), _) => outcome,
                (None, Some(error)) => refused(error, &mut unmapped),
                (None, None) => {
                    Err(CarrierError::Malformed("nothing in the answer is about this number".into()))
                }
            };
            Answered { asked: one.clone(), outcome, unmapped: unmapped.into_codes() }
        })
        .collect()
}

fn part(
    complete: &[Object<'_>],
    asked: &Asked,
    unmapped: &mut Unmapped,
) -> Option<Result<Lookup, CarrierError>> {
    let number = numbers::bare(&asked.number);
    let is_it = |text: Option<String>| text.is_some_and(|t| t.eq_ignore_ascii_case(&number));
    let result = complete.iter().find(|result| is_it(result.text("trackingNumber")))?;
    let results = result.objects("trackResults");
    let (errors, told): (Vec<Object<'_>>, Vec<Object<'_>>) =
        results.into_iter().partition(|r| r.object("error").is_some());
    Some(match (results::youngest(&told), errors.first().and_then(|r| r.object("error"))) {
        (Some(result), _) => Ok(results::found(result, unmapped)),
        (None, Some(error)) => refused(error, unmapped),
        (None, None) => Ok(Lookup::NotYetKnown),
    })
}

fn refused(error: Object<'_>, unmapped: &mut Unmapped) -> Result<Lookup, CarrierError> {
    let code = error.text("code").unwrap_or_default();
    match mapping::refusal(&code) {
        Some(Refusal::NotFound) => Ok(Lookup::NotYetKnown),
        Some(Refusal::BadNumber) => Ok(Lookup::InvalidNumber),
        Some(Refusal::Failed) => Err(CarrierError::Transient(code)),
        Some(Refusal::Token | Refusal::Credentials) => Err(CarrierError::Auth(code)),
        None => {
            unmapped.insert("error", Some(code.clone()));
            let detail = "FedEx refused the number with a code that is not known";
            Err(CarrierError::Rejected { code: code.chars().take(60).collect(), detail })
        }
    }
}
