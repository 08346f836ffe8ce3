//! Settling sets of reward messages.

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use forebay_domain::settlement::{Answer, Ask, Needs, settle};
use forebay_schemas::MemberId;
use forebay_store::{BalanceView, Error, Handled, RewardMessage, Rewards, RewardsSettled, Triage};
use sqlx::PgConnection;

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

    async fn member_balance(&self, member: &MemberId) -> Result<BalanceView, Error> {
        self.read_balance(member).await
    }
}
