//! Dead letters.

mod archive;
mod changes;
mod discard;
mod replay;
pub(crate) mod retire;
mod rows;
mod search;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use forebay_store::dead_letters::DeadLetterCount;
use forebay_store::{
    Archived, By, Cursor, DeadLetter, DeadLetterFilter, DeadLetterGroup, DeadLetters, Error, NewDeadLetter,
    Revived,
};
use uuid::Uuid;

use crate::SqliteStore;
use search::{Order, Search};

#[async_trait]
impl DeadLetters for SqliteStore {
    async fn archive(&self, letters: Vec<NewDeadLetter>, now: DateTime<Utc>) -> Result<Archived, Error> {
        let tools = self.tools();
        self.write_and_wake(move |conn| {
            Box::pin(async move { archive::archive(conn, letters, now, &tools).await })
        })
        .await
    }

    async fn revived(&self, revived: Vec<Revived>, now: DateTime<Utc>) -> Result<u32, Error> {
        let tools = self.tools();
        self.write_and_wake(move |conn| {
            Box::pin(async move { archive::revive(conn, &revived, now, &tools).await })
        })
        .await
    }

    async fn dead_letter_groups(&self, all: bool, limit: u32) -> Result<Vec<DeadLetterGroup>, Error> {
        self.groups(all, limit).await
    }

    async fn dead_letters(
        &self,
        filter: &DeadLetterFilter,
        after: Option<Cursor>,
        limit: u32,
    ) -> Result<Vec<DeadLetter>, Error> {
        self.list(&Search { after, ..Search::new(filter, Order::Newest, limit) }, false).await
    }

    async fn dead_letters_whole(
        &self,
        filter: &DeadLetterFilter,
        after: Option<Cursor>,
        limit: u32,
    ) -> Result<Vec<DeadLetter>, Error> {
        self.list(&Search { after, ..Search::new(filter, Order::Newest, limit) }, true).await
    }

    async fn dead_letter(&self, id: Uuid) -> Result<Option<DeadLetter>, Error> {
        let filter = DeadLetterFilter { ids: vec![id], ..DeadLetterFilter::default() };
        Ok(self.list(&Search::new(&filter, Order::Newest, 1), true).await?.pop())
    }

    async fn count_dead_letters(&self, filter: &DeadLetterFilter) -> Result<DeadLetterCount, Error> {
        self.count(filter).await
    }

    async fn discard(
        &self,
        filter: &DeadLetterFilter,
        limit: u32,
        by: &By,
        now: DateTime<Utc>,
    ) -> Result<u32, Error> {
        let (filter, by, tools) = (filter.clone(), by.clone(), self.tools());
        self.write_and_wake(move |conn| {
            Box::pin(async move { discard::discard(conn, filter, limit, &by, now, &tools).await })
        })
        .await
    }

    async fn give_back(&self, before: DateTime<Utc>, limit: u32, now: DateTime<Utc>) -> Result<u32, Error> {
        if !self.any_late(before).await? {
            return Ok(0);
        }
        let tools = self.tools();
        self.write_and_wake(move |conn| {
            Box::pin(async move { discard::give_back(conn, before, limit, now, &tools).await })
        })
        .await
    }
}
