//! Settling sets of reward messages, and reading what came of them.

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use forebay_domain::settlement::{Answer, Ask, settle};
use forebay_schemas::MemberId;
use forebay_store::{BalanceView, Error, Handled, Identity, RewardMessage, Rewards, RewardsSettled, Triage};
use sqlx::SqliteConnection;

use crate::error::Fault;
use crate::rows::Reading;
use crate::store::Tools;
use crate::{SqliteStore, inbox, incidents, rewards_load, rewards_write};

async fn settle_set(
    conn: &mut SqliteConnection,
    messages: &[RewardMessage],
    now: DateTime<Utc>,
    tools: &Tools,
) -> Result<RewardsSettled, Fault> {
    let identities: Vec<&Identity> = messages.iter().map(|m| &m.identity).collect();
    let mut triaged = inbox::sorted(conn, &identities).await?;
    forebay_store::inbox::pass_redacted(&mut triaged, messages);
    let mut answers = vec![None; messages.len()];
    let fresh: Vec<usize> = (0..messages.len()).filter(|index| triaged[*index] == Triage::New).collect();
    if !fresh.is_empty() {
        let new: Vec<&RewardMessage> = fresh.iter().map(|index| &messages[*index]).collect();
        let asks: Vec<Ask> = new.iter().map(|m| m.ask.clone()).collect();
        let mut books = rewards_load::load(conn, &asks).await?;
        let mut settled = settle(&mut books, &asks, now, tools.ids.as_ref());
        rewards_write::write(conn, &settled, &books, &new, now).await?;
        incidents::raise(conn, std::mem::take(&mut settled.incidents), now, tools).await?;
        for (answer, index) in settled.answers.into_iter().zip(&fresh) {
            answers[*index] = Some(answer);
        }
    }
    let mut done = Vec::with_capacity(fresh.len());
    let handled = inbox::handled(&identities, &triaged, |index| {
        if answers[index] == Some(Answer::NotYetKnown) {
            return Handled::NotYetKnown;
        }
        done.push(identities[index]);
        Handled::Done
    });
    inbox::write(conn, &done, now).await?;
    Ok(RewardsSettled { handled, answers })
}

#[async_trait]
impl Rewards for SqliteStore {
    async fn settle_rewards(
        &self,
        messages: Vec<RewardMessage>,
        now: DateTime<Utc>,
    ) -> Result<RewardsSettled, Error> {
        let tools = self.tools();
        self.write_and_wake(move |conn| {
            Box::pin(async move { settle_set(conn, &messages, now, &tools).await })
        })
        .await
    }

    async fn member_balance(&self, member: &MemberId) -> Result<BalanceView, Error> {
        let row = sqlx::query("select balance, blocked from member where id = ?")
            .bind(member.as_str())
            .fetch_optional(self.db.read())
            .await
            .map_err(Fault::from)?;
        let Some(row) = &row else { return Ok(BalanceView { balance: 0, blocked: false }) };
        let row = Reading::of("member", row);
        Ok(BalanceView { balance: row.get("balance")?, blocked: row.get("blocked")? })
    }
}
