//! Metrics from one closed list, health, logs, and the operations port that serves them.

pub mod document;
pub mod health;
pub mod label;
pub mod list;
pub mod logs;
pub mod metrics;
pub mod operations;

pub use health::{Check, Health};
pub use logs::LogFormat;
pub use metrics::Metrics;
