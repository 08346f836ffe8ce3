//! Problems: every answer that is not a success, after RFC 9457.
//!
//! A problem says what is wrong and how to mend it; it never repeats what was sent, and never holds a secret.

use std::borrow::Cow;

use axum::body::Body;
use axum::http::{HeaderName, HeaderValue, Response, StatusCode, header};
use axum::response::IntoResponse;
use forebay_schemas::{Code, Violation};
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::Serialize;

/// The media type of a problem.
pub const CONTENT_TYPE: &str = "application/problem+json";
/// Seconds after which to try again, before the frame spreads it by one second either way.
pub const RETRY_AFTER_SECONDS: u64 = 5;
/// Most faults that one problem lists.
pub const ERRORS_MAX: usize = 50;

const DOCS: &str = "https://github.com/forebay/forebay/blob/main/docs/problems.md#";
/// Registered with IANA, so that generic clients know it.
const REDUCED_CAPACITY: &str = "https://iana.org/assignments/http-problem-types#temporary-reduced-capacity";

/// The closed list of problems.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// What was sent is not a CloudEvent, or not JSON.
    InvalidEnvelope,
    /// The request can't be read: path, query, header or body.
    InvalidRequest,
    /// No key, or one that is not known.
    InvalidKey,
    /// A member's token that is not good, or no longer.
    InvalidToken,
    /// A push without a signature, or with one of nobody who knows the secret.
    InvalidSignature,
    /// The key may not do this, or it is not the member's.
    InsufficientScope,
    /// There is no such thing.
    NotFound,
    /// The path exists, the method does not.
    MethodNotAllowed,
    /// The body did not arrive in time.
    RequestTimeout,
    /// It is in conflict with what is there.
    Conflict,
    /// It was changed since the caller saw it.
    PreconditionFailed,
    /// The body, an event or a batch is too large.
    TooLarge,
    /// The content type or encoding is not taken.
    UnsupportedMediaType,
    /// The event is well formed and breaks the rules of its type.
    InvalidEvent,
    /// What was sent is well formed and breaks the rules of its kind.
    InvalidContent,
    /// The caller does not say what it has seen.
    PreconditionRequired,
    /// It can't be done at present; nothing was done; try again.
    ReducedCapacity,
    /// Our fault.
    Internal,
}

impl Kind {
    /// Every kind.
    pub const ALL: [Self; 18] = [
        Self::InvalidEnvelope,
        Self::InvalidRequest,
        Self::InvalidKey,
        Self::InvalidToken,
        Self::InvalidSignature,
        Self::InsufficientScope,
        Self::NotFound,
        Self::MethodNotAllowed,
        Self::RequestTimeout,
        Self::Conflict,
        Self::PreconditionFailed,
        Self::TooLarge,
        Self::UnsupportedMediaType,
        Self::InvalidEvent,
        Self::InvalidContent,
        Self::PreconditionRequired,
        Self::ReducedCapacity,
        Self::Internal,
    ];

    fn slug(self) -> &'static str {
        match self {
            Self::InvalidEnvelope => "invalid-envelope",
            Self::InvalidRequest => "invalid-request",
            Self::InvalidKey => "invalid-key",
            Self::InvalidToken => "invalid-token",
            Self::InvalidSignature => "invalid-signature",
            Self::InsufficientScope => "insufficient-scope",
            Self::NotFound => "not-found",
            Self::MethodNotAllowed => "method-not-allowed",
            Self::RequestTimeout => "request-timeout",
            Self::Conflict => "conflict",
            Self::PreconditionFailed => "precondition-failed",
            Self::TooLarge => "too-large",
            Self::UnsupportedMediaType => "unsupported-media-type",
            Self::InvalidEvent => "invalid-event",
            Self::InvalidContent => "invalid-content",
            Self::PreconditionRequired => "precondition-required",
            Self::ReducedCapacity => "temporary-reduced-capacity",
            Self::Internal => "internal",
        }
    }

    /// What it is called.
    #[must_use]
    pub fn title(self) -> &'static str {
        match self {
            Self::InvalidEnvelope => "Not a CloudEvent",
            Self::InvalidRequest => "The request can't be read",
            Self::InvalidKey => "A valid API key is needed",
            Self::InvalidToken => "A valid token is needed",
            Self::InvalidSignature => "A valid signature is needed",
            Self::InsufficientScope => "The key or token may not do this",
            Self::NotFound => "Not found",
            Self::MethodNotAllowed => "Method not allowed",
            Self::RequestTimeout => "The request took too long to arrive",
            Self::Conflict => "In conflict with what is there",
            Self::PreconditionFailed => "Changed since it was read",
            Self::TooLarge => "Too large",
            Self::UnsupportedMediaType => "This content is not taken here",
            Self::InvalidEvent => "The event breaks its rules",
            Self::InvalidContent => "The content breaks its rules",
            Self::PreconditionRequired => "Say what you have read",
            Self::ReducedCapacity => "Not possible at present",
            Self::Internal => "Internal error",
        }
    }

    /// The HTTP status.
    #[must_use]
    pub fn status(self) -> StatusCode {
        match self {
            Self::InvalidEnvelope | Self::InvalidRequest => StatusCode::BAD_REQUEST,
            Self::InvalidKey | Self::InvalidToken | Self::InvalidSignature => StatusCode::UNAUTHORIZED,
            Self::InsufficientScope => StatusCode::FORBIDDEN,
            Self::NotFound => StatusCode::NOT_FOUND,
            Self::MethodNotAllowed => StatusCode::METHOD_NOT_ALLOWED,
            Self::RequestTimeout => StatusCode::REQUEST_TIMEOUT,
            Self::Conflict => StatusCode::CONFLICT,
            Self::PreconditionFailed => StatusCode::PRECONDITION_FAILED,
            Self::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::UnsupportedMediaType => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::InvalidEvent | Self::InvalidContent => StatusCode::UNPROCESSABLE_ENTITY,
            Self::PreconditionRequired => StatusCode::PRECONDITION_REQUIRED,
            Self::ReducedCapacity => StatusCode::SERVICE_UNAVAILABLE,
            Self::Internal => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    fn uri(self) -> String {
        match self {
            Self::ReducedCapacity => REDUCED_CAPACITY.to_owned(),
            _ => format!("{DOCS}{}", self.slug()),
        }
    }
}

/// One problem.
#[derive(Debug, Clone)]
pub struct Problem {
    kind: Kind,
    detail: String,
    code: Option<Code>,
    errors: Vec<Violation>,
    max_bytes: Option<usize>,
    retry_after: Option<u64>,
    headers: Vec<(HeaderName, HeaderValue)>,
}

/// What went wrong, and how to mend it (RFC 9457).
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Problem")]
struct Rendered<'p> {
    /// Which kind of problem; it leads to its page.
    #[schemars(extend("format" = "uri"))]
    r#type: String,
    /// The kind, for people.
    title: &'static str,
    status: u16,
    /// One sentence for whoever mends it.
    detail: &'p str,
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<Code>,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    errors: &'p [Violation],
    #[serde(skip_serializing_if = "Option::is_none")]
    max_bytes: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    retry_after_seconds: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    request_id: Option<&'p str>,
}

impl Problem {
    /// A problem of this kind. `detail` is one sentence for the person who mends it.
    pub fn new(kind: Kind, detail: impl Into<String>) -> Self {
        Self {
            kind,
            detail: detail.into(),
            code: None,
            errors: Vec::new(),
            max_bytes: None,
            retry_after: (kind == Kind::ReducedCapacity).then_some(RETRY_AFTER_SECONDS),
            headers: Vec::new(),
        }
    }

    /// Nothing at this path.
    #[must_use]
    pub fn nothing_here() -> Self {
        Self::new(Kind::NotFound, "There is nothing at this path.")
    }

    /// With the word of the closed list of codes.
    #[must_use]
    pub fn code(self, code: Code) -> Self {
        Self { code: Some(code), ..self }
    }

    /// With each fault and its place; [`ERRORS_MAX`] are kept.
    #[must_use]
    pub fn errors(self, mut errors: Vec<Violation>) -> Self {
        errors.truncate(ERRORS_MAX);
        Self { errors, ..self }
    }

    /// With the limit that was broken, in bytes.
    #[must_use]
    pub fn max_bytes(self, max_bytes: usize) -> Self {
        Self { max_bytes: Some(max_bytes), ..self }
    }

    /// With a header more.
    #[must_use]
    pub fn header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.push((name, value));
        self
    }

    /// What kind of problem it is.
    #[must_use]
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// The answer of a problem that waits to be framed, see [`crate::frame`]: one second is added to or taken from
    /// its waiting time, so that clients turned away together do not come back together.
    pub(crate) fn framed(mut self, request_id: &str, spread: u64) -> Response<Body> {
        if let Some(seconds) = &mut self.retry_after {
            *seconds = (*seconds + spread % 3).saturating_sub(1);
        }
        self.render(Some(request_id))
    }

    fn render(self, request_id: Option<&str>) -> Response<Body> {
        let body = Rendered {
            r#type: self.kind.uri(),
            title: self.kind.title(),
            status: self.kind.status().as_u16(),
            detail: &self.detail,
            code: self.code,
            errors: &self.errors,
            max_bytes: self.max_bytes,
            retry_after_seconds: self.retry_after,
            request_id,
        };
        // Strings and numbers alone: writing them can't fail, and an empty body would still be an answer.
        let mut response = Response::new(Body::from(serde_json::to_vec(&body).unwrap_or_default()));
        *response.status_mut() = self.kind.status();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(CONTENT_TYPE));
        if let Some(seconds) = self.retry_after {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        headers.extend(self.headers);
        response
    }
}

impl JsonSchema for Problem {
    fn schema_name() -> Cow<'static, str> {
        Rendered::schema_name()
    }
    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        Rendered::json_schema(generator)
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response<Body> {
        let mut response = self.clone().render(None);
        response.extensions_mut().insert(self);
        response
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wait_is_spread_over_three_seconds() {
        let waits: Vec<_> = (0..3)
            .map(|spread| {
                let response = Problem::new(Kind::ReducedCapacity, "busy").framed("r", spread);
                response.headers()[header::RETRY_AFTER].to_str().unwrap().to_owned()
            })
            .collect();
        assert_eq!(waits, ["4", "5", "6"]);
    }

    #[test]
    fn each_kind_has_its_section_in_the_page_that_its_type_points_to() {
        let page = include_str!("../../../docs/problems.md");
        let sections: Vec<_> = page.lines().filter_map(|line| line.strip_prefix("## ")).collect();
        assert_eq!(sections, Kind::ALL.map(Kind::slug));
        assert_eq!(Kind::ALL.len(), Kind::Internal as usize + 1, "a kind is missing in ALL");
        for (section, kind) in page.split("\n## ").skip(1).zip(Kind::ALL) {
            assert!(section.contains(kind.status().as_str()), "{section}");
        }
    }

    #[test]
    fn a_problem_lists_a_bounded_number_of_faults() {
        let errors = vec![Violation::new("/a", "is wrong"); 1000];
        assert_eq!(Problem::new(Kind::InvalidEvent, "bad").errors(errors).errors.len(), ERRORS_MAX);
    }
}
