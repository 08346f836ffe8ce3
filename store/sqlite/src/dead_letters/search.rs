//! Finding dead letters among very many: a search begins where the fewest are, at their terms, at their groups or at
//! the newest, and reads no more of an index than a page needs.
//!
//! A `+` before a column keeps its index out of the choice: the condition is only looked at.
//!
//! Words with a number among them ("status 410") could begin at the number's term or at the groups with such words. A
//! number that is in very many letters fills a page from the first letters of those groups ([`Search::windows`]); for
//! one that is not there, its term leads to the few that hold it.

use forebay_store::dead_letters::{COUNT_MAX, DeadLetterCount, Needles, Status};
use forebay_store::{Cursor, DeadLetter, DeadLetterFilter, DeadLetterGroup, Error};
use sqlx::sqlite::SqliteRow;
use sqlx::{QueryBuilder, Sqlite};
use uuid::Uuid;

use super::rows;
use crate::SqliteStore;
use crate::error::Fault;
use crate::rows::{Reading, hex, json, micros, page};

/// In which order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Order {
    /// The last death first.
    Newest,
    /// The last death last.
    Oldest,
}

impl Order {
    fn by(self, alias: &str) -> String {
        let way = if self == Self::Newest { "desc" } else { "asc" };
        format!(" order by {alias}dead_at {way}, {alias}id {way}")
    }
}

/// A search.
#[derive(Debug, Clone)]
pub(super) struct Search<'f> {
    pub(super) filter: &'f DeadLetterFilter,
    pub(super) order: Order,
    /// Only what comes behind this place.
    pub(super) after: Option<Cursor>,
    /// Only letters that this replay has not touched.
    pub(super) untouched_by: Option<Uuid>,
    pub(super) limit: i64,
    /// The rows that the windows held, when those are all that counts.
    pub(super) seen: Option<Vec<i64>>,
}

/// How many letters of each group are looked through for a number before its term is asked.
const WINDOW: i64 = 2_000;

type Query = QueryBuilder<Sqlite>;

/// The letters of groups that have any in the status.
const OF_ITS_GROUP: &str = ") s cross join dead_letter l where case s.value when 'open' then g.open \
     when 'replaying' then g.replaying when 'resolved' then g.resolved else g.discarded end > 0";
/// Of those the first of each group.
const FIRST_OF_ITS_GROUP: &str = " and l.row in (select k.row from dead_letter k where k.fingerprint = g.fingerprint \
     and k.status = s.value";

enum Needle<'n> {
    Ids,
    Message,
    EachTerm(&'n [i64]),
    AnyTerm(&'n [i64]),
}

impl<'f> Search<'f> {
    pub(super) fn new(filter: &'f DeadLetterFilter, order: Order, limit: u32) -> Self {
        Self { filter, order, after: None, untouched_by: None, limit: page(limit), seen: None }
    }

    /// Writes a query of the places of what is found: `row`, `id`, `dead_at`, `code`.
    pub(super) fn push(&self, query: &mut Query) -> Result<(), Fault> {
        let needles = self.filter.needles();
        match &needles.text {
            Some(text) if !self.filter.names_letters() => {
                query.push("select * from (");
                self.push_needle(query, &needles, Needle::AnyTerm(&text.whole), false)?;
                query.push(") union select * from (");
                if text.variables.is_empty() {
                    self.push_groups(query, Some(&text.masked))?;
                } else if let Some(seen) = &self.seen {
                    query.push("select row, id, dead_at, code from dead_letter where row in (select value from json_each(");
                    query.push_bind(json(&seen)?).push("))");
                } else {
                    self.push_needle(query, &needles, Needle::EachTerm(&text.variables), true)?;
                }
                query.push(")").push(self.order.by(""));
                self.push_limit(query);
                Ok(())
            }
            _ if self.filter.names_letters() => {
                let needle = if !self.filter.ids.is_empty() {
                    Needle::Ids
                } else if self.filter.message_id.is_some() {
                    Needle::Message
                } else {
                    Needle::EachTerm(&needles.terms)
                };
                self.push_needle(query, &needles, needle, needles.text.is_some())
            }
            _ if self.filter.narrows_groups() => self.push_groups(query, None),
            _ => self.push_newest(query),
        }
    }

    /// Begins at the few letters that hold something; the rest of the conditions is looked at in each of them.
    fn push_needle(
        &self,
        query: &mut Query,
        needles: &Needles,
        needle: Needle<'_>,
        with_text: bool,
    ) -> Result<(), Fault> {
        query.push("select l.row, l.id, l.dead_at, l.code from dead_letter l where ");
        match needle {
            Needle::Ids => {
                let ids: Vec<String> = self.filter.ids.iter().map(|id| hex(*id)).collect();
                query.push("l.id in (select unhex(value) from json_each(").push_bind(json(&ids)?).push("))");
            }
            Needle::Message => {
                query.push("l.message_id = ").push_bind(self.filter.message_id.clone());
            }
            Needle::EachTerm(terms) => push_each_term(query, terms),
            Needle::AnyTerm(terms) => push_any_term(query, terms)?,
        }
        query.push(" and +l.status in (select value from json_each(");
        query.push_bind(words(self.filter.statuses())?).push("))");
        let equal = [
            (" and +l.code = ", self.filter.code.map(|code| code.as_str().to_owned())),
            (" and +l.queue = ", self.filter.queue.clone()),
            (" and +l.kind = ", self.filter.kind.clone()),
            (" and +l.fingerprint = ", self.filter.fingerprint.clone()),
            (" and +l.message_id = ", self.filter.message_id.clone()),
        ];
        push_equal(query, equal);
        if !needles.terms.is_empty() {
            query.push(" and ");
            push_each_term(query, &needles.terms);
        }
        if let Some(text) = needles.text.as_ref().filter(|_| with_text) {
            query.push(" and (");
            push_any_term(query, &text.whole)?;
            query.push(" or ");
            push_each_term(query, &text.variables);
            query.push(
                " and +l.fingerprint in (select fingerprint from dead_letter_group where instr(masked, ",
            );
            query.push_bind(text.masked.clone()).push(") > 0))");
        }
        self.push_bounds(query, "l");
        query.push(self.order.by("l."));
        self.push_limit(query);
        Ok(())
    }

    /// Takes the first of each group, and of those the first: few groups hold very many letters.
    fn push_groups(&self, query: &mut Query, masked: Option<&str>) -> Result<(), Fault> {
        query.push("select l.row, l.id, l.dead_at, g.code from dead_letter_group g cross join json_each(");
        query.push_bind(words(self.filter.statuses())?);
        query.push(OF_ITS_GROUP);
        self.push_of_group(query, masked);
        query.push(FIRST_OF_ITS_GROUP);
        self.push_first(query);
        Ok(())
    }

    /// A query of the first letters of each group with these words, those that hold the numbers: `row`, and whether
    /// there are no further ones between them. None when the search is not for words with numbers.
    fn windows(&self) -> Result<Option<Query>, Fault> {
        let needles = self.filter.needles();
        let text = needles.text.filter(|text| !text.variables.is_empty() && !self.filter.names_letters());
        let Some(text) = text else { return Ok(None) };
        let mut query = Query::new(
            "with seen as materialized (select l.row, l.id, l.dead_at, row_number() over (partition by g.fingerprint, \
             s.value",
        );
        query.push(self.order.by("l.")).push(") as place from dead_letter_group g cross join json_each(");
        query.push_bind(words(self.filter.statuses())?);
        query.push(OF_ITS_GROUP);
        self.push_of_group(&mut query, Some(&text.masked));
        query.push(FIRST_OF_ITS_GROUP);
        self.push_bounds(&mut query, "k");
        query.push(self.order.by("k.")).push(" limit ").push_bind(WINDOW);
        // Behind the end of the nearest full window, letters of that group are missing between those of the others.
        let (nearest, before) = if self.order == Order::Newest { ("max", ">") } else { ("min", "<") };
        query.push(format!(")), horizon as (select {nearest}(dead_at) as at from seen where place = "));
        query.push_bind(WINDOW);
        query.push(") select l.row, h.at is null as whole from seen l cross join horizon h where true");
        for variable in text.variables {
            query.push(" and exists (select 1 from dead_letter_term t where t.letter = l.row and t.term = ");
            query.push_bind(variable).push(")");
        }
        query.push(format!(" and (h.at is null or l.dead_at {before} h.at)")).push(self.order.by("l."));
        self.push_limit(&mut query);
        Ok(Some(query))
    }

    /// Takes the first of each status, and of those the first.
    fn push_newest(&self, query: &mut Query) -> Result<(), Fault> {
        query.push("select l.row, l.id, l.dead_at, l.code from json_each(");
        query.push_bind(words(self.filter.statuses())?);
        query.push(
            ") s cross join dead_letter l where l.row in (select k.row from dead_letter k where k.status = s.value",
        );
        self.push_first(query);
        Ok(())
    }

    fn push_first(&self, query: &mut Query) {
        self.push_bounds(query, "k");
        query.push(self.order.by("k."));
        self.push_limit(query);
        query.push(")").push(self.order.by("l."));
        self.push_limit(query);
    }

    /// The conditions that a group holds as a whole.
    fn push_of_group(&self, query: &mut Query, masked: Option<&str>) {
        let equal = [
            (" and g.code = ", self.filter.code.map(|code| code.as_str().to_owned())),
            (" and g.queue = ", self.filter.queue.clone()),
            (" and g.kind = ", self.filter.kind.clone()),
            (" and g.fingerprint = ", self.filter.fingerprint.clone()),
        ];
        push_equal(query, equal);
        if let Some(masked) = masked {
            query.push(" and instr(g.masked, ").push_bind(masked.to_owned()).push(") > 0");
        }
    }

    fn push_bounds(&self, query: &mut Query, alias: &str) {
        if let Some(since) = self.filter.since {
            query.push(format!(" and {alias}.dead_at >= ")).push_bind(micros(since));
        }
        if let Some(until) = self.filter.until {
            query.push(format!(" and {alias}.dead_at < ")).push_bind(micros(until));
        }
        if let Some(Cursor { dead_at, id }) = self.after {
            let behind = if self.order == Order::Newest { "<" } else { ">" };
            query.push(format!(" and ({alias}.dead_at, {alias}.id) {behind} (")).push_bind(micros(dead_at));
            query.push(", ").push_bind(id).push(")");
        }
        if let Some(replay) = self.untouched_by {
            query.push(format!(" and {alias}.replay_id is not ")).push_bind(replay);
        }
    }

    fn push_limit(&self, query: &mut Query) {
        query.push(" limit ").push_bind(self.limit);
    }
}

fn push_each_term(query: &mut Query, terms: &[i64]) {
    query.push("(true");
    for term in terms {
        query
            .push(" and l.row in (select letter from dead_letter_term where term = ")
            .push_bind(*term)
            .push(")");
    }
    query.push(")");
}

fn push_any_term(query: &mut Query, terms: &[i64]) -> Result<(), Fault> {
    query.push("l.row in (select letter from dead_letter_term where term in (select value from json_each(");
    query.push_bind(json(&terms)?).push(")))");
    Ok(())
}

fn push_equal(query: &mut Query, equal: impl IntoIterator<Item = (&'static str, Option<String>)>) {
    for (condition, value) in equal {
        if let Some(value) = value {
            query.push(condition).push_bind(value);
        }
    }
}

fn words(statuses: &[Status]) -> Result<String, Fault> {
    json(&statuses)
}

impl SqliteStore {
    /// The search with what its windows hold, if that fills it or is all that there is.
    async fn looked_through<'f>(&self, mut search: Search<'f>) -> Result<Search<'f>, Error> {
        let Some(mut query) = search.windows()? else { return Ok(search) };
        let rows: Vec<(i64, bool)> =
            query.build_query_as().fetch_all(self.db.read()).await.map_err(Fault::from)?;
        let filled = i64::try_from(rows.len()).is_ok_and(|found| found >= search.limit);
        if filled || rows.first().is_some_and(|(_, whole)| *whole) {
            search.seen = Some(rows.into_iter().map(|(row, _)| row).collect());
        }
        Ok(search)
    }

    pub(super) async fn list(&self, search: &Search<'_>, whole: bool) -> Result<Vec<DeadLetter>, Error> {
        let search = self.looked_through(search.clone()).await?;
        let mut query = Query::new("with found as (");
        search.push(&mut query)?;
        query.push(") select ").push(rows::LISTED);
        if whole {
            query.push(", l.history, l.headers, l.body");
        }
        query.push(" from found f cross join dead_letter l on l.row = f.row").push(search.order.by("f."));
        let rows = query.build().fetch_all(self.db.read()).await.map_err(Fault::from)?;
        Ok(rows.iter().map(|row| rows::letter(row, whole)).collect::<Result<_, Fault>>()?)
    }

    pub(super) async fn count(&self, filter: &DeadLetterFilter) -> Result<DeadLetterCount, Error> {
        let limit = i64::from(COUNT_MAX) + 1;
        let search = Search { limit, ..Search::new(filter, Order::Newest, 1) };
        let mut query = Query::new("");
        if filter.is_of_groups() {
            let counts: Vec<&str> = filter.statuses().iter().map(|status| status.as_str()).collect();
            query.push("select g.code, sum(g.").push(counts.join(" + g."));
            query.push(") as count from dead_letter_group g where true");
            search.push_of_group(&mut query, None);
            query.push(" group by g.code");
        } else {
            query.push("select f.code, count(*) as count from (");
            search.push(&mut query)?;
            query.push(") f group by f.code");
        }
        let rows = query.build().fetch_all(self.db.read()).await.map_err(Fault::from)?;
        let mut by_code = Vec::with_capacity(rows.len());
        for row in &rows {
            let row = Reading::of("dead_letter", row);
            let count: i64 = row.get("count")?;
            if count > 0 {
                by_code.push((row.parsed("code")?, count));
            }
        }
        let counted: i64 = by_code.iter().map(|(_, count)| count).sum();
        Ok(DeadLetterCount::of(by_code, !filter.is_of_groups() && counted >= limit))
    }

    pub(super) async fn groups(&self, all: bool, limit: u32) -> Result<Vec<DeadLetterGroup>, Error> {
        let rows = sqlx::query(
            "select * from dead_letter_group where ?1 or open + replaying > 0
             order by last_at desc, fingerprint limit ?2",
        )
        .bind(all)
        .bind(page(limit))
        .fetch_all(self.db.read())
        .await
        .map_err(Fault::from)?;
        Ok(rows.iter().map(group).collect::<Result<_, Fault>>()?)
    }
}

fn group(row: &SqliteRow) -> Result<DeadLetterGroup, Fault> {
    let row = Reading::of("dead_letter_group", row);
    Ok(DeadLetterGroup {
        fingerprint: row.get("fingerprint")?,
        code: row.parsed("code")?,
        queue: row.get("queue")?,
        kind: row.get("kind")?,
        open: row.get("open")?,
        replaying: row.get("replaying")?,
        resolved: row.get("resolved")?,
        discarded: row.get("discarded")?,
        first_at: row.instant("first_at")?,
        last_at: row.instant("last_at")?,
        sample_error: row.get("sample_error")?,
    })
}
