//! A person erased everywhere.

use std::collections::{BTreeMap, BTreeSet};

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use forebay_domain::dead_letter::terms::{Kind, term};
use forebay_domain::erasure::{Redaction, pseudonym, tombstone};
use forebay_schemas::{EventType, MemberId};
use forebay_store::erasure::{LetterTexts, TEXTS, as_in, needles};
use forebay_store::{By, Erasure, Erasures, Error, NewDeadLetter};
use sqlx::{AssertSqlSafe, PgConnection};
use uuid::Uuid;

use crate::attempt::Tries;
use crate::error::Stop;
use crate::rewards_write::MEMBER_ACCOUNT;
use crate::{PostgresStore, audit_log};

/// Who archives holds this lock with others, who erases alone: a letter is either seen by the erasure or archived with
/// the knowledge of it.
const ARCHIVE_LOCK: i64 = 0x666f_7265_6261_7901;
/// How long one statement of an erasure may take: it reads every dead letter.
const STATEMENT_TIMEOUT: &str = "set local statement_timeout = '10min'";

/// A letter's columns that may name a member.
type Texts = (Uuid, String, Option<String>, Option<String>, String, String, String, Vec<u8>);

/// Those of these ids that belong to erased members.
pub(crate) async fn among<'m>(
    conn: &mut PgConnection,
    ids: impl IntoIterator<Item = &'m str>,
) -> Result<BTreeSet<String>, Stop> {
    let hashes: BTreeMap<[u8; 32], &str> = ids.into_iter().map(|id| (tombstone(id), id)).collect();
    if hashes.is_empty() {
        return Ok(BTreeSet::new());
    }
    let found: Vec<Vec<u8>> = sqlx::query_scalar("select hash from erased_member where hash = any($1)")
        .bind(hashes.keys().map(|hash| hash.as_slice()).collect::<Vec<_>>())
        .fetch_all(conn)
        .await?;
    let id = |hash: Vec<u8>| hashes.get(hash.as_slice()).map(|id| (*id).to_owned());
    Ok(found.into_iter().filter_map(id).collect())
}

/// Takes erased members out of letters that are to be archived in this transaction.
pub(crate) async fn redacted(
    conn: &mut PgConnection,
    letters: &[NewDeadLetter],
) -> Result<Vec<NewDeadLetter>, Stop> {
    sqlx::query("select pg_advisory_xact_lock_shared($1)").bind(ARCHIVE_LOCK).execute(&mut *conn).await?;
    let any: bool =
        sqlx::query_scalar("select exists (select from erased_member)").fetch_one(&mut *conn).await?;
    let mut letters = letters.to_vec();
    if !any {
        return Ok(letters);
    }
    let named: Vec<BTreeSet<String>> = letters.iter().map(NewDeadLetter::may_name).collect();
    let erased = among(conn, named.iter().flatten().map(String::as_str)).await?;
    for (letter, named) in letters.iter_mut().zip(&named) {
        let erased: Vec<String> = named.intersection(&erased).cloned().collect();
        if !erased.is_empty() {
            *letter = letter.clone().redacted(&Redaction::of(erased));
        }
    }
    Ok(letters)
}

impl PostgresStore {
    /// Locks are taken as everywhere: letters, orders, the member, texts.
    async fn erase_once(
        &self,
        conn: &mut PgConnection,
        member: &MemberId,
        by: &By,
        now: DateTime<Utc>,
    ) -> Result<Erasure, Stop> {
        sqlx::query(STATEMENT_TIMEOUT).execute(&mut *conn).await?;
        sqlx::query("select pg_advisory_xact_lock($1)").bind(ARCHIVE_LOCK).execute(&mut *conn).await?;
        let redaction = Redaction::of([member.as_str().to_owned()]);
        let mut erasure =
            Erasure { dead_letters: erase_letters(conn, member, &redaction).await?, ..Erasure::default() };
        self.erase_books(conn, member, now, &mut erasure).await?;
        erasure.outbox = erase_outbox(conn, member, &redaction).await?;
        for (table, key, columns) in TEXTS {
            for column in *columns {
                let named = as_in(column, member);
                let redaction = Redaction::of([named.to_string()]);
                erasure.texts += erase_texts(conn, (table, key, column), &named, &redaction).await?;
            }
        }
        audit_log::note(conn, &erasure.entry(by, now)).await?;
        Ok(erasure)
    }

    async fn erase_books(
        &self,
        conn: &mut PgConnection,
        member: &MemberId,
        now: DateTime<Utc>,
        erasure: &mut Erasure,
    ) -> Result<(), Stop> {
        let (id, name) = (member.as_str(), pseudonym(self.ids.next()));
        sqlx::query("select from shop_order where member_id = $1 order by id for update")
            .bind(id)
            .execute(&mut *conn)
            .await?;
        // Whoever settles something of the member waits here, and knows of the erasure after it.
        sqlx::query("insert into member (id) values ($1) on conflict do nothing")
            .bind(id)
            .execute(&mut *conn)
            .await?;
        let (balance, blocked): (i64, bool) =
            sqlx::query_as("select balance, blocked from member where id = $1 for update")
                .bind(id)
                .fetch_one(&mut *conn)
                .await?;
        sqlx::query("insert into erased_member (hash, erased_at) values ($1, $2) on conflict do nothing")
            .bind(tombstone(id).as_slice())
            .bind(now)
            .execute(&mut *conn)
            .await?;
        let [old, new] = [id, name.as_str()].map(|id| format!("{MEMBER_ACCOUNT}{id}"));
        let days = "update attendance set member_id = $2 where member_id = $1";
        erasure.attendance = rename(conn, days, id, &name).await?;
        // A parcel's number leads to whom it was sent.
        let claims =
            "update claim set member_id = $2, carrier = null, tracking_number = null where member_id = $1";
        erasure.claims = rename(conn, claims, id, &name).await?;
        let orders = "update shop_order set member_id = $2 where member_id = $1";
        erasure.orders = rename(conn, orders, id, &name).await?;
        let entries = "update ledger_entry set account = $2 where account = $1";
        erasure.ledger_entries = rename(conn, entries, &old, &new).await?;
        let lots = "update points_lot set member_id = $2 where member_id = $1";
        erasure.lots = rename(conn, lots, id, &name).await?;
        let spends = "update spend set member_id = $2 where member_id = $1";
        erasure.spends = rename(conn, spends, id, &name).await?;
        let booked = erasure.attendance
            + erasure.claims
            + erasure.orders
            + erasure.ledger_entries
            + erasure.lots
            + erasure.spends;
        if booked == 0 && balance == 0 && !blocked {
            sqlx::query("delete from member where id = $1").bind(id).execute(conn).await?;
        } else {
            rename(conn, "update member set id = $2, blocked_reason = null where id = $1", id, &name).await?;
            erasure.pseudonym = Some(name);
        }
        Ok(())
    }
}

async fn rename(conn: &mut PgConnection, sql: &'static str, from: &str, to: &str) -> Result<i64, Stop> {
    let done = sqlx::query(sql).bind(from).bind(to).execute(conn).await?;
    Ok(i64::try_from(done.rows_affected()).unwrap_or(i64::MAX))
}

async fn letters_of(conn: &mut PgConnection, member: &MemberId) -> Result<Vec<Texts>, Stop> {
    let [plain, quoted] = needles(member);
    let found = sqlx::query_as(
        "select id, message_id, source, subject, error, history, headers, body from dead_letter
         where terms @> array[$3::int8] or position(convert_to($1, 'UTF8') in body) > 0
            or position(convert_to($2, 'UTF8') in body) > 0
            or position($1 in coalesce(subject, '')) > 0 or position($1 in error) > 0
            or position($2 in history) > 0 or position($2 in headers) > 0
            -- What is pushed is packed: it has to be looked into.
            or kind = $4
         order by id for update",
    )
    .bind(plain)
    .bind(quoted)
    .bind(term(Kind::Member, member.as_str()))
    .bind(EventType::ParcelPushed.name())
    .fetch_all(conn)
    .await?;
    Ok(found)
}

async fn erase_letters(
    conn: &mut PgConnection,
    member: &MemberId,
    redaction: &Redaction,
) -> Result<i64, Stop> {
    let mut erased = 0;
    for (id, message_id, source, subject, error, history, headers, body) in letters_of(conn, member).await? {
        let texts = LetterTexts { message_id, source, subject, error, history, headers, body };
        let Some((texts, terms, key)) = texts.redacted(redaction) else { continue };
        // Two letters that differed in nothing but the member keep their keys apart.
        sqlx::query(
            "update dead_letter l
             set subject = $2, error = $3, history = $4, headers = $5, body = $6, terms = $7,
                 key = case when exists (select from dead_letter o where o.key = $8 and o.queue = l.queue and o.id <> l.id)
                            then l.key else $8 end
             where l.id = $1",
        )
        .bind(id)
        .bind(&texts.subject)
        .bind(&texts.error)
        .bind(&texts.history)
        .bind(&texts.headers)
        .bind(&texts.body)
        .bind(&terms)
        .bind(key.as_slice())
        .execute(&mut *conn)
        .await?;
        erased += 1;
    }
    Ok(erased)
}

async fn outbox_of(
    conn: &mut PgConnection,
    member: &MemberId,
) -> Result<Vec<(i64, Option<String>, Vec<u8>)>, Stop> {
    let [_, quoted] = needles(member);
    let found = sqlx::query_as(
        "select id, headers, body from outbox
         where position(convert_to($1, 'UTF8') in body) > 0 or position($1 in coalesce(headers, '')) > 0 or kind = $2
         order by id for update",
    )
    .bind(quoted)
    .bind(EventType::ParcelPushed.name())
    .fetch_all(conn)
    .await?;
    Ok(found)
}

async fn erase_outbox(
    conn: &mut PgConnection,
    member: &MemberId,
    redaction: &Redaction,
) -> Result<i64, Stop> {
    let mut erased = 0;
    for (id, headers, body) in outbox_of(conn, member).await? {
        let (new_headers, new_body) =
            (headers.as_deref().and_then(|headers| redaction.json(headers)), redaction.bytes(&body));
        if new_headers.is_none() && new_body.is_none() {
            continue;
        }
        sqlx::query("update outbox set headers = $2, body = $3 where id = $1")
            .bind(id)
            .bind(new_headers.or(headers))
            .bind(new_body.unwrap_or(body))
            .execute(&mut *conn)
            .await?;
        erased += 1;
    }
    Ok(erased)
}

/// The rows of a table whose column names the member, by their keys.
async fn texts_of(
    conn: &mut PgConnection,
    (table, key, column): (&str, &str, &str),
    member: &MemberId,
) -> Result<Vec<(String, String)>, Stop> {
    let [plain, quoted] = needles(member);
    let sql = format!(
        "select {key}::text, {column} from {table}
         where position($1 in {column}) > 0 or position($2 in {column}) > 0 order by 1 for update"
    );
    let found = sqlx::query_as(AssertSqlSafe(sql)).bind(plain).bind(quoted).fetch_all(conn).await?;
    Ok(found)
}

async fn erase_texts(
    conn: &mut PgConnection,
    place: (&str, &str, &str),
    member: &MemberId,
    redaction: &Redaction,
) -> Result<i64, Stop> {
    let (table, key, column) = place;
    let mut erased = 0;
    for (id, text) in texts_of(conn, place, member).await? {
        let Some(redacted) = redaction.bytes(text.as_bytes()) else { continue };
        let sql = format!("update {table} set {column} = $2 where {key}::text = $1");
        let text = String::from_utf8_lossy(&redacted).into_owned();
        sqlx::query(AssertSqlSafe(sql)).bind(id).bind(text).execute(&mut *conn).await?;
        erased += 1;
    }
    Ok(erased)
}

#[async_trait]
impl Erasures for PostgresStore {
    async fn traces_of(&self, member: &MemberId) -> Result<Erasure, Error> {
        // What would be found is what is found; it is not kept.
        let mut tx = self.begin().await?;
        let by = By { id: self.ids.next(), actor: String::new(), reason: String::new() };
        let found = self.erase_once(&mut tx, member, &by, self.clock.now()).await;
        if let Err(error) = tx.rollback().await {
            tracing::debug!(%error, "rollback");
        }
        match found {
            Ok(erasure) => Ok(Erasure { pseudonym: None, ..erasure }),
            Err(Stop::Conflict(error) | Stop::Failed(error)) => Err(error),
        }
    }

    async fn erase_member(&self, member: &MemberId, by: &By, now: DateTime<Utc>) -> Result<Erasure, Error> {
        let mut tries = Tries::default();
        loop {
            let mut tx = self.begin().await?;
            let done = self.erase_once(&mut tx, member, by, now).await;
            if let Some(erasure) = tries.end(tx, done, self.ids.as_ref()).await? {
                return Ok(erasure);
            }
        }
    }
}
