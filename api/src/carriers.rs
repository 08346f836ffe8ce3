//! Carriers' systems as people see and steer them: what they bear, what is used, whether they are left alone.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::http::HeaderValue;
use chrono::{DateTime, Utc};
use forebay_domain::breaker::{Breaker, Cause, Force, Phase};
use forebay_domain::daily::{DayReset, Purpose};
use forebay_domain::limits::{LiveLimits, Terms};
use forebay_intake::{Kind, Problem};
use forebay_schemas::AdapterId;
use forebay_store::{By, CodeSeen, SystemView};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::api::Api;
use crate::callers::{Operator, Reports};
use crate::etag::{IfMatch, version};
use crate::extract::{COMMAND_BYTES, Named, Sent};
use crate::failure::not_found;
use crate::openapi::Tagged;
use crate::page::{MOST, Page, page};
use crate::rules::{Reason, broken, need_reason};

/// Longest time for which a breaker is forced, in seconds: 30 days.
const FORCE_MAX_S: u32 = 30 * 24 * 3600;

/// A carrier's system that is configured.
#[derive(Debug, Clone)]
pub struct CarrierSystem {
    /// Its id.
    pub id: AdapterId,
    /// The name by which the fleet paces it.
    pub key: String,
    /// How it is paced, as configured.
    pub terms: Terms,
}

/// A carrier's system, as people see it.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct CarrierView {
    id: String,
    /// Calls a second at present, while neither gate nor breaker stops them.
    rate_per_s: f64,
    /// The rate is below what it will be: it comes back after a pause.
    recovering: bool,
    /// What it bears, as it is in force.
    limits: LimitsView,
    /// What of it people set at run time.
    set: LiveLimits,
    /// The version of what people set.
    version: i64,
    used_today: Option<u32>,
    /// Planned calls that are left of the day, where there is a budget.
    left_today: Option<u32>,
    /// Calls that are left of it for people's requests.
    left_for_people: Option<u32>,
    day_ends_at: Option<DateTime<Utc>>,
    /// That it asked to be left alone, and until when.
    gate: Option<GateView>,
    breaker: BreakerView,
    /// Codes of its answers that have no meaning of ours, with how often they were seen; not in the list.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    unmapped_codes: Vec<CodeSeen>,
}

/// What a system bears, as it is in force.
#[derive(Debug, Serialize, JsonSchema)]
struct LimitsView {
    limit: u32,
    window_ms: u64,
    burst: u32,
    /// Calls a day, where there is a budget.
    daily: Option<u32>,
    /// When the other side begins a new day, and in which zone.
    #[schemars(with = "Option<String>")]
    day_begins: Option<DayReset>,
    reserve_percent: Option<u8>,
    adaptive: bool,
}

#[derive(Debug, Serialize, JsonSchema)]
struct GateView {
    until: DateTime<Utc>,
    reason: String,
}

#[derive(Debug, Serialize, JsonSchema)]
struct BreakerView {
    state: Phase,
    since: Option<DateTime<Utc>>,
    until: Option<DateTime<Utc>>,
    cause: Option<Cause>,
    why: Option<String>,
    /// That a person keeps it open or closed.
    forced: Option<ForcedView>,
}

impl BreakerView {
    /// That of a system that was never called.
    fn closed() -> Self {
        Self { state: Phase::Closed, since: None, until: None, cause: None, why: None, forced: None }
    }
}

#[derive(Debug, Serialize, JsonSchema)]
struct ForcedView {
    to: Phase,
    since: DateTime<Utc>,
    until: Option<DateTime<Utc>>,
    actor: String,
    reason: String,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct LimitsAsk {
    #[serde(default)]
    #[schemars(!default, with = "Reason")]
    reason: String,
    /// Those that are named are set; null goes back to what is configured.
    #[schemars(with = "LiveLimits")]
    limits: Map<String, Value>,
}

#[derive(Debug, Clone, Copy, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum Wanted {
    /// Nobody calls it.
    Open,
    /// It is called whatever happens.
    Closed,
    /// As it goes by itself.
    Auto,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct BreakerAsk {
    #[serde(default)]
    #[schemars(!default, with = "Reason")]
    reason: String,
    state: Wanted,
    /// It ends by itself after so many seconds.
    #[schemars(range(min = 1, max = FORCE_MAX_S))]
    for_s: Option<u32>,
}

pub(crate) async fn list(State(api): State<Arc<Api>>, _: Reports) -> Result<Page<CarrierView>, Problem> {
    let views = api.ask(api.store.systems()).await?;
    let of = |system: &CarrierSystem| view(system, views.iter().find(|view| view.key == system.key));
    Ok(page(api.carriers.iter().map(of).collect(), MOST, |_| None))
}

pub(crate) async fn one(
    State(api): State<Arc<Api>>,
    _: Reports,
    Named(id): Named<String>,
) -> Result<Tagged<CarrierView>, Problem> {
    let system = api.carrier(&id)?;
    api.shown(system).await
}

pub(crate) async fn limit(
    State(api): State<Arc<Api>>,
    operator: Operator,
    Named(id): Named<String>,
    IfMatch(tag): IfMatch,
    Sent(asked): Sent<LimitsAsk, COMMAND_BYTES>,
) -> Result<Tagged<CarrierView>, Problem> {
    let system = api.carrier(&id)?;
    need_reason(&asked.reason)?;
    let present = api.system(system).await?;
    let (version, live) = present.map_or((0, LiveLimits::default()), |view| (view.version, view.live));
    if if_match(tag.as_ref())?.is_some_and(|expected| expected != version) {
        return Err(changed(version));
    }
    let live = merged(&live, asked.limits)?;
    let terms = system.terms.with(&live);
    terms.check().map_err(|error| broken("/limits", error.to_string()))?;
    if live.reserve_percent.is_some() && terms.daily.is_none() {
        return Err(broken(
            "/limits/reserve_percent",
            "is for a system with a budget of a day; set daily, too",
        ));
    }
    let by = By { id: api.new_id(), actor: operator.key_id, reason: asked.reason };
    let (version, set) = api.ask(api.store.set_limits(&system.key, &live, Some(version), &by)).await?;
    if !set {
        return Err(changed(version));
    }
    api.shown(system).await
}

pub(crate) async fn breaker(
    State(api): State<Arc<Api>>,
    operator: Operator,
    Named(id): Named<String>,
    Sent(asked): Sent<BreakerAsk, COMMAND_BYTES>,
) -> Result<Tagged<CarrierView>, Problem> {
    let system = api.carrier(&id)?;
    need_reason(&asked.reason)?;
    let since = api.clock.now();
    let until = match asked.for_s {
        Some(seconds) if (1..=FORCE_MAX_S).contains(&seconds) => {
            Some(since + Duration::from_secs(u64::from(seconds)))
        }
        Some(_) => return Err(broken("/for_s", format!("must be 1 to {FORCE_MAX_S}"))),
        None => None,
    };
    let (actor, reason) = (operator.key_id.clone(), asked.reason.clone());
    let force = match asked.state {
        Wanted::Open => Some(Force { open: true, until, since, actor, reason }),
        Wanted::Closed => Some(Force { open: false, until, since, actor, reason }),
        Wanted::Auto if until.is_some() => {
            return Err(broken("/for_s", "is for a breaker that is kept open or closed"));
        }
        Wanted::Auto => None,
    };
    let by = By { id: api.new_id(), actor: operator.key_id, reason: asked.reason };
    api.ask(api.store.force_breaker(&system.key, force, &by)).await?;
    api.shown(system).await
}

impl Api {
    fn carrier(&self, id: &str) -> Result<&CarrierSystem, Problem> {
        let found = self.carriers.iter().find(|system| system.id.as_str() == id);
        found.ok_or_else(|| not_found("carrier"))
    }

    async fn system(&self, system: &CarrierSystem) -> Result<Option<SystemView>, Problem> {
        let views = self.ask(self.store.systems()).await?;
        Ok(views.into_iter().find(|view| view.key == system.key))
    }

    async fn shown(&self, system: &CarrierSystem) -> Result<Tagged<CarrierView>, Problem> {
        let codes = self.ask(self.store.codes(&system.id)).await?;
        let view = CarrierView { unmapped_codes: codes, ..view(system, self.system(system).await?.as_ref()) };
        Ok(Tagged { version: view.version, what: view })
    }
}

/// The version that the caller goes by, if it says.
fn if_match(tag: Option<&HeaderValue>) -> Result<Option<i64>, Problem> {
    let Some(value) = tag else { return Ok(None) };
    let version = value.to_str().ok().and_then(version);
    let detail = "If-Match must hold the ETag of an earlier answer, like \"3\".";
    version.map(Some).ok_or_else(|| Problem::new(Kind::InvalidRequest, detail))
}

fn changed(version: i64) -> Problem {
    let detail = format!("The limits were changed meanwhile (now version {version}); look at them again.");
    Problem::new(Kind::Conflict, detail)
}

/// What is set once this is set, too.
fn merged(live: &LiveLimits, asked: Map<String, Value>) -> Result<LiveLimits, Problem> {
    if asked.is_empty() {
        return Err(broken("/limits", "name at least one: limit, window_ms, burst, daily, reserve_percent"));
    }
    let mut all = match json!(live) {
        Value::Object(all) => all,
        _ => Map::new(),
    };
    for (name, value) in asked {
        _ = if value.is_null() { all.remove(&name) } else { all.insert(name, value) };
    }
    serde_path_to_error::deserialize(Value::Object(all))
        .map_err(|error| broken(&format!("/limits/{}", error.path()), error.inner().to_string()))
}

fn view(system: &CarrierSystem, known: Option<&SystemView>) -> CarrierView {
    let set = known.map(|view| view.live).unwrap_or_default();
    let terms = system.terms.with(&set);
    let left = |purpose| match known {
        Some(view) => view.left_today(&system.terms, purpose),
        None => terms.most_for(purpose),
    };
    let day = known.and_then(|view| view.day.filter(|day| day.until > view.now));
    let gate = known.and_then(|view| view.gate.as_ref().filter(|(until, _)| *until > view.now));
    let rate = known.map_or_else(|| terms.quota.rate(), |view| view.rate(&system.terms));
    let recovering = known.is_some_and(|view| {
        view.recovering_from.is_some_and(|from| view.now - from < delta(terms.breaker.pause))
    });
    CarrierView {
        id: system.id.to_string(),
        rate_per_s: (rate * 1000.0).round() / 1000.0,
        recovering,
        limits: LimitsView {
            limit: terms.quota.limit,
            window_ms: terms.quota.window.as_millis() as u64,
            burst: terms.quota.burst,
            daily: terms.daily.map(|daily| daily.most),
            day_begins: terms.daily.map(|daily| daily.reset),
            reserve_percent: terms.daily.map(|daily| daily.reserve_percent),
            adaptive: terms.adaptive,
        },
        set,
        version: known.map_or(0, |view| view.version),
        used_today: terms.daily.map(|_| day.map_or(0, |day| day.used)),
        left_today: left(Purpose::Routine),
        left_for_people: left(Purpose::Person),
        day_ends_at: day.filter(|_| terms.daily.is_some()).map(|day| day.until),
        gate: gate.map(|(until, reason)| GateView { until: *until, reason: reason.clone() }),
        breaker: known.map_or_else(BreakerView::closed, |view| breaker_view(&view.breaker, view.now)),
        unmapped_codes: Vec::new(),
    }
}

fn breaker_view(breaker: &Breaker, now: DateTime<Utc>) -> BreakerView {
    let bar = breaker.bar.as_ref();
    BreakerView {
        state: breaker.phase(now),
        since: bar.map(|bar| bar.since),
        until: bar.map(|bar| bar.until),
        cause: bar.map(|bar| bar.cause),
        why: bar.map(|bar| bar.why.clone()),
        forced: breaker.forced(now).map(|force| ForcedView {
            to: if force.open { Phase::Open } else { Phase::Closed },
            since: force.since,
            until: force.until,
            actor: force.actor.clone(),
            reason: force.reason.clone(),
        }),
    }
}

fn delta(length: Duration) -> chrono::TimeDelta {
    chrono::TimeDelta::from_std(length).unwrap_or_default()
}
