//! The queue on a real RabbitMQ that all tests share, each on a vhost of its own.

mod conformance;
mod faults;
mod forgetful;
mod proxy;
mod settling;
mod supply;
#[path = "../support/mod.rs"]
mod support;
mod users;
