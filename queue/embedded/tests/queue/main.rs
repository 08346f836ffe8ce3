//! The embedded queue: the rules of the contract, what it promises beyond them, and its model.

mod conformance;
mod holding;
mod model;
mod support;
