//! What stands before every carrier's paths: it counts a call when its head arrives, and misbehaves as it is told.

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};

use crate::carriers::counts::Arrived;
use crate::carriers::{CarrierFaults, CarrierName, Limit, RetryAfter};
use crate::faults::{Who, pause};
use crate::world::World;

/// Why a call is refused before anybody looks at what it asks. Each carrier says it in its own words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Trouble {
    /// The switch says that everything is too much.
    Limited,
    /// Too many calls in a short time.
    TooMany,
    /// Too many calls today.
    DayDone,
    /// The system is down.
    Down,
}

/// How long a call hangs; whoever calls has given up long before.
const HANG: Duration = Duration::from_secs(3_600);
const DAY_S: i64 = 86_400;
const ANSWER_BYTES: usize = 16 * 1024 * 1024;
const HTML: &str =
    "<!DOCTYPE html><html><head><title>Maintenance</title></head><body>We will be back.</body></html>";

type Say = fn(Trouble) -> Response;

#[derive(Clone)]
struct Gate {
    world: Arc<World>,
    name: CarrierName,
    say: Say,
}

/// Puts the gate before a carrier's paths.
pub(crate) fn guarded(
    routes: Router<Arc<World>>,
    world: &Arc<World>,
    name: CarrierName,
    say: Say,
) -> Router<Arc<World>> {
    let gate = Gate { world: Arc::clone(world), name, say };
    routes.route_layer(from_fn_with_state(gate, pass))
}

async fn pass(State(gate): State<Gate>, request: Request, next: Next) -> Response {
    let Gate { world, name, say } = gate;
    // The head is here, the body is not yet asked for: this is when the call arrived.
    let counts = world.record.counts(name);
    let faults = world.switches.get().of_carrier(name);
    let (limit, enforced) = limit(&world, name, &faults);
    let arrived = world.record.carrier_call(name, Instant::now(), limit.window, world.today());
    let _under_way = counts.under_way();
    if faults.hang {
        pause(HANG).await;
    }
    pause(world.options.carrier_latency + Duration::from_millis(faults.latency_ms)).await;
    let over = over(&limit, arrived.in_window, arrived.today);
    let response = if let Some(retry_after) = faults.rate_limited {
        with_retry_after(say(Trouble::Limited), retry_after, &world)
    } else if world.switches.among_first(Who::Carrier(name), faults.fail_next)
        || world.switches.strikes(Who::Carrier(name), faults.fail_percent)
    {
        say(Trouble::Down)
    } else if let Some(trouble) = over.filter(|_| enforced) {
        counts.over_quota();
        say(trouble)
    } else if faults.html {
        html()
    } else if faults.truncated {
        cut(next.run(request).await).await
    } else {
        next.run(request).await
    };
    counts.answered(response.status().as_u16());
    if name == CarrierName::Aftership {
        with_rate_headers(response, &limit, arrived, &world)
    } else {
        response
    }
}

/// What is left of the quota, and the second at which it is whole again; AfterShip tells it with every answer.
fn with_rate_headers(mut response: Response, limit: &Limit, arrived: Arrived, world: &World) -> Response {
    let used = u32::try_from(arrived.in_window).unwrap_or(u32::MAX);
    let is_full = response.status() == StatusCode::TOO_MANY_REQUESTS;
    let day_done = limit.per_day.is_some_and(|most| arrived.today > most);
    let window = if day_done { DAY_S } else { i64::try_from(limit.window.as_secs()).unwrap_or(DAY_S).max(1) };
    let now = world.now().timestamp();
    let headers = response.headers_mut();
    headers.insert("x-ratelimit-limit", limit.calls.into());
    headers
        .insert("x-ratelimit-remaining", if is_full { 0 } else { limit.calls.saturating_sub(used) }.into());
    headers.insert("x-ratelimit-reset", (now - now.rem_euclid(window) + window).into());
    response
}

/// What the carrier takes, and whether it insists.
fn limit(world: &World, name: CarrierName, faults: &CarrierFaults) -> (Limit, bool) {
    let mut limit = world.options.limit(name);
    if let Some(calls) = faults.quota_per_second {
        limit = Limit { per_day: limit.per_day, ..Limit::per_second(calls) };
    }
    limit.per_day = faults.daily_quota.or(limit.per_day);
    let by_switch = faults.quota_per_second.is_some() || faults.daily_quota.is_some();
    (limit, world.options.enforce_quota || by_switch)
}

fn over(limit: &Limit, in_window: usize, today: u64) -> Option<Trouble> {
    if limit.per_day.is_some_and(|most| today > most) {
        return Some(Trouble::DayDone);
    }
    (in_window > limit.calls as usize).then_some(Trouble::TooMany)
}

fn with_retry_after(mut response: Response, retry_after: RetryAfter, world: &World) -> Response {
    let ahead = |seconds: u64| world.now() + Duration::from_secs(seconds);
    let date = retry_after.date_in_s.map(|s| ahead(s).format("%a, %d %b %Y %H:%M:%S GMT").to_string());
    let text = date.or(retry_after.seconds.map(|seconds| seconds.to_string()));
    if let Some(value) = text.and_then(|text| HeaderValue::from_str(&text).ok()) {
        response.headers_mut().insert(header::RETRY_AFTER, value);
    }
    response
}

/// What some proxy or maintenance page puts in the place of an answer.
pub(crate) fn html() -> Response {
    ([(header::CONTENT_TYPE, "text/html; charset=UTF-8")], HTML).into_response()
}

/// The first half of an answer, as if that were all of it.
pub(crate) async fn cut(response: Response) -> Response {
    let (mut parts, body) = response.into_parts();
    let whole = to_bytes(body, ANSWER_BYTES).await.unwrap_or_default();
    let text = String::from_utf8_lossy(&whole);
    let half: String = text.chars().take(text.chars().count() / 2).collect();
    parts.headers.remove(header::CONTENT_LENGTH);
    Response::from_parts(parts, Body::from(half))
}

/// JSON with this status.
pub(crate) fn json(status: StatusCode, value: &serde_json::Value) -> Response {
    (status, [(header::CONTENT_TYPE, "application/json")], value.to_string()).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_day_is_told_before_a_full_window() {
        let limit = Limit { per_day: Some(3), ..Limit::per_second(1) };
        let cases =
            [(1, 1, None), (2, 2, Some(Trouble::TooMany)), (1, 3, None), (2, 4, Some(Trouble::DayDone))];
        for (in_window, today, expected) in cases {
            assert_eq!(over(&limit, in_window, today), expected);
        }
    }
}
