//! Metrics from one closed list, health, logs, traces, and the operations port.

pub mod document;
pub mod health;
pub mod label;
pub mod list;
pub mod logs;
pub mod metrics;
pub mod operations;
pub mod traces;

pub use health::{Check, Health};
pub use logs::LogFormat;
pub use metrics::Metrics;
