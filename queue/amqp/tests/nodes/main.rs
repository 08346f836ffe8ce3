//! What only brokers show that are stopped, killed, or out of memory or disk. One test at a time: most of them take
//! the processor for a broker that starts, and the others change what holds for the whole broker.

mod alarms;
mod cluster;
mod own_broker;
mod restarts;
#[path = "../support/mod.rs"]
mod support;
mod timeout;
mod traffic;

use tokio::sync::{Mutex, MutexGuard};

/// To be held by a test for as long as it runs.
async fn alone() -> MutexGuard<'static, ()> {
    static TURN: Mutex<()> = Mutex::const_new(());
    TURN.lock().await
}
