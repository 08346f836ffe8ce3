//! The document of the HTTP interface is that of the code.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use forebay_api::{openapi, routes};
use serde_json::Value;

use crate::http::Request;
use crate::world::World;

const MEND: &str =
    "run `cargo test -p forebay-api --test it openapi::writes -- --ignored` and commit what it wrote";

fn place() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../schemas/generated/openapi.json")
}

fn text() -> String {
    format!("{:#}\n", openapi::document())
}

/// Every operation, with its path and its method.
fn operations(document: &Value) -> impl Iterator<Item = (String, &Value)> {
    let paths = document["paths"].as_object().unwrap().iter();
    paths.flat_map(|(path, operations)| {
        let operations = operations.as_object().unwrap().iter();
        operations.map(move |(method, operation)| (format!("{} {path}", method.to_uppercase()), operation))
    })
}

#[test]
fn the_document_is_checked_in_as_the_code_has_it() {
    let there = std::fs::read_to_string(place()).unwrap();
    assert!(there == text(), "schemas/generated/openapi.json has drifted; {MEND}");
}

#[test]
#[ignore = "writes the document anew"]
fn writes_the_document() {
    std::fs::write(place(), text()).unwrap();
}

#[test]
fn every_route_stands_in_the_document_with_a_name_and_a_sentence_of_its_own() {
    let document = openapi::document();
    let told: BTreeSet<String> = operations(&document).map(|(line, _)| line).collect();
    for route in routes::all() {
        let line = format!("{} {}", route.method(), route.path());
        assert!(told.contains(&line), "{line} is not told of");
    }
    for field in ["operationId", "summary"] {
        let mut seen = BTreeSet::new();
        for (line, operation) in operations(&document) {
            let text = operation[field].as_str().unwrap();
            assert!(
                !text.is_empty() && seen.insert(text),
                "{line}: {field} {text:?} is empty or not its own"
            );
        }
    }
}

#[test]
fn every_reference_leads_somewhere() {
    fn follow(document: &Value, value: &Value) {
        match value {
            Value::Object(fields) => {
                if let Some(Value::String(place)) = fields.get("$ref") {
                    let pointer = place.strip_prefix('#').unwrap();
                    assert!(document.pointer(pointer).is_some(), "{place} leads nowhere");
                }
                fields.values().for_each(|value| follow(document, value));
            }
            Value::Array(values) => values.iter().for_each(|value| follow(document, value)),
            _ => {}
        }
    }
    let document = openapi::document();
    follow(&document, &document);
}

#[tokio::test]
async fn the_document_is_served_to_anybody() {
    let world = World::start().await;
    let answer = Request::new(world.address, "GET", "/openapi.json").send().await;
    assert_eq!((answer.status, answer.header("content-type")), (200, Some("application/json")));
    assert_eq!(answer.json(), openapi::document(), "{MEND}");
}
