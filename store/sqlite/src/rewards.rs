//! Settling sets of reward messages, and reading what came of them.

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use forebay_domain::programme::Programme;
use forebay_domain::settlement::{Answer, Ask, settle};
use forebay_domain::stock::Stock;
use forebay_schemas::{MemberId, ProgrammeId};
use forebay_store::{
    BalanceView, ClaimView, Error, Handled, Identity, MemberDays, RewardMessage, Rewards, RewardsSettled,
    Triage,
};
use sqlx::SqliteConnection;
use sqlx::sqlite::SqliteRow;
use uuid::Uuid;

use crate::error::Fault;
use crate::rows::{Reading, page};
use crate::store::Tools;
use crate::{SqliteStore, inbox, incidents, programmes, rewards_load, rewards_write};

/// Most days that are answered for one member in one programme.
const DAYS_MAX: i64 = 400;

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

    async fn put_programme(&self, programme: &Programme, now: DateTime<Utc>) -> Result<(), Error> {
        let programme = programme.clone();
        self.write(move |conn| Box::pin(async move { programmes::write(conn, &programme, now).await })).await
    }

    async fn programmes(&self) -> Result<Vec<Programme>, Error> {
        let mut read = self.db.read().begin().await.map_err(Fault::from)?;
        Ok(programmes::all(&mut read).await?.into_values().collect())
    }

    async fn member_days(&self, programme: &ProgrammeId, member: &MemberId) -> Result<MemberDays, Error> {
        let rows = sqlx::query(
            "select on_date from attendance where programme_id = ? and member_id = ? order by on_date limit ?",
        )
        .bind(programme.as_str())
        .bind(member.as_str())
        .bind(DAYS_MAX)
        .fetch_all(self.db.read())
        .await
        .map_err(Fault::from)?;
        let days = rows.iter().map(|row| Reading::of("attendance", row).date("on_date"));
        Ok(MemberDays { days: days.collect::<Result<_, _>>()? })
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

    async fn member_claims(&self, member: &MemberId, limit: u32) -> Result<Vec<ClaimView>, Error> {
        let rows =
            sqlx::query("select * from claim where member_id = ? order by settled_at desc, id desc limit ?")
                .bind(member.as_str())
                .bind(page(limit))
                .fetch_all(self.db.read())
                .await
                .map_err(Fault::from)?;
        Ok(rows.iter().map(view).collect::<Result<_, _>>()?)
    }

    async fn claim(&self, id: Uuid) -> Result<Option<ClaimView>, Error> {
        let row = sqlx::query("select * from claim where id = ?")
            .bind(id)
            .fetch_optional(self.db.read())
            .await
            .map_err(Fault::from)?;
        Ok(row.as_ref().map(view).transpose()?)
    }

    async fn low_stock(&self) -> Result<Vec<Stock>, Error> {
        let rows = sqlx::query(
            "select s.*, r.name from stock s join reward r on r.id = s.reward_id
             where s.total - s.reserved - s.issued <= s.low_at order by s.reward_id",
        )
        .fetch_all(self.db.read())
        .await
        .map_err(Fault::from)?;
        Ok(rows.iter().map(rewards_load::stock).collect::<Result<_, _>>()?)
    }
}

fn view(row: &SqliteRow) -> Result<ClaimView, Fault> {
    let row = Reading::of("claim", row);
    Ok(ClaimView {
        claim_id: row.get("id")?,
        programme_id: row.get("programme_id")?,
        rule_id: row.get("rule_id")?,
        reward_id: row.get("reward_id")?,
        member_id: row.get("member_id")?,
        state: row.get("state")?,
        reject_code: row.get("reject_code")?,
        days_seen: row.get("days_seen")?,
        accepted_at: row.instant("accepted_at")?,
        settled_at: row.instant("settled_at")?,
    })
}
