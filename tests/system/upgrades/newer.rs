//! A newer release runs beside this one while it replaces it: what its messages hold besides what we know is passed
//! over.

use forebay_schemas::trail::Headers;
use forebay_schemas::{Catalogue, Event, Trail};
use serde_json::{Value, json};

use super::{releases, wired};

#[test]
fn what_a_newer_release_adds_to_a_message_is_passed_over() {
    let catalogue = Catalogue::new();
    let mut read = 0;
    for message in wired(&releases().pop().unwrap()) {
        let Ok(known) = catalogue.decode(message.body.as_bytes()) else { continue };
        let mut envelope: Value = serde_json::from_str(&message.body).unwrap();
        envelope["laterattribute"] = json!("of a later release");
        envelope["data"]["later_field"] = json!({ "of": ["a later release"] });
        let newer = catalogue.decode(envelope.to_string().as_bytes()).unwrap();
        assert_eq!(newer.payload, known.payload, "{}", message.message_id);
        read += 1;
    }
    assert!(read >= 10, "only {read} samples could be read");
}

#[test]
fn what_a_newer_release_says_of_a_messages_past_is_passed_over() {
    let known = Trail { attempts: 3, queue: Some("forebay.rewards".to_owned()), ..Trail::default() };
    let mut headers = Headers::new();
    known.write(&mut headers);
    headers.insert("forebay-later".to_owned(), "of a later release".to_owned());
    headers.insert("forebay-code".to_owned(), "a_later_code".to_owned());
    assert_eq!(Trail::read(&headers), known);
}

#[test]
fn an_event_keeps_what_it_holds_besides_what_we_know() {
    let text = r#"{"specversion":"1.0","id":"a","source":"/s","type":"t.v1","later":"x","data":{"later":1}}"#;
    let again = Event::decode(text.as_bytes()).unwrap().encode();
    let again: Value = serde_json::from_slice(&again).unwrap();
    assert_eq!((&again["later"], &again["data"]["later"]), (&json!("x"), &json!(1)));
}
