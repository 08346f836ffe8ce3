//! Finding dead letters among very many: a search begins where the fewest are, at their terms, at their groups or at
//! the newest, and reads no more of an index than a page needs.
//!
//! Words with a number among them ("status 410") could begin at the number's term or at the groups with such words. A
//! number that is in very many letters fills a page from the first letters of those groups ([`Search::windows`]); for
//! one that is not there, its term leads to the few that hold it.

use chrono::{DateTime, Utc};
use forebay_store::dead_letters::{COUNT_MAX, DeadLetterCount, Needles, Status};
use forebay_store::{Cursor, DeadLetter, DeadLetterFilter, DeadLetterGroup, Error};
use sqlx::{Postgres, QueryBuilder};
use uuid::Uuid;

use super::rows;
use crate::PostgresStore;
use crate::error::store_error;
use crate::rows::{page, read, storable};

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
        format!(" order by {alias}.dead_at {way}, {alias}.id {way}")
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
    /// What the windows held, when that is all that counts.
    pub(super) seen: Option<Vec<Uuid>>,
}

/// How many letters of each group are looked through for a number before its term is asked.
const WINDOW: i64 = 2_000;

type Query = QueryBuilder<Postgres>;

impl<'f> Search<'f> {
    pub(super) fn new(filter: &'f DeadLetterFilter, order: Order, limit: u32) -> Self {
        Self { filter, order, after: None, untouched_by: None, limit: page(limit), seen: None }
    }

    /// Writes a query of the places of what is found: `id`, `dead_at`, `code`.
    pub(super) fn push(&self, query: &mut Query) {
        let needles = self.filter.needles();
        match &needles.text {
            Some(text) if !self.filter.names_letters() => {
                query.push("select * from ((");
                self.push_needle(query, &needles, Needle::AnyTerm(&text.whole), false);
                query.push(") union (");
                if text.variables.is_empty() {
                    self.push_groups(query, Some(&text.masked));
                } else if let Some(seen) = &self.seen {
                    query.push("select id, dead_at, code from dead_letter where id = any(");
                    query.push_bind(seen.clone()).push(")");
                } else {
                    self.push_needle(query, &needles, Needle::EachTerm(&text.variables), true);
                }
                query.push(")) u").push(self.order.by("u"));
                self.push_limit(query);
            }
            _ if self.filter.names_letters() => {
                let needle = if !self.filter.ids.is_empty() {
                    Needle::Ids
                } else if self.filter.message_id.is_some() {
                    Needle::Message
                } else {
                    Needle::EachTerm(&needles.terms)
                };
                self.push_needle(query, &needles, needle, needles.text.is_some());
            }
            _ if self.filter.narrows_groups() => self.push_groups(query, None),
            _ => self.push_newest(query),
        }
    }

    /// Begins at the few letters that hold something; the rest of the conditions is looked at in each of them.
    fn push_needle(&self, query: &mut Query, needles: &Needles, needle: Needle<'_>, with_text: bool) {
        query.push(
            "select l.id, l.dead_at, l.code from (select id, dead_at, code, queue, kind, fingerprint, status, \
             message_id, terms, replay_id from dead_letter where ",
        );
        match needle {
            Needle::Ids => query.push("id = any(").push_bind(self.filter.ids.clone()).push(")"),
            Needle::Message => query
                .push("message_id = ")
                .push_bind(storable(self.filter.message_id.as_deref().unwrap_or_default()).into_owned()),
            Needle::EachTerm(terms) => query.push("terms @> ").push_bind(terms.to_vec()),
            Needle::AnyTerm(terms) => query.push("terms && ").push_bind(terms.to_vec()),
        };
        // The fence keeps the planner from walking a whole index in the order of the list instead.
        query.push(" offset 0) l where l.status = any(").push_bind(words(self.filter.statuses())).push(")");
        let equal = [
            (" and l.code = ", self.filter.code.map(|code| code.as_str())),
            (" and l.queue = ", self.filter.queue.as_deref()),
            (" and l.kind = ", self.filter.kind.as_deref()),
            (" and l.fingerprint = ", self.filter.fingerprint.as_deref()),
            (" and l.message_id = ", self.filter.message_id.as_deref()),
        ];
        for (condition, value) in equal {
            if let Some(value) = value {
                query.push(condition).push_bind(storable(value).into_owned());
            }
        }
        if !needles.terms.is_empty() {
            query.push(" and l.terms @> ").push_bind(needles.terms.clone());
        }
        if let Some(text) = needles.text.as_ref().filter(|_| with_text) {
            query.push(" and (l.terms && ").push_bind(text.whole.clone()).push(" or l.terms @> ");
            query.push_bind(text.variables.clone());
            query.push(" and l.fingerprint in (select fingerprint from dead_letter_group where position(");
            query.push_bind(storable(&text.masked).into_owned()).push(" in masked) > 0))");
        }
        self.push_bounds(query);
        query.push(self.order.by("l"));
        self.push_limit(query);
    }

    /// Takes the first of each group, and of those the first: few groups hold very many letters.
    fn push_groups(&self, query: &mut Query, masked: Option<&str>) {
        query.push(
            "select x.id, x.dead_at, x.code from dead_letter_group g cross join lateral (values ('open', g.open), \
             ('replaying', g.replaying), ('resolved', g.resolved), ('discarded', g.discarded)) s (status, count) \
             cross join lateral (select l.id, l.dead_at, g.code from dead_letter l \
             where l.fingerprint = g.fingerprint and l.status = s.status",
        );
        self.push_bounds(query);
        query.push(self.order.by("l"));
        self.push_limit(query);
        query.push(") x where s.count > 0 and s.status = any(").push_bind(words(self.filter.statuses()));
        query.push(")");
        self.push_of_group(query, masked);
        query.push(self.order.by("x"));
        self.push_limit(query);
    }

    /// A query of the first letters of each group with these words, those that hold the numbers: `id`, and whether there
    /// may be further ones between them. None when the search is not for words with numbers.
    fn windows(&self) -> Option<Query> {
        let needles = self.filter.needles();
        let text = needles.text.filter(|text| !text.variables.is_empty() && !self.filter.names_letters())?;
        let mut query = Query::new(
            "with seen as materialized (
                 select x.* from dead_letter_group g cross join lateral (values ('open', g.open), \
             ('replaying', g.replaying), ('resolved', g.resolved), ('discarded', g.discarded)) s (status, count) \
             cross join lateral (select l.id, l.dead_at, l.terms, row_number() over () as place
                     from (select * from dead_letter l where l.fingerprint = g.fingerprint and l.status = s.status",
        );
        self.push_bounds(&mut query);
        query.push(self.order.by("l")).push(" limit ").push_bind(WINDOW);
        query.push(") l) x where s.count > 0 and s.status = any(").push_bind(words(self.filter.statuses()));
        query.push(")");
        self.push_of_group(&mut query, Some(&text.masked));
        // Behind the end of the nearest full window, letters of that group are missing between those of the others.
        let (nearest, before) = if self.order == Order::Newest { ("max", ">") } else { ("min", "<") };
        query.push(format!("), horizon as (select {nearest}(dead_at) as at from seen where place = "));
        query
            .push_bind(WINDOW)
            .push(") select l.id, h.at is null as whole from seen l, horizon h where l.terms @> ");
        query.push_bind(text.variables);
        query.push(format!(" and (h.at is null or l.dead_at {before} h.at)")).push(self.order.by("l"));
        self.push_limit(&mut query);
        Some(query)
    }

    /// Takes the first of each status, and of those the first.
    fn push_newest(&self, query: &mut Query) {
        query.push("select x.id, x.dead_at, x.code from unnest(").push_bind(words(self.filter.statuses()));
        query.push(
            "::text[]) s (status) cross join lateral (select l.id, l.dead_at, l.code from dead_letter l \
             where l.status = s.status",
        );
        self.push_bounds(query);
        query.push(self.order.by("l"));
        self.push_limit(query);
        query.push(") x").push(self.order.by("x"));
        self.push_limit(query);
    }

    /// The conditions that a group holds as a whole.
    fn push_of_group(&self, query: &mut Query, masked: Option<&str>) {
        let equal = [
            (" and g.code = ", self.filter.code.map(|code| code.as_str())),
            (" and g.queue = ", self.filter.queue.as_deref()),
            (" and g.kind = ", self.filter.kind.as_deref()),
            (" and g.fingerprint = ", self.filter.fingerprint.as_deref()),
        ];
        for (condition, value) in equal {
            if let Some(value) = value {
                query.push(condition).push_bind(storable(value).into_owned());
            }
        }
        if let Some(masked) = masked {
            query.push(" and position(").push_bind(storable(masked).into_owned()).push(" in g.masked) > 0");
        }
    }

    fn push_bounds(&self, query: &mut Query) {
        if let Some(since) = self.filter.since {
            query.push(" and l.dead_at >= ").push_bind(since);
        }
        if let Some(until) = self.filter.until {
            query.push(" and l.dead_at < ").push_bind(until);
        }
        if let Some(Cursor { dead_at, id }) = self.after {
            let behind = if self.order == Order::Newest { "<" } else { ">" };
            query.push(format!(" and (l.dead_at, l.id) {behind} (")).push_bind(dead_at);
            query.push(", ").push_bind(id).push(")");
        }
        if let Some(replay) = self.untouched_by {
            query.push(" and l.replay_id is distinct from ").push_bind(replay);
        }
    }

    fn push_limit(&self, query: &mut Query) {
        query.push(" limit ").push_bind(self.limit);
    }
}

enum Needle<'n> {
    Ids,
    Message,
    EachTerm(&'n [i64]),
    AnyTerm(&'n [i64]),
}

fn words(statuses: &[Status]) -> Vec<&'static str> {
    statuses.iter().map(|status| status.as_str()).collect()
}

impl PostgresStore {
    /// The search with what its windows hold, if that fills it or is all that there is.
    async fn looked_through<'f>(&self, mut search: Search<'f>) -> Result<Search<'f>, Error> {
        let Some(mut query) = search.windows() else { return Ok(search) };
        let rows: Vec<(Uuid, bool)> =
            query.build_query_as().fetch_all(&self.pool).await.map_err(store_error)?;
        let filled = i64::try_from(rows.len()).is_ok_and(|found| found >= search.limit);
        if filled || rows.first().is_some_and(|(_, whole)| *whole) {
            search.seen = Some(rows.into_iter().map(|(id, _)| id).collect());
        }
        Ok(search)
    }

    pub(super) async fn list(&self, search: &Search<'_>, whole: bool) -> Result<Vec<DeadLetter>, Error> {
        let search = self.looked_through(search.clone()).await?;
        let mut query = Query::new("with found as (");
        search.push(&mut query);
        query.push(") select ").push(rows::LISTED);
        if whole {
            query.push(", l.history, l.headers, l.body");
        }
        query.push(" from found f join dead_letter l on l.id = f.id").push(search.order.by("f"));
        let rows = query.build().fetch_all(&self.pool).await.map_err(store_error)?;
        rows.iter().map(|row| rows::letter(row, whole)).collect()
    }

    pub(super) async fn count(&self, filter: &DeadLetterFilter) -> Result<DeadLetterCount, Error> {
        let search = Search { limit: i64::from(COUNT_MAX) + 1, ..Search::new(filter, Order::Newest, 1) };
        let mut query = Query::new("");
        if filter.is_of_groups() {
            let counts: Vec<&str> = words(filter.statuses());
            query.push("select g.code, sum(g.").push(counts.join(" + g."));
            query.push(")::int8 from dead_letter_group g where true");
            search.push_of_group(&mut query, None);
            query.push(" group by g.code");
        } else {
            query.push("select f.code, count(*) from (");
            search.push(&mut query);
            query.push(") f group by f.code");
        }
        let rows: Vec<(String, i64)> =
            query.build_query_as().fetch_all(&self.pool).await.map_err(store_error)?;
        let by_code = rows
            .into_iter()
            .filter(|(_, count)| *count > 0)
            .map(|(code, count)| Ok((read("dead_letter", "code", code.parse())?, count)));
        let by_code = by_code.collect::<Result<Vec<_>, Error>>()?;
        let counted: i64 = by_code.iter().map(|(_, count)| count).sum();
        Ok(DeadLetterCount::of(by_code, !filter.is_of_groups() && counted > i64::from(COUNT_MAX)))
    }

    pub(super) async fn groups(&self, all: bool, limit: u32) -> Result<Vec<DeadLetterGroup>, Error> {
        type Row = (String, String, String, String, String, [i64; 4], DateTime<Utc>, DateTime<Utc>);
        let rows: Vec<Row> = sqlx::query_as(
            "select fingerprint, code, queue, kind, sample_error, array[open, replaying, resolved, discarded],
                    first_at, last_at
             from dead_letter_group where $1 or open + replaying > 0
             order by last_at desc, fingerprint limit $2",
        )
        .bind(all)
        .bind(page(limit))
        .fetch_all(&self.pool)
        .await
        .map_err(store_error)?;
        rows.into_iter()
            .map(|(fingerprint, code, queue, kind, sample_error, counts, first_at, last_at)| {
                let code = read("dead_letter_group", "code", code.parse())?;
                let [open, replaying, resolved, discarded] = counts;
                Ok(DeadLetterGroup {
                    fingerprint,
                    code,
                    queue,
                    kind,
                    open,
                    replaying,
                    resolved,
                    discarded,
                    first_at,
                    last_at,
                    sample_error,
                })
            })
            .collect()
    }
}
