//! Who waits for the outbox looks when there is something to see, however long it could wait.

use std::time::Duration;

use forebay_domain::{Clock as _, SystemClock};
use forebay_store::conformance::outbox::row;
use forebay_store::{Lifecycle as _, Outbox as _};
use tokio::time::timeout;

use crate::support;

const PATIENCE: Duration = Duration::from_secs(60);
const LONG: Duration = Duration::from_secs(3_600);

#[tokio::test]
async fn a_wait_for_the_outbox_ends_when_a_row_is_due_and_when_rows_are_given_back() {
    let file = support::File::new();
    let db = file.open().await;
    let store = support::store(&db).await;
    let due_at = SystemClock.now() + Duration::from_millis(300);
    store.outbox_add(vec![row("a", due_at)]).await.unwrap();
    let taking = async {
        loop {
            let rows = store.outbox_take(1, LONG, SystemClock.now()).await.unwrap();
            if !rows.is_empty() {
                return rows;
            }
            store.outbox_changed(LONG).await;
        }
    };
    let rows = timeout(PATIENCE, taking).await.expect("it is taken when it is due");
    assert!(SystemClock.now() >= due_at);
    let left = store.outbox_take(1, LONG, SystemClock.now()).await.unwrap();
    assert!(left.is_empty(), "it is somebody's for an hour");
    let ids = [rows[0].id];
    let giving_back =
        async { tokio::join!(store.outbox_changed(LONG), store.outbox_release(&ids, SystemClock.now())).1 };
    timeout(PATIENCE, giving_back).await.expect("who waits is told").unwrap();
    assert_eq!(store.outbox_take(1, LONG, SystemClock.now()).await.unwrap().len(), 1);
}
