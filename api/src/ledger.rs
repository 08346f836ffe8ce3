//! The ledger: a transaction taken back, the books looked over and mended.

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use forebay_domain::settlement::Reversed;
use forebay_intake::{Kind, Problem};
use forebay_store::{BOOKS_DIFFER, BooksCheck, By, Error, Reversal};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tokio::time::timeout;
use uuid::Uuid;

use crate::api::Api;
use crate::callers::{Admin, EventManager, Reports};
use crate::extract::{COMMAND_BYTES, Named, Sent};
use crate::failure::{not_found, problem};
use crate::rules::{Reason, need_reason};

/// How long the store may take: it reads the whole ledger.
const STORE_DEADLINE: Duration = Duration::from_secs(120);
/// What is said of a mending that takes longer: it is not cut, only the answer is.
const MENDS_ON: &str =
    "The store has not answered yet, and mends on; the audit log and another check tell when it is done.";

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Why {
    #[serde(default)]
    #[schemars(!default, with = "Reason")]
    reason: String,
}

/// A transaction that was taken back.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct TakenBack {
    txn_id: Uuid,
    reverses: Uuid,
    delta: i64,
    balance_after: i64,
    /// What could not be taken, because the member had spent it.
    shortfall: i64,
}

/// What was found in the books.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Found {
    differences: i64,
    found: BooksCheck,
}

pub(crate) async fn reverse(
    State(api): State<Arc<Api>>,
    manager: EventManager,
    Named(txn): Named<Uuid>,
    Sent(ask): Sent<Why, COMMAND_BYTES>,
) -> Result<Json<TakenBack>, Problem> {
    need_reason(&ask.reason)?;
    let by = By { id: api.new_id(), actor: manager.key_id, reason: ask.reason };
    let refused = |why: &str| Err(Problem::new(Kind::Conflict, format!("{why}; nothing was done.")));
    match api.ask(api.store.reverse_txn(txn, &by, api.clock.now())).await? {
        Reversal::Done(Reversed { txn_id: Some(txn_id), delta, balance_after, shortfall, .. }) => {
            Ok(Json(TakenBack { txn_id, reverses: txn, delta, balance_after, shortfall }))
        }
        Reversal::Done(Reversed { shortfall: 0, .. }) => {
            refused("All that it granted has ended or was taken back already")
        }
        Reversal::Done(_) => refused("The member has spent all that it granted"),
        Reversal::Before(by) => refused(&format!("It was taken back before, by transaction {by}")),
        Reversal::OfReversal => refused("It takes another one back itself; correct the points instead"),
        Reversal::OfClaim => refused("A claim granted the points; take the claim back instead"),
        Reversal::NotThere => Err(not_found("transaction")),
    }
}

/// Looks over the books as the nightly check does, with the incident that follows.
pub(crate) async fn check(State(api): State<Arc<Api>>, _: Reports) -> Result<Json<Found>, Problem> {
    api.told(api.store.check_books(), "The store has not answered yet; the nightly check has more time.")
        .await
}

/// Sets what follows from the ledger to what the ledger says.
pub(crate) async fn mend(
    State(api): State<Arc<Api>>,
    admin: Admin,
    Sent(ask): Sent<Why, COMMAND_BYTES>,
) -> Result<Json<Found>, Problem> {
    need_reason(&ask.reason)?;
    let by = By { id: api.new_id(), actor: admin.key_id, reason: ask.reason };
    api.told(api.store.mend_books(&by, api.clock.now()), MENDS_ON).await
}

impl Api {
    /// What was found in the books, with the incident that follows.
    async fn told(
        &self,
        found: impl Future<Output = Result<BooksCheck, Error>>,
        late: &'static str,
    ) -> Result<Json<Found>, Problem> {
        let Ok(_permit) = Arc::clone(&self.exports).try_acquire_owned() else {
            let detail = "Too many exports and checks are under way; try again.";
            return Err(Problem::new(Kind::ReducedCapacity, detail));
        };
        let found = match timeout(STORE_DEADLINE, found).await {
            Ok(found) => found.map_err(|error| problem(&error))?,
            Err(_) => return Err(Problem::new(Kind::ReducedCapacity, late)),
        };
        let now = self.clock.now();
        match found.incident() {
            Some(raise) => self.ask(self.store.raise(vec![raise], now)).await?,
            None => self.ask(self.store.resolve(&[BOOKS_DIFFER.to_owned()], now)).await?,
        }
        Ok(Json(Found { differences: found.differences(), found }))
    }
}
