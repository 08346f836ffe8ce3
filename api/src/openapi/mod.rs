//! The document of the HTTP interface (OpenAPI 3.1), made of the routes and of their handlers' own types.
//!
//! It is checked in as `schemas/generated/openapi.json`, which a test holds to what [`document`] makes, and which is
//! what `GET /openapi.json` answers.

mod answers;
mod events;
mod operation;

use std::collections::BTreeMap;

use axum::http::header;
use axum::response::{IntoResponse, Response};
use forebay_intake::{Kind, Problem};
use serde_json::{Map, Value, json};

pub(crate) use answers::{Either, Made, Repeated, Tagged, Taken};
pub(crate) use operation::{Input, Operation, Output, Schemas, Told};

use crate::callers::Members;
use crate::routes::{self, Route};

const TEXT: &str = include_str!("../../../schemas/generated/openapi.json");

const ABOUT: &str = "Answers that are not a success are problems (RFC 9457): `type` leads to docs/problems.md, and \
    `errors` names each place. Any operation may be answered with 500 when the fault is ours. \
    Times are RFC 3339 in UTC, days are dates in the programme's zone, ids are text. \
    A client may send an `X-Request-Id` of 1 to 64 letters, digits, dots, hyphens and underscores. \
    `/livez`, `/readyz` and `/metrics` are no part of this: they are answered on a port of their own \
    (`operations.listen`), which each process has, to whoever can reach it and without a key.";

/// The document, made anew.
#[must_use]
pub fn document() -> Value {
    let mut schemas = Schemas::new();
    let problem = schemas.answered::<Problem>();
    let mut paths: BTreeMap<&str, Map<String, Value>> = BTreeMap::new();
    for route in routes::all() {
        let operation = shown(&route, &mut schemas);
        paths.entry(route.path()).or_default().insert(route.method().as_str().to_lowercase(), operation);
    }
    for (path, operation) in events::operations(&mut schemas) {
        paths.entry(path).or_default().insert("post".to_owned(), operation);
    }
    let mut document = json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Forebay",
            "version": env!("CARGO_PKG_VERSION"),
            "description": ABOUT,
            "license": { "name": "MIT OR Apache-2.0", "identifier": "MIT OR Apache-2.0" },
        },
        "servers": [{ "url": "/" }],
        "paths": paths,
        "components": {
            "securitySchemes": {
                "key": { "type": "http", "scheme": "bearer", "description": "An API key (`forebay keys`)." },
                "member": {
                    "type": "http",
                    "scheme": "bearer",
                    "bearerFormat": "JWT",
                    "description": "A member's token, of an issuer that is configured.",
                },
            },
            "headers": {
                "X-Request-Id": {
                    "description": "Names the request in the logs; the client's own, where it sent one.",
                    "required": true,
                    "schema": { "type": "string", "pattern": "^[A-Za-z0-9._-]{1,64}$" },
                },
            },
            "responses": problems(&problem),
            "schemas": schemas.named(),
        },
    });
    words(&mut document);
    document
}

/// Makes an `enum` of each choice between words, which generators of clients read better; what the words mean goes into
/// the description.
fn words(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            fields.values_mut().for_each(words);
            let choice = fields.get("oneOf").and_then(Value::as_array);
            let word =
                |one: &Value| Some((one.get("const")?.clone(), one["description"].as_str()?.to_owned()));
            let Some(found) = choice.and_then(|all| all.iter().map(word).collect::<Option<Vec<_>>>()) else {
                return;
            };
            let mut about = fields.get("description").and_then(Value::as_str).unwrap_or_default().to_owned();
            for (word, meaning) in &found {
                about += &format!("\n- `{}`: {meaning}", word.as_str().unwrap_or_default());
            }
            fields.remove("oneOf");
            fields.insert("type".to_owned(), "string".into());
            fields.insert("enum".to_owned(), found.into_iter().map(|(word, _)| word).collect());
            fields.insert("description".to_owned(), about.into());
        }
        Value::Array(all) => all.iter_mut().for_each(words),
        _ => {}
    }
}

/// What the operation of a route is.
fn shown(route: &Route, schemas: &mut Schemas) -> Value {
    let mut shown = route.operation(schemas).shown();
    shown.insert("operationId".to_owned(), route.id().into());
    shown.insert("summary".to_owned(), route.summary().into());
    let tag = route.path().split('/').find(|part| !["", "v1"].contains(part)).unwrap_or_default();
    shown.insert("tags".to_owned(), json!([tag]));
    let security = match (route.scopes(), route.members()) {
        (None, _) => json!([]),
        (Some(_), Members::Nothing) => json!([{ "key": [] }]),
        (Some(_), Members::Themselves | Members::Everything) => json!([{ "key": [] }, { "member": [] }]),
    };
    shown.insert("security".to_owned(), security);
    if let Some(scopes) = route.scopes() {
        let names: Vec<_> = scopes.iter().map(ToString::to_string).collect();
        let members = match route.members() {
            Members::Nothing => "",
            Members::Themselves => " A member may do it for themselves; `me` stands for their id.",
            Members::Everything => " Any member may do it.",
        };
        let who = format!("A key needs one of the scopes {}.{members}", names.join(", "));
        shown.insert("description".to_owned(), who.into());
        shown.insert("x-scopes".to_owned(), json!(names));
    }
    Value::Object(shown)
}

/// One response for each status of a problem.
fn problems(schema: &Value) -> Map<String, Value> {
    let mut titles: BTreeMap<u16, Vec<&str>> = BTreeMap::new();
    for kind in Kind::ALL {
        titles.entry(kind.status().as_u16()).or_default().push(kind.title());
    }
    let response = |(status, titles): (u16, Vec<&str>)| {
        let mut headers = json!({ "X-Request-Id": { "$ref": "#/components/headers/X-Request-Id" } });
        match status {
            401 | 403 => {
                headers["WWW-Authenticate"] =
                    json!({ "description": "What is missing.", "schema": { "type": "string" } });
            }
            503 => {
                headers["Retry-After"] = json!({ "description": "Seconds after which to try again.", "schema": { "type": "integer" } });
            }
            _ => {}
        }
        let response = json!({
            "description": format!("{}.", titles.join(", or: ")),
            "headers": headers,
            "content": { forebay_intake::problem::CONTENT_TYPE: { "schema": schema } },
        });
        (format!("Problem{status}"), response)
    };
    titles.into_iter().map(response).collect()
}

/// The document, as it is served.
#[derive(Debug)]
pub(crate) struct Document;

impl IntoResponse for Document {
    fn into_response(self) -> Response {
        ([(header::CONTENT_TYPE, "application/json")], TEXT).into_response()
    }
}

impl Output for Document {
    fn tell(operation: &mut Operation<'_>) {
        operation.answer(200, "application/json", json!({ "type": "object" }));
    }
}

pub(crate) async fn get() -> Document {
    Document
}
