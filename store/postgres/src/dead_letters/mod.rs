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

use crate::PostgresStore;
use crate::attempt::Tries;
use search::{Order, Search};

#[async_trait]
impl DeadLetters for PostgresStore {
    async fn archive(&self, letters: Vec<NewDeadLetter>, now: DateTime<Utc>) -> Result<Archived, Error> {
        let mut tries = Tries::default();
        loop {
            let mut tx = self.begin().await?;
            let done = self.archive_once(&mut tx, &letters, now).await;
            if let Some(archived) = tries.end(tx, done, self.ids.as_ref()).await? {
                return Ok(archived);
            }
        }
    }

    async fn revived(&self, revived: Vec<Revived>, now: DateTime<Utc>) -> Result<u32, Error> {
        let mut tries = Tries::default();
        loop {
            let mut tx = self.begin().await?;
            let done = self.revive_once(&mut tx, &revived, now).await;
            if let Some(resolved) = tries.end(tx, done, self.ids.as_ref()).await? {
                return Ok(resolved);
            }
        }
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
        let mut tries = Tries::default();
        loop {
            let mut tx = self.begin().await?;
            let done = self.discard_once(&mut tx, filter, limit, by, now).await;
            if let Some(discarded) = tries.end(tx, done, self.ids.as_ref()).await? {
                return Ok(discarded);
            }
        }
    }

    async fn give_back(&self, before: DateTime<Utc>, limit: u32, now: DateTime<Utc>) -> Result<u32, Error> {
        let mut tries = Tries::default();
        loop {
            let mut tx = self.begin().await?;
            let done = self.give_back_once(&mut tx, before, limit, now).await;
            if let Some(given) = tries.end(tx, done, self.ids.as_ref()).await? {
                return Ok(given);
            }
        }
    }
}
