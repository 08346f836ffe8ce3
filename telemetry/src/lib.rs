//! Metrics from one closed list, health, and logs.
