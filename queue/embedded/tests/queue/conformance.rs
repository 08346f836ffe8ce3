//! The suite of the queue contract.

use std::sync::Arc;

use forebay_queue::Broker;
use forebay_queue::conformance::Harness;
use tempfile::TempDir;

struct File(TempDir);

#[async_trait::async_trait]
impl Harness for File {
    async fn broker(&self) -> Arc<dyn Broker> {
        crate::support::broker(&self.0).await
    }
}

forebay_queue::conformance_tests!(File(tempfile::tempdir().unwrap()));
