//! Attendance: listed, exported, voided, restored, summed up.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::NaiveDate;
use forebay_intake::{Kind, Problem};
use forebay_schemas::{MemberId, ProgrammeId};
use forebay_store::{
    AttendanceCursor, AttendanceFilter, AttendanceView, By, DaySet, Error, ProgrammeSummary, Store,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::api::Api;
use crate::callers::{EventManager, Reports};
use crate::csv::{self, Cell, Column, Csv};
use crate::dates;
use crate::extract::{Asked, COMMAND_BYTES, Named, Sent};
use crate::failure::not_found;
use crate::openapi::Either;
use crate::page::{Page, limit, page};
use crate::rules::{Reason, need_reason};

/// Check-ins that an export reads at once.
const EXPORT_PAGE: u32 = 500;
/// Most check-ins on a page of CSV.
const CSV_LIMIT_MAX: u32 = 10_000;

/// A cursor as it is passed on: a date and a member, in signs that a URL takes.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
struct Place(AttendanceCursor);

impl TryFrom<String> for Place {
    type Error = &'static str;
    fn try_from(text: String) -> Result<Self, &'static str> {
        let read = || {
            let text = String::from_utf8(URL_SAFE_NO_PAD.decode(text).ok()?).ok()?;
            let (on_date, member_id) = text.split_once(' ')?;
            let member_id = MemberId::new(member_id).ok()?;
            let dates::Day(on_date) = on_date.parse::<NaiveDate>().ok()?.try_into().ok()?;
            Some(Self(AttendanceCursor { on_date, member_id }))
        };
        read().ok_or("a cursor must be one that a page ended with")
    }
}

fn cursor(view: &AttendanceView) -> String {
    URL_SAFE_NO_PAD.encode(format!("{} {}", view.on_date, view.member_id))
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct AttendanceAsk {
    /// On this day alone.
    on: Option<dates::Day>,
    from: Option<dates::Day>,
    to: Option<dates::Day>,
    member: Option<MemberId>,
    voided: Option<bool>,
    #[schemars(range(min = 1, max = CSV_LIMIT_MAX))]
    limit: Option<u32>,
    #[schemars(with = "Option<String>")]
    cursor: Option<Place>,
}

impl AttendanceAsk {
    fn filter(&self) -> AttendanceFilter {
        // A day alone is a window, too: the narrower end of both counts.
        let day = |day: Option<dates::Day>| day.map(|day| day.0);
        let from = day(self.from).into_iter().chain(day(self.on)).max();
        let to = day(self.to).into_iter().chain(day(self.on)).min();
        AttendanceFilter { from, to, member: self.member.clone(), voided: self.voided }
    }
}

pub(crate) async fn list(
    State(api): State<Arc<Api>>,
    reports: Reports,
    Named(programme_id): Named<ProgrammeId>,
    csv::Wanted(csv): csv::Wanted,
    Asked(asked): Asked<AttendanceAsk>,
) -> Result<Either<Page<AttendanceView>, Csv<Export>>, Problem> {
    if csv {
        return export(State(api), reports, Named(programme_id), Asked(asked)).await.map(Either::Other);
    }
    let limit = limit(asked.limit)?;
    api.need_programme(&programme_id).await?;
    let after = asked.cursor.as_ref().map(|place| &place.0);
    let filter = asked.filter();
    let found = api.ask(api.store.attendance(&programme_id, &filter, after, limit + 1)).await?;
    Ok(Either::One(page(found, limit, |view| Some(cursor(view)))))
}

/// Everything as CSV; with a limit a page of it, whose header says where the next one begins.
pub(crate) async fn export(
    State(api): State<Arc<Api>>,
    _: Reports,
    Named(programme_id): Named<ProgrammeId>,
    Asked(asked): Asked<AttendanceAsk>,
) -> Result<Csv<Export>, Problem> {
    api.need_programme(&programme_id).await?;
    let name = format!("attendance-{programme_id}");
    let filter = asked.filter();
    let first = asked.cursor.is_none();
    let after = asked.cursor.map(|place| place.0);
    let mut export = Export { store: Arc::clone(&api.store), programme_id, filter, after, left: None };
    let Some(limit) = asked.limit else { return csv::download(&api, &name, export).await };
    if !(1..=CSV_LIMIT_MAX).contains(&limit) {
        let detail = format!("In the query: limit must be 1 to {CSV_LIMIT_MAX}.");
        return Err(Problem::new(Kind::InvalidRequest, detail));
    }
    let _permit = csv::permit(&api)?;
    export.left = Some(limit);
    let (mut views, mut more) = (Vec::new(), true);
    while more {
        let page = api.ask(export.page()).await?;
        more = !page.is_empty();
        views.extend(page);
    }
    // A page that is full may be followed by an empty one.
    let next = views.last().filter(|_| views.len() == limit as usize).map(cursor);
    let rows: Vec<Vec<Cell>> = views.into_iter().map(row).collect();
    Ok(csv::page(&name, first, &rows, next.as_deref()))
}

/// How far an export has come.
pub(crate) struct Export {
    store: Arc<dyn Store>,
    programme_id: ProgrammeId,
    filter: AttendanceFilter,
    after: Option<AttendanceCursor>,
    /// So many are still wanted; all, when nothing is said.
    left: Option<u32>,
}

impl Export {
    async fn page(&mut self) -> Result<Vec<AttendanceView>, Error> {
        let size = self.left.unwrap_or(EXPORT_PAGE).min(EXPORT_PAGE);
        if size == 0 {
            return Ok(Vec::new());
        }
        let page = self.store.attendance(&self.programme_id, &self.filter, self.after.as_ref(), size).await?;
        self.after = page.last().map(AttendanceView::cursor).or(self.after.take());
        if let Some(left) = &mut self.left {
            *left -= u32::try_from(page.len()).unwrap_or(*left).min(*left);
        }
        Ok(page)
    }
}

impl csv::Rows for Export {
    const COLUMNS: &'static [Column] = &[
        ("on_date", "the day, in the programme's zone"),
        ("member_id", "who checked in"),
        ("received_at", "when the check-in was received"),
        ("voided_at", "when the day was taken away; empty while it counts"),
        ("voided_by", "who took it away"),
        ("void_reason", "why"),
    ];

    async fn next(&mut self) -> Result<Vec<Vec<Cell>>, Error> {
        Ok(self.page().await?.into_iter().map(row).collect())
    }
}

fn row(view: AttendanceView) -> Vec<Cell> {
    let AttendanceView { on_date, member_id, received_at, voided } = view;
    let voided = voided.map_or((None, None, None), |v| (Some(v.at), v.actor, v.reason));
    let (at, by, why) = voided;
    vec![on_date.into(), member_id.to_string().into(), received_at.into(), at.into(), by.into(), why.into()]
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct DayAsk {
    #[serde(default)]
    #[schemars(!default, with = "Reason")]
    reason: String,
}

/// What became of a day.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct DayAnswer {
    on_date: NaiveDate,
    member_id: MemberId,
    voided: bool,
    /// The member's claims in the programme that somebody should look at.
    needs_review: i64,
}

type Day = (ProgrammeId, MemberId, dates::Day);

pub(crate) async fn void(
    State(api): State<Arc<Api>>,
    manager: EventManager,
    Named(day): Named<Day>,
    Sent(asked): Sent<DayAsk, COMMAND_BYTES>,
) -> Result<Json<DayAnswer>, Problem> {
    api.set_day(day, true, manager, asked).await
}

pub(crate) async fn restore(
    State(api): State<Arc<Api>>,
    manager: EventManager,
    Named(day): Named<Day>,
    Sent(asked): Sent<DayAsk, COMMAND_BYTES>,
) -> Result<Json<DayAnswer>, Problem> {
    api.set_day(day, false, manager, asked).await
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct SummaryAsk {
    from: Option<dates::Day>,
    to: Option<dates::Day>,
}

pub(crate) async fn summary(
    State(api): State<Arc<Api>>,
    _: Reports,
    Named(programme_id): Named<ProgrammeId>,
    Asked(asked): Asked<SummaryAsk>,
) -> Result<Json<ProgrammeSummary>, Problem> {
    api.need_programme(&programme_id).await?;
    let (from, to) = (asked.from.map(|day| day.0), asked.to.map(|day| day.0));
    Ok(Json(api.ask(api.store.programme_summary(&programme_id, from, to)).await?))
}

impl Api {
    async fn need_programme(&self, id: &ProgrammeId) -> Result<(), Problem> {
        self.ask(self.store.programme(id)).await?.map(drop).ok_or_else(|| not_found("programme"))
    }

    async fn set_day(
        &self,
        (programme_id, member_id, dates::Day(on_date)): Day,
        void: bool,
        manager: EventManager,
        asked: DayAsk,
    ) -> Result<Json<DayAnswer>, Problem> {
        need_reason(&asked.reason)?;
        let by = By { id: self.new_id(), actor: manager.key_id, reason: asked.reason };
        let set = self.store.set_day(&programme_id, &member_id, on_date, void, &by, self.clock.now());
        match self.ask(set).await? {
            DaySet::Done { needs_review } => {
                Ok(Json(DayAnswer { on_date, member_id, voided: void, needs_review }))
            }
            DaySet::Unknown => Err(not_found("check-in")),
            DaySet::Already if void => {
                Err(Problem::new(Kind::Conflict, "The day is voided already; nothing was changed."))
            }
            DaySet::Already => {
                Err(Problem::new(Kind::Conflict, "The day is not voided; nothing was changed."))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_reads_back_and_what_is_none_is_refused() {
        let place = AttendanceCursor {
            on_date: "2026-11-20".parse().unwrap(),
            member_id: MemberId::new("a/b?c#%").unwrap(),
        };
        let text = URL_SAFE_NO_PAD.encode(format!("{} {}", place.on_date, place.member_id));
        assert_eq!(Place::try_from(text), Ok(Place(place)));
        let of_another_age = URL_SAFE_NO_PAD.encode("-262143-01-01 m-1");
        for text in ["", "x", "MjAyNi0xMS0yMA", "!!", &of_another_age] {
            assert!(Place::try_from(text.to_owned()).is_err(), "{text}");
        }
    }

    #[test]
    fn a_day_alone_is_the_narrowest_window() {
        let ask = |query: &str| -> AttendanceAsk {
            axum::extract::Query::try_from_uri(&format!("/?{query}").parse().unwrap()).unwrap().0
        };
        let day = |text: &str| Some(text.parse().unwrap());
        let filter = ask("on=2026-11-20&from=2026-11-01").filter();
        assert_eq!((filter.from, filter.to), (day("2026-11-20"), day("2026-11-20")));
        let filter = ask("from=2026-11-01").filter();
        assert_eq!((filter.from, filter.to), (day("2026-11-01"), None));
    }
}
