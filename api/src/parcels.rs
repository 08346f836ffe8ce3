//! Parcels as people look for them: listed, shown, checked when somebody asks.

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use chrono::{DateTime, Utc};
use forebay_domain::daily::Purpose;
use forebay_domain::due::Stopped;
use forebay_intake::{Kind, Problem};
use forebay_schemas::events::ParcelStatus;
use forebay_schemas::{AdapterId, CarrierCode, Queue, TrackingNumber};
use forebay_store::{By, CheckAsked, ParcelFilter, ParcelView};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::api::Api;
use crate::callers::{Reader, Reports, Warehouse};
use crate::extract::{Asked, COMMAND_BYTES, Named, Sent};
use crate::failure::not_found;
use crate::openapi::Taken;
use crate::page::{Page, limit, page};
use crate::returns::Wish;
use crate::rules::need_reason;

/// For so long a check that a person asked for counts as under way; then another one may be asked for.
const LEASE: Duration = Duration::from_secs(600);

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ParcelsAsk {
    carrier: Option<CarrierCode>,
    adapter: Option<AdapterId>,
    status: Option<ParcelStatus>,
    stopped: Option<Stopped>,
    #[schemars(range(min = 1, max = crate::page::MOST))]
    limit: Option<u32>,
    cursor: Option<Uuid>,
}

/// What keeps a check waiting, as far as it can be told.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct HeldUp {
    /// `queue_paused`, `carrier_paused`, `breaker_open` or `day_used_up`.
    by: &'static str,
    /// Until then at least; none when it lasts until somebody ends it.
    until: Option<DateTime<Utc>>,
    why: String,
}

/// A check that was asked for.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct CheckTaken {
    carrier: CarrierCode,
    tracking_number: TrackingNumber,
    adapter: String,
    /// `asked`, or `on_its_way` when somebody had asked before.
    check: &'static str,
    /// How often it was checked so far.
    checks: i64,
    held_up: Option<HeldUp>,
}

pub(crate) async fn list(
    State(api): State<Arc<Api>>,
    _: Reports,
    Asked(asked): Asked<ParcelsAsk>,
) -> Result<Page<ParcelView>, Problem> {
    let limit = limit(asked.limit)?;
    let ParcelsAsk { carrier, adapter, status, stopped, cursor, .. } = asked;
    let filter = ParcelFilter { carrier, adapter, status, stopped };
    let views = api.ask(api.store.list_parcels(&filter, cursor, limit + 1)).await?;
    Ok(page(views, limit, |view| Some(view.parcel_id.to_string())))
}

pub(crate) async fn one(
    State(api): State<Arc<Api>>,
    _: Reader,
    Named((carrier, number)): Named<(CarrierCode, TrackingNumber)>,
) -> Result<Json<ParcelView>, Problem> {
    api.parcel(&carrier, &number).await.map(Json)
}

pub(crate) async fn check(
    State(api): State<Arc<Api>>,
    warehouse: Warehouse,
    Named((carrier, number)): Named<(CarrierCode, TrackingNumber)>,
    Sent(wish): Sent<Wish, COMMAND_BYTES>,
) -> Result<Taken<CheckTaken>, Problem> {
    need_reason(&wish.reason)?;
    // As it is before: who waits for the answer sees it by the count of its checks.
    let parcel = api.parcel(&carrier, &number).await?;
    let by = By { id: api.new_id(), actor: warehouse.key_id, reason: wish.reason };
    let asked = api.store.ask_check(&carrier, &number, LEASE, &by, api.clock.now());
    let check = match api.ask(asked).await? {
        CheckAsked::NotThere => return Err(not_found("parcel")),
        CheckAsked::Finished => {
            let detail = "It is finished: nothing more is to be expected of it; nothing was done.";
            return Err(Problem::new(Kind::Conflict, detail));
        }
        CheckAsked::OnItsWay => "on_its_way",
        CheckAsked::Written => "asked",
    };
    let held_up = api.held_up(&parcel.adapter).await?;
    let (adapter, checks) = (parcel.adapter, parcel.checks);
    Ok(Taken::of(CheckTaken { carrier, tracking_number: number, adapter, check, checks, held_up }))
}

impl Api {
    async fn parcel(&self, carrier: &CarrierCode, number: &TrackingNumber) -> Result<ParcelView, Problem> {
        let found = self.ask(self.store.parcel(carrier, number)).await?;
        found.ok_or_else(|| not_found("parcel"))
    }

    /// What keeps a person's check from being made at once; the longest of it.
    async fn held_up(&self, adapter: &str) -> Result<Option<HeldUp>, Problem> {
        let Ok(id) = adapter.parse::<AdapterId>() else { return Ok(None) };
        let queue = Queue::Tracking(id).to_string();
        let pauses = self.ask(self.store.pauses(self.clock.now())).await?;
        if let Some(pause) = pauses.into_iter().find(|pause| pause.queue == queue) {
            return Ok(Some(HeldUp { by: "queue_paused", until: pause.until, why: pause.reason }));
        }
        let Some(system) = self.carriers.iter().find(|system| system.id.as_str() == adapter) else {
            return Ok(None);
        };
        let views = self.ask(self.store.systems()).await?;
        let Some(view) = views.into_iter().find(|view| view.key == system.key) else { return Ok(None) };
        let spent = view.left_today(&system.terms, Purpose::Person) == Some(0);
        let day = view.day.filter(|_| spent).map(|day| HeldUp {
            by: "day_used_up",
            until: Some(day.until),
            why: "the budget of the day is used up".to_owned(),
        });
        let gate = view.gate.map(|(until, why)| HeldUp { by: "carrier_paused", until: Some(until), why });
        let bar =
            view.breaker.bar.map(|bar| HeldUp { by: "breaker_open", until: Some(bar.until), why: bar.why });
        let all = [day, gate, bar].into_iter().flatten();
        Ok(all.filter(|held| held.until.is_some_and(|until| until > view.now)).max_by_key(|held| held.until))
    }
}
