//! Every sample in `samples/valid` is taken, every one in `samples/invalid` is refused under the code that its name
//! begins with, e.g. `schema_invalid-order-paid-without-currency.json`.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::{Path, PathBuf};

use forebay_schemas::{Catalogue, Direction, EventType};

fn samples(folder: &str) -> Vec<(String, Vec<u8>)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("samples").join(folder);
    let mut paths: Vec<PathBuf> = std::fs::read_dir(folder).unwrap().map(|e| e.unwrap().path()).collect();
    paths.sort();
    assert!(!paths.is_empty());
    paths
        .into_iter()
        .map(|p| (p.file_stem().unwrap().to_string_lossy().into_owned(), std::fs::read(&p).unwrap()))
        .collect()
}

#[test]
fn every_valid_sample_is_taken_and_every_type_that_comes_in_has_one() {
    let catalogue = Catalogue::new();
    let mut seen = Vec::new();
    for (name, bytes) in samples("valid") {
        let decoded = catalogue.decode(&bytes).unwrap_or_else(|refusal| panic!("{name}: {refusal}"));
        seen.extend(decoded.event.event_type());
    }
    for kind in
        EventType::ALL.iter().filter(|k| matches!(k.direction(), Direction::Inbound | Direction::Member))
    {
        assert!(seen.contains(kind), "{kind} has no valid sample");
    }
}

#[test]
fn every_invalid_sample_is_refused_under_the_code_of_its_name() {
    let catalogue = Catalogue::new();
    for (name, bytes) in samples("invalid") {
        let refusal = catalogue.decode(&bytes).map(|_| ()).expect_err(&name);
        assert!(name.starts_with(refusal.code.as_str()), "{name} was refused as {refusal}");
        assert!(!refusal.violations.is_empty(), "{name} was refused without a reason");
    }
}

#[test]
fn a_field_that_is_not_known_is_ignored() {
    let catalogue = Catalogue::new();
    for (name, bytes) in samples("valid") {
        let text = String::from_utf8(bytes).unwrap();
        let more = text.replacen("\"data\": {", "\"data\": { \"a_later_field\": [1, {\"x\": null}],", 1);
        assert_ne!(more, text, "{name} is not spelt as the other samples");
        catalogue.decode(more.as_bytes()).unwrap_or_else(|refusal| panic!("{name}: {refusal}"));
    }
}

#[test]
fn a_fault_inside_an_optional_object_is_told_at_its_own_place() {
    let event = r#"{ "specversion": "1.0", "id": "1", "source": "/s", "type": "return.requested.v1", "data": {
        "return_id": "R", "order_id": "O", "requested_at": "2026-11-20T02:59:00Z",
        "parcel": { "carrier": "not a carrier!", "tracking_number": "" } } }"#;
    let refusal = Catalogue::new().decode(event.as_bytes()).unwrap_err();
    let places: Vec<_> = refusal.violations.iter().map(|v| v.pointer.as_str()).collect();
    assert_eq!(places, ["/data/parcel/carrier", "/data/parcel/tracking_number"], "{refusal}");
}
