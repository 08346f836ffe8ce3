//! A person erased everywhere.

use std::collections::{BTreeMap, BTreeSet};

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use forebay_domain::dead_letter::terms::{Kind, term};
use forebay_domain::erasure::{Redaction, pseudonym, tombstone};
use forebay_schemas::{EventType, MemberId};
use forebay_store::erasure::{LetterTexts, TEXTS, as_in, needles};
use forebay_store::{By, Erasure, Erasures, Error, NewDeadLetter};
use sqlx::{AssertSqlSafe, SqliteConnection};

use crate::error::Fault;
use crate::rows::{Reading, hex_bytes, json, micros};
use crate::store::Tools;
use crate::{SqliteStore, audit_log};

/// What stands before a member's id in the name of their account.
const MEMBER_ACCOUNT: &str = "m:";

/// Those of these ids that belong to erased members.
pub(crate) async fn among<'m>(
    conn: &mut SqliteConnection,
    ids: impl IntoIterator<Item = &'m str>,
) -> Result<BTreeSet<String>, Fault> {
    let hashes: BTreeMap<[u8; 32], &str> = ids.into_iter().map(|id| (tombstone(id), id)).collect();
    if hashes.is_empty() {
        return Ok(BTreeSet::new());
    }
    let asked: Vec<String> = hashes.keys().map(|hash| hex_bytes(hash)).collect();
    let found: Vec<Vec<u8>> = sqlx::query_scalar(
        "select e.hash from json_each(?1) n cross join erased_member e on e.hash = unhex(n.value)",
    )
    .bind(json(&asked)?)
    .fetch_all(conn)
    .await?;
    let id = |hash: Vec<u8>| hashes.get(hash.as_slice()).map(|id| (*id).to_owned());
    Ok(found.into_iter().filter_map(id).collect())
}

async fn anybody(conn: &mut SqliteConnection) -> Result<bool, Fault> {
    Ok(sqlx::query_scalar("select exists (select 1 from erased_member)").fetch_one(conn).await?)
}

/// Takes erased members out of letters that are to be archived.
pub(crate) async fn redacted(
    conn: &mut SqliteConnection,
    mut letters: Vec<NewDeadLetter>,
) -> Result<Vec<NewDeadLetter>, Fault> {
    if !anybody(conn).await? {
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

/// Counts, and erases if somebody says so.
async fn erase(
    conn: &mut SqliteConnection,
    member: &MemberId,
    by: Option<&By>,
    now: DateTime<Utc>,
    tools: &Tools,
) -> Result<Erasure, Fault> {
    let (write, redaction) = (by.is_some(), Redaction::of([member.as_str().to_owned()]));
    let mut erasure = Erasure {
        dead_letters: erase_letters(conn, member, &redaction, write).await?,
        outbox: erase_outbox(conn, member, &redaction, write).await?,
        ..Erasure::default()
    };
    for (table, key, columns) in TEXTS {
        for column in *columns {
            let named = as_in(column, member);
            let redaction = Redaction::of([named.to_string()]);
            erasure.texts += erase_texts(conn, (table, key, column), &named, &redaction, write).await?;
        }
    }
    erase_books(conn, member, write.then(|| pseudonym(tools.ids.next())), now, &mut erasure).await?;
    if let Some(by) = by {
        audit_log::note(conn, &erasure.entry(by, now)).await?;
    }
    Ok(erasure)
}

/// The books: table, column, and what stands before the id in it.
const BOOKS: [(&str, &str, &str); 6] = [
    ("attendance", "member_id", ""),
    ("claim", "member_id", ""),
    ("shop_order", "member_id", ""),
    ("ledger_entry", "account", MEMBER_ACCOUNT),
    ("points_lot", "member_id", ""),
    ("spend", "member_id", ""),
];

async fn erase_books(
    conn: &mut SqliteConnection,
    member: &MemberId,
    name: Option<String>,
    now: DateTime<Utc>,
    erasure: &mut Erasure,
) -> Result<(), Fault> {
    let mut counts = [0_i64; 6];
    for ((table, column, before), count) in BOOKS.iter().zip(&mut counts) {
        let sql = format!("select count(*) from {table} where {column} = ?");
        *count = sqlx::query_scalar(AssertSqlSafe(sql))
            .bind(format!("{before}{member}"))
            .fetch_one(&mut *conn)
            .await?;
    }
    [
        erasure.attendance,
        erasure.claims,
        erasure.orders,
        erasure.ledger_entries,
        erasure.lots,
        erasure.spends,
    ] = counts;
    let Some(name) = name else { return Ok(()) };
    sqlx::query("insert into erased_member (hash, erased_at) values (?, ?) on conflict do nothing")
        .bind(tombstone(member.as_str()).as_slice())
        .bind(micros(now))
        .execute(&mut *conn)
        .await?;
    // A parcel's number leads to whom it was sent.
    sqlx::query(
        "update claim set carrier = null, tracking_number = null where member_id = ? and carrier is not null",
    )
    .bind(member.as_str())
    .execute(&mut *conn)
    .await?;
    for (table, column, before) in BOOKS {
        let sql = format!("update {table} set {column} = ?2 where {column} = ?1");
        sqlx::query(AssertSqlSafe(sql))
            .bind(format!("{before}{member}"))
            .bind(format!("{before}{name}"))
            .execute(&mut *conn)
            .await?;
    }
    let known = sqlx::query("update member set id = ?2, blocked_reason = null where id = ?1")
        .bind(member.as_str())
        .bind(&name)
        .execute(conn)
        .await?;
    if known.rows_affected() > 0 || counts.iter().sum::<i64>() > 0 {
        erasure.pseudonym = Some(name);
    }
    Ok(())
}

async fn erase_letters(
    conn: &mut SqliteConnection,
    member: &MemberId,
    redaction: &Redaction,
    write: bool,
) -> Result<i64, Fault> {
    let [plain, quoted] = needles(member);
    let found = sqlx::query(
        "select row, message_id, source, subject, error, history, headers, body from dead_letter
         where row in (select letter from dead_letter_term where term = ?3)
            or instr(body, cast(?1 as blob)) > 0 or instr(body, cast(?2 as blob)) > 0
            or instr(coalesce(subject, ''), ?1) > 0 or instr(error, ?1) > 0
            or instr(history, ?2) > 0 or instr(headers, ?2) > 0
            -- What is pushed is packed: it has to be looked into.
            or kind = ?4",
    )
    .bind(plain)
    .bind(quoted)
    .bind(term(Kind::Member, member.as_str()))
    .bind(EventType::ParcelPushed.name())
    .fetch_all(&mut *conn)
    .await?;
    let mut erased = 0;
    for row in &found {
        let row = Reading::of("dead_letter", row);
        let texts = LetterTexts {
            message_id: row.get("message_id")?,
            source: row.get("source")?,
            subject: row.get("subject")?,
            error: row.get("error")?,
            history: row.get("history")?,
            headers: row.get("headers")?,
            body: row.get("body")?,
        };
        let Some((texts, terms, key)) = texts.redacted(redaction) else { continue };
        erased += 1;
        if write {
            rewrite_letter(conn, row.get("row")?, &texts, &terms, key).await?;
        }
    }
    Ok(erased)
}

async fn rewrite_letter(
    conn: &mut SqliteConnection,
    row: i64,
    texts: &LetterTexts,
    terms: &[i64],
    key: [u8; 32],
) -> Result<(), Fault> {
    // Two letters that differed in nothing but the member keep their keys apart.
    sqlx::query(
        "update dead_letter
         set subject = ?2, error = ?3, history = ?4, headers = ?5, body = ?6,
             key = iif(exists (select 1 from dead_letter o
                               where o.key = ?7 and o.queue = dead_letter.queue and o.row <> dead_letter.row), key, ?7)
         where row = ?1",
    )
    .bind(row)
    .bind(&texts.subject)
    .bind(&texts.error)
    .bind(&texts.history)
    .bind(&texts.headers)
    .bind(&texts.body)
    .bind(key.as_slice())
    .execute(&mut *conn)
    .await?;
    sqlx::query("delete from dead_letter_term where letter = ?").bind(row).execute(&mut *conn).await?;
    sqlx::query("insert into dead_letter_term (term, letter) select value, ?2 from json_each(?1)")
        .bind(json(&terms)?)
        .bind(row)
        .execute(conn)
        .await?;
    Ok(())
}

async fn erase_outbox(
    conn: &mut SqliteConnection,
    member: &MemberId,
    redaction: &Redaction,
    write: bool,
) -> Result<i64, Fault> {
    let [_, quoted] = needles(member);
    let found: Vec<(i64, Option<String>, Vec<u8>)> = sqlx::query_as(
        "select id, headers, body from outbox
         where instr(body, cast(?1 as blob)) > 0 or instr(coalesce(headers, ''), ?1) > 0 or kind = ?2",
    )
    .bind(quoted)
    .bind(EventType::ParcelPushed.name())
    .fetch_all(&mut *conn)
    .await?;
    let mut erased = 0;
    for (id, headers, body) in found {
        let (new_headers, new_body) =
            (headers.as_deref().and_then(|headers| redaction.json(headers)), redaction.bytes(&body));
        if new_headers.is_none() && new_body.is_none() {
            continue;
        }
        erased += 1;
        if write {
            sqlx::query("update outbox set headers = ?2, body = ?3 where id = ?1")
                .bind(id)
                .bind(new_headers.or(headers))
                .bind(new_body.unwrap_or(body))
                .execute(&mut *conn)
                .await?;
        }
    }
    Ok(erased)
}

async fn erase_texts(
    conn: &mut SqliteConnection,
    (table, key, column): (&str, &str, &str),
    member: &MemberId,
    redaction: &Redaction,
    write: bool,
) -> Result<i64, Fault> {
    let [plain, quoted] = needles(member);
    // A key is an id or a text; in hexadecimal digits it is a text either way.
    let sql = format!(
        "select hex({key}), {column} from {table} where instr({column}, ?1) > 0 or instr({column}, ?2) > 0"
    );
    let found: Vec<(String, String)> =
        sqlx::query_as(AssertSqlSafe(sql)).bind(plain).bind(quoted).fetch_all(&mut *conn).await?;
    let mut erased = 0;
    for (id, text) in found {
        let Some(redacted) = redaction.bytes(text.as_bytes()) else { continue };
        erased += 1;
        if write {
            let sql = format!("update {table} set {column} = ?2 where hex({key}) = ?1");
            let text = String::from_utf8_lossy(&redacted).into_owned();
            sqlx::query(AssertSqlSafe(sql)).bind(id).bind(text).execute(&mut *conn).await?;
        }
    }
    Ok(erased)
}

#[async_trait]
impl Erasures for SqliteStore {
    async fn traces_of(&self, member: &MemberId) -> Result<Erasure, Error> {
        let mut read = self.db.read().begin().await.map_err(Fault::from)?;
        Ok(erase(&mut read, member, None, self.clock.now(), &self.tools()).await?)
    }

    async fn erase_member(&self, member: &MemberId, by: &By, now: DateTime<Utc>) -> Result<Erasure, Error> {
        let (member, by, tools) = (member.clone(), by.clone(), self.tools());
        self.write(move |conn| Box::pin(async move { erase(conn, &member, Some(&by), now, &tools).await }))
            .await
    }
}
