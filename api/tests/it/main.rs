//! The api over real sockets, on the embedded queue and the embedded store.
#![expect(clippy::unwrap_used, reason = "a test that can't go on is a test that failed")]

mod access;
mod administration;
mod attendance;
mod carriers;
mod commands;
mod dead_letters;
mod erasure;
mod fulfilment;
#[expect(dead_code, reason = "the client is the intake's tests'; not all of it is needed here")]
#[path = "../../../producers/intake/tests/it/http.rs"]
mod http;
mod issuer_keys;
mod member_care;
mod members;
mod openapi;
mod points;
mod programmes;
mod provider;
mod reads;
mod steering;
mod stock;
mod store_down;
mod tokens;
mod tracking;
mod waiting;
mod world;
