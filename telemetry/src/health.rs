//! Health: is the process alive, and can each of its roles do its work.

use std::sync::{Arc, Mutex, PoisonError};

use serde::Serialize;

/// One thing that a role needs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Check {
    /// What, e.g. `store`, `queue`, `consumer forebay.rewards`.
    pub name: String,
    /// The role can do its work.
    pub ok: bool,
    /// In words, when it is not as it should be: what is wrong and how to mend it.
    pub detail: String,
}

impl Check {
    /// A check that passed.
    pub fn ok(name: impl Into<String>) -> Self {
        Self { name: name.into(), ok: true, detail: String::new() }
    }

    /// A check that failed.
    pub fn failed(name: impl Into<String>, detail: impl Into<String>) -> Self {
        Self { name: name.into(), ok: false, detail: detail.into() }
    }

    /// A check that failed while something else stands in for what it looks at.
    pub fn covered(name: impl Into<String>, detail: impl Into<String>) -> Self {
        Self { name: name.into(), ok: true, detail: detail.into() }
    }
}

#[derive(Debug, Default)]
struct State {
    ready: Vec<Check>,
    live: Vec<Check>,
    stopping: bool,
}

/// What the roles of one process report about themselves. Cheap to clone; all clones share one state.
#[derive(Debug, Clone, Default)]
pub struct Health(Arc<Mutex<State>>);

impl Health {
    /// Reports one need of readiness; a later report of the same name replaces it.
    pub fn ready(&self, check: Check) {
        put(&mut self.lock().ready, check);
    }

    /// Reports one sign of life; only what a restart would mend belongs here (a stalled consumer).
    pub fn live(&self, check: Check) {
        put(&mut self.lock().live, check);
    }

    /// The process has been told to stop: not ready from now on.
    pub fn stopping(&self) {
        self.lock().stopping = true;
    }

    /// The readiness checks; ready when all passed and there is at least one.
    #[must_use]
    pub fn readiness(&self) -> Vec<Check> {
        let state = self.lock();
        let mut checks = state.ready.clone();
        if state.stopping {
            checks.push(Check::failed("process", "is stopping"));
        } else if checks.is_empty() {
            checks.push(Check::failed("process", "is starting"));
        }
        checks
    }

    /// The liveness checks; alive when all passed.
    #[must_use]
    pub fn liveness(&self) -> Vec<Check> {
        self.lock().live.clone()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn put(checks: &mut Vec<Check>, check: Check) {
    match checks.iter_mut().find(|c| c.name == check.name) {
        Some(kept) => *kept = check,
        None => checks.push(check),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_is_ready_when_all_its_roles_are_and_never_while_it_stops() {
        let health = Health::default();
        assert!(health.readiness().iter().any(|c| !c.ok), "nothing reported yet");
        health.ready(Check::failed("store", "down"));
        health.ready(Check::ok("store"));
        assert!(health.readiness().iter().all(|c| c.ok));
        health.stopping();
        assert!(health.readiness().iter().any(|c| !c.ok));
    }
}
