//! Points, for reading.

use forebay_schemas::MemberId;
use forebay_store::{BalanceView, Error};

use crate::PostgresStore;
use crate::error::store_error;

impl PostgresStore {
    pub(crate) async fn read_balance(&self, member: &MemberId) -> Result<BalanceView, Error> {
        let row: Option<(i64, bool)> = sqlx::query_as("select balance, blocked from member where id = $1")
            .bind(member.as_str())
            .fetch_optional(&self.pool)
            .await
            .map_err(store_error)?;
        let (balance, blocked) = row.unwrap_or_default();
        Ok(BalanceView { balance, blocked })
    }
}
