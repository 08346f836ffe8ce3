//! Settling sets of reward messages.

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use forebay_domain::programme::Programme;
use forebay_domain::settlement::{Answer, Ask, Needs, settle};
use forebay_domain::stock::Stock;
use forebay_schemas::{MemberId, ProgrammeId};
use forebay_store::{
    BalanceView, ClaimView, Error, Handled, MemberDays, RewardMessage, Rewards, RewardsSettled, Triage,
};
use sqlx::PgConnection;
use uuid::Uuid;

use crate::attempt::Tries;
use crate::error::Stop;
use crate::{PostgresStore, inbox, incidents, rewards_load, rewards_write};

impl PostgresStore {
    async fn settle_once(
        &self,
        conn: &mut PgConnection,
        messages: &[RewardMessage],
        now: DateTime<Utc>,
    ) -> Result<RewardsSettled, Stop> {
        let identities: Vec<_> = messages.iter().map(|m| &m.identity).collect();
        let mut triaged = inbox::sorted(conn, &identities).await?;
        forebay_store::inbox::pass_redacted(&mut triaged, messages);
        let fresh: Vec<usize> =
            triaged.iter().enumerate().filter(|(_, t)| **t == Triage::New).map(|(i, _)| i).collect();
        let mut answers = vec![None; messages.len()];
        if fresh.is_empty() {
            return Ok(RewardsSettled { handled: inbox::handled(&identities, &triaged, []), answers });
        }
        let new: Vec<&RewardMessage> = fresh.iter().map(|i| &messages[*i]).collect();
        let asks: Vec<Ask> = new.iter().map(|m| m.ask.clone()).collect();
        let mut books = rewards_load::load(conn, &Needs::of(&asks)).await?;
        let settled = settle(&mut books, &asks, now, self.ids.as_ref());
        rewards_write::write(conn, &settled, &books, &new, now).await?;
        let unknown = |answer: &Answer| *answer == Answer::NotYetKnown;
        let done = new.iter().zip(&settled.answers).filter(|(_, answer)| !unknown(answer));
        inbox::write(conn, &done.map(|(message, _)| &message.identity).collect::<Vec<_>>(), now).await?;
        incidents::raise(conn, settled.incidents, now, self).await?;
        let outcomes =
            settled.answers.iter().map(|a| if unknown(a) { Handled::NotYetKnown } else { Handled::Done });
        let handled = inbox::handled(&identities, &triaged, outcomes);
        for (answer, index) in settled.answers.into_iter().zip(&fresh) {
            answers[*index] = Some(answer);
        }
        Ok(RewardsSettled { handled, answers })
    }
}

#[async_trait]
impl Rewards for PostgresStore {
    async fn settle_rewards(
        &self,
        messages: Vec<RewardMessage>,
        now: DateTime<Utc>,
    ) -> Result<RewardsSettled, Error> {
        let mut tries = Tries::default();
        loop {
            let mut tx = self.begin().await?;
            let done = self.settle_once(&mut tx, &messages, now).await;
            if let Some(settled) = tries.end(tx, done, self.ids.as_ref()).await? {
                return Ok(settled);
            }
        }
    }

    async fn put_programme(&self, programme: &Programme, now: DateTime<Utc>) -> Result<(), Error> {
        self.write_programme(programme, now).await
    }

    async fn programmes(&self) -> Result<Vec<Programme>, Error> {
        self.read_programmes().await
    }

    async fn member_days(&self, programme: &ProgrammeId, member: &MemberId) -> Result<MemberDays, Error> {
        self.read_days(programme, member).await
    }

    async fn member_balance(&self, member: &MemberId) -> Result<BalanceView, Error> {
        self.read_balance(member).await
    }

    async fn member_claims(&self, member: &MemberId, limit: u32) -> Result<Vec<ClaimView>, Error> {
        self.read_claims_of(member, limit).await
    }

    async fn claim(&self, id: Uuid) -> Result<Option<ClaimView>, Error> {
        self.read_claim(id).await
    }

    async fn low_stock(&self) -> Result<Vec<Stock>, Error> {
        self.read_low_stock().await
    }
}
