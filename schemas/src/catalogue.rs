//! The catalogue: each type's JSON Schema, compiled, and the decoding that follows it.

use std::collections::BTreeMap;

use jsonschema::error::ValidationErrorKind;
use jsonschema::{ValidationError, Validator};
use schemars::generate::SchemaSettings;
use serde::de::DeserializeOwned;
use serde_json::Value;
use serde_path_to_error::Segment;

use crate::code::Code;
use crate::envelope::{Digest, Event};
use crate::event_type::EventType;
use crate::events;
use crate::violation::{Refusal, Violation};

/// The data of an event that a handler may be given.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "each variant is documented at its data")]
pub enum Payload {
    ReturnRequested(events::ReturnRequested),
    OrderPaid(events::OrderPaid),
    OrderRefunded(events::OrderRefunded),
    CheckInRequested(events::CheckInRequested),
    ClaimRequested(events::ClaimRequested),
    SpendRequested(events::SpendRequested),
    CollectReturns(events::CollectReturns),
    CheckParcels(events::CheckParcels),
    ParcelPushed(events::ParcelPushed),
    SendResult(events::SendResult),
    TellIncident(events::TellIncident),
    ProcessSigns(events::ProcessSigns),
}

/// An event whose data was checked against its schema and read.
#[derive(Debug, Clone)]
pub struct Decoded {
    /// The envelope.
    pub event: Event,
    /// The data.
    pub payload: Payload,
    /// Tells a repeat from a reused identity.
    pub digest: Digest,
}

/// Every type's schema, compiled once. Cheap to share behind an `Arc`.
#[derive(Debug)]
pub struct Catalogue {
    validators: BTreeMap<EventType, Validator>,
}

impl Default for Catalogue {
    fn default() -> Self {
        Self::new()
    }
}

impl Catalogue {
    /// Compiles every schema.
    ///
    /// # Panics
    /// When a schema of this crate is not valid, which its tests rule out.
    #[must_use]
    pub fn new() -> Self {
        let compile = |kind: EventType| {
            let schema = data_schema(kind);
            let validator = jsonschema::options().should_validate_formats(true).build(&schema);
            (kind, validator.expect("a schema of the catalogue compiles"))
        };
        Self { validators: EventType::ALL.iter().copied().map(compile).collect() }
    }

    /// Checks an event's data against its type's schema and reads it.
    ///
    /// # Errors
    /// A [`Refusal`] with `unknown_type` or `schema_invalid` and every violation (16 at most).
    pub fn read(&self, event: Event) -> Result<Decoded, Refusal> {
        let (payload, data) = self.checked(&event)?;
        Ok(Decoded { digest: event.digest_with(&data), event, payload })
    }

    /// As [`Catalogue::read`], without the digest: for who only has to know whether the event can be taken.
    ///
    /// # Errors
    /// As [`Catalogue::read`].
    pub fn check(&self, event: &Event) -> Result<Payload, Refusal> {
        self.checked(event).map(|(payload, _)| payload)
    }

    fn checked(&self, event: &Event) -> Result<(Payload, Value), Refusal> {
        let Some(kind) = event.event_type() else {
            return Err(Refusal::one(Code::UnknownType, "/type", "is not in the catalogue"));
        };
        let data: Value = serde_json::from_str(event.data.get()).map_err(|_| {
            let detail = "holds what can't be read: a number out of range, half a surrogate pair, or too deep a nesting";
            Refusal::one(Code::SchemaInvalid, "/data", detail)
        })?;
        if let Some(validator) = self.validators.get(&kind)
            && !validator.is_valid(&data)
        {
            let violations: Vec<Violation> =
                validator.iter_errors(&data).flat_map(|error| told(&error)).take(16).collect();
            return Err(Refusal { code: Code::SchemaInvalid, violations });
        }
        Ok((payload(kind, event.data.get())?, data))
    }

    /// Decodes the envelope and the data in one go.
    ///
    /// # Errors
    /// As [`Event::decode`] and [`Catalogue::read`].
    pub fn decode(&self, bytes: &[u8]) -> Result<Decoded, Refusal> {
        self.read(Event::decode(bytes)?)
    }
}

/// What is wrong, where it is wrong. A value that may be null or an object fails as a whole; what helps its author is
/// what is wrong with the object.
fn told(error: &ValidationError<'_>) -> Vec<Violation> {
    if let ValidationErrorKind::AnyOf { context } = error.kind() {
        let meant = context.iter().find(|branch| {
            let wrong_kind = |e: &ValidationError<'_>| {
                matches!(e.kind(), ValidationErrorKind::Type { .. })
                    && e.instance_path() == error.instance_path()
            };
            !branch.iter().any(wrong_kind)
        });
        if let Some(branch) = meant {
            return branch.iter().flat_map(told).collect();
        }
    }
    vec![Violation::new(format!("/data{}", error.instance_path()), error.masked().to_string())]
}

fn payload(kind: EventType, data: &str) -> Result<Payload, Refusal> {
    fn read<T: DeserializeOwned>(data: &str) -> Result<T, Refusal> {
        let mut json = serde_json::Deserializer::from_str(data);
        serde_path_to_error::deserialize(&mut json).map_err(|e| {
            let token = |segment: &Segment| match segment {
                Segment::Seq { index } => format!("/{index}"),
                Segment::Map { key } => format!("/{key}"),
                Segment::Enum { .. } | Segment::Unknown => String::new(),
            };
            let path: String = e.path().iter().map(token).collect();
            Refusal::one(Code::SchemaInvalid, format!("/data{path}"), "can't be read as its type")
        })
    }
    Ok(match kind {
        EventType::ReturnRequested => Payload::ReturnRequested(read(data)?),
        EventType::OrderPaid => Payload::OrderPaid(read(data)?),
        EventType::OrderRefunded => Payload::OrderRefunded(read(data)?),
        EventType::CheckInRequested => Payload::CheckInRequested(read(data)?),
        EventType::ClaimRequested => Payload::ClaimRequested(read(data)?),
        EventType::SpendRequested => Payload::SpendRequested(read(data)?),
        EventType::CollectReturns => Payload::CollectReturns(read(data)?),
        EventType::CheckParcels => Payload::CheckParcels(read(data)?),
        EventType::ParcelPushed => Payload::ParcelPushed(read(data)?),
        EventType::SendResult => Payload::SendResult(read(data)?),
        EventType::TellIncident => Payload::TellIncident(read(data)?),
        EventType::ProcessSigns => Payload::ProcessSigns(read(data)?),
        EventType::CheckedIn
        | EventType::ClaimSettled
        | EventType::ClaimFulfilled
        | EventType::ClaimReversed
        | EventType::PointsChanged
        | EventType::SpendSettled
        | EventType::PointsExpiring
        | EventType::StockLow
        | EventType::StockOut
        | EventType::StockChanged
        | EventType::ParcelStatusChanged
        | EventType::ReturnPickedUp => {
            return Err(Refusal::one(Code::Rejected, "/type", "is a fact of ours; it can't be sent to us"));
        }
    })
}

/// The JSON Schema (2020-12) of a type's data.
#[must_use]
pub fn data_schema(kind: EventType) -> Value {
    fn of<T: schemars::JsonSchema>() -> Value {
        SchemaSettings::draft2020_12().into_generator().into_root_schema_for::<T>().to_value()
    }
    match kind {
        EventType::ReturnRequested => of::<events::ReturnRequested>(),
        EventType::OrderPaid => of::<events::OrderPaid>(),
        EventType::OrderRefunded => of::<events::OrderRefunded>(),
        EventType::CheckInRequested => of::<events::CheckInRequested>(),
        EventType::ClaimRequested => of::<events::ClaimRequested>(),
        EventType::SpendRequested => of::<events::SpendRequested>(),
        EventType::CollectReturns => of::<events::CollectReturns>(),
        EventType::CheckParcels => of::<events::CheckParcels>(),
        EventType::ParcelPushed => of::<events::ParcelPushed>(),
        EventType::SendResult => of::<events::SendResult>(),
        EventType::TellIncident => of::<events::TellIncident>(),
        EventType::ProcessSigns => of::<events::ProcessSigns>(),
        EventType::CheckedIn => of::<events::CheckedIn>(),
        EventType::ClaimSettled => of::<events::ClaimSettled>(),
        EventType::ClaimFulfilled => of::<events::ClaimFulfilled>(),
        EventType::ClaimReversed => of::<events::ClaimReversed>(),
        EventType::PointsChanged => of::<events::PointsChanged>(),
        EventType::SpendSettled => of::<events::SpendSettled>(),
        EventType::PointsExpiring => of::<events::PointsExpiring>(),
        EventType::StockLow => of::<events::StockLow>(),
        EventType::StockOut => of::<events::StockOut>(),
        EventType::StockChanged => of::<events::StockChanged>(),
        EventType::ParcelStatusChanged => of::<events::ParcelStatusChanged>(),
        EventType::ReturnPickedUp => of::<events::ReturnPickedUp>(),
    }
}
