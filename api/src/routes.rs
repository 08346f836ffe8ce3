//! Every route: its method, its path, who may use it, what answers.
//!
//! To add one, write its handler, add a line to [`all`] with a sentence on what it does and with what it may be refused
//! for (its arguments, its answer and its other refusals are known by their types, see `openapi`), and a line to the table
//! in `tests/it/access.rs`, which says once more who may, and fails without it. Nothing is served that is not listed here. Who may is checked before
//! anything of the request is read; the handler takes the same caller as an argument (`_: Reader`) where it needs to
//! know who it is. Where a member may come, too, say `.or_the_member()`: then `{member_id}` in the path is nobody
//! else's, `me` stands for it, and what the body names is checked by `MembersActor::member`.

use std::sync::Arc;

use axum::Router;
use axum::middleware;
use forebay_intake::Kind::{Conflict, InvalidContent, NotFound, PreconditionFailed, PreconditionRequired};

use crate::api::Api;
use crate::callers::{Access, Admin, EventManager, MembersActor, Operator, Reader, Reports, Warehouse};
use crate::gate::{Gate, enter};
use crate::openapi::Schemas;
pub use crate::route::Route;
use crate::route::{delete, get, post, put};
use crate::{
    alert_tests, attendance, audit_log, blocks, carriers, check_ins, claims, dead_letters, erasure,
    fulfilment, incidents, ledger, members, openapi, parcels, points, profile, programmes, queues, reports,
    returns, stock, version, why, workers,
};

/// Every route.
#[must_use]
pub fn all() -> Vec<Route> {
    vec![
        // Programmes, and what members do.
        get("/v1/programmes", Reader::ACCESS.or_any_member(), programmes::list)
            .says("Programmes, by their ids."),
        get("/v1/programmes/{programme_id}", Reader::ACCESS.or_any_member(), programmes::one)
            .says("A programme, as it can be changed and put again.")
            .refuses(&[NotFound]),
        put("/v1/programmes/{programme_id}", EventManager::ACCESS, programmes::put)
            .says("Makes or changes a programme; with `dry_run` only says what would change.")
            .refuses(&[NotFound, PreconditionFailed, PreconditionRequired]),
        post("/v1/programmes/{programme_id}/state", EventManager::ACCESS, programmes::state)
            .says("Opens, pauses or ends a programme.")
            .refuses(&[NotFound]),
        get("/v1/programmes/{programme_id}/summary", Reports::ACCESS, attendance::summary)
            .says("Check-ins, members and claims of a programme, summed up.")
            .refuses(&[NotFound]),
        get("/v1/programmes/{programme_id}/attendance", Reports::ACCESS, attendance::list)
            .says("Check-ins of a programme, the newest first; as CSV where that is accepted.")
            .refuses(&[NotFound]),
        get("/v1/programmes/{programme_id}/attendance/export", Reports::ACCESS, attendance::export)
            .says("Check-ins of a programme as CSV.")
            .refuses(&[NotFound]),
        post(
            "/v1/programmes/{programme_id}/attendance/{member_id}/{on_date}/void",
            EventManager::ACCESS,
            attendance::void,
        )
        .says("Takes a day from a member.")
        .refuses(&[NotFound]),
        post(
            "/v1/programmes/{programme_id}/attendance/{member_id}/{on_date}/restore",
            EventManager::ACCESS,
            attendance::restore,
        )
        .says("Gives a member back a day that was taken.")
        .refuses(&[NotFound]),
        post(
            "/v1/programmes/{programme_id}/check-ins",
            MembersActor::ACCESS.or_the_member(),
            check_ins::post,
        )
        .says("A member checks in.")
        .refuses(&[NotFound])
        .accepting(),
        post("/v1/programmes/{programme_id}/claims", MembersActor::ACCESS.or_the_member(), claims::post)
            .says("A member claims a reward.")
            .accepting(),
        get(
            "/v1/programmes/{programme_id}/members/{member_id}/days",
            Reader::ACCESS.or_the_member(),
            members::days,
        )
        .says("How far a member has come in a programme.")
        .refuses(&[NotFound]),
        // Claims and stock.
        get("/v1/claims", Reports::ACCESS, fulfilment::list)
            .says("Claims, the newest first; as CSV where that is accepted."),
        get("/v1/claims/export", Reports::ACCESS, fulfilment::export).says("Claims as CSV."),
        post("/v1/claims/{claim_id}/ship", Warehouse::ACCESS, fulfilment::ship)
            .says("Notes that the product of a claim was shipped.")
            .refuses(&[NotFound]),
        post("/v1/claims/{claim_id}/cancel", EventManager::ACCESS, fulfilment::cancel)
            .says("Takes back a claim of which nothing was shipped.")
            .refuses(&[NotFound]),
        post("/v1/claims/{claim_id}/reverse", EventManager::ACCESS, fulfilment::reverse)
            .says("Takes back a claim; for an admin also one that was shipped.")
            .refuses(&[NotFound]),
        post("/v1/claims/{claim_id}/keep", EventManager::ACCESS, fulfilment::keep)
            .says("Notes that a claim was looked at again and stands.")
            .refuses(&[NotFound]),
        get("/v1/rewards", Reader::ACCESS, stock::rewards).says("Rewards, by their ids, with their stock."),
        get("/v1/rewards/{reward_id}/stock", Reader::ACCESS, stock::one)
            .says("The stock of a reward.")
            .refuses(&[NotFound]),
        put("/v1/rewards/{reward_id}/stock", EventManager::ACCESS, stock::set)
            .says("Sets a stock that was seen to a new total.")
            .refuses(&[NotFound, PreconditionFailed, PreconditionRequired]),
        post("/v1/rewards/{reward_id}/stock/movements", EventManager::ACCESS, stock::change)
            .says("Changes a stock by so many.")
            .refuses(&[NotFound]),
        get("/v1/rewards/{reward_id}/stock/history", Reports::ACCESS, stock::history)
            .says("What happened to a stock, the newest first; as CSV where that is accepted.")
            .refuses(&[NotFound]),
        get("/v1/rewards/{reward_id}/stock/history/export", Reports::ACCESS, stock::export)
            .says("What happened to a stock as CSV.")
            .refuses(&[NotFound]),
        get("/v1/claims/{claim_id}", Reader::ACCESS.or_the_member(), claims::one)
            .says("A claim that is settled.")
            .refuses(&[NotFound]),
        // Members.
        get("/v1/members/{member_id}", Reader::ACCESS.or_the_member(), profile::one)
            .says("What is known of a member, at a glance."),
        get("/v1/members/{member_id}/why", Reader::ACCESS.or_the_member(), why::why)
            .says("What stands between a member and each reward.")
            .refuses(&[NotFound]),
        post("/v1/members/{member_id}/block", EventManager::ACCESS, blocks::block)
            .says("Lets a member take part no more."),
        post("/v1/members/{member_id}/unblock", EventManager::ACCESS, blocks::unblock)
            .says("Lets a member take part again."),
        get("/v1/members/{member_id}/balance", Reader::ACCESS.or_the_member(), members::balance)
            .says("How many points a member has."),
        get("/v1/members/{member_id}/claims", Reader::ACCESS.or_the_member(), members::claims)
            .says("A member's newest claims."),
        post("/v1/members/{member_id}/erase", Admin::ACCESS, erasure::erase)
            .says("Erases a person; with `dry_run` only counts what there is."),
        // Points.
        post("/v1/members/{member_id}/spends", MembersActor::ACCESS, points::spend)
            .says("Spends a member's points.")
            .accepting(),
        get("/v1/spends/{spend_id}", Reader::ACCESS.or_the_member(), points::one_spend)
            .says("A spending that is settled.")
            .refuses(&[NotFound]),
        get("/v1/members/{member_id}/points", Reader::ACCESS.or_the_member(), points::points)
            .says("A member's points, with what is left of each grant."),
        post("/v1/members/{member_id}/points", EventManager::ACCESS, points::adjust)
            .says("Corrects a member's points."),
        get("/v1/members/{member_id}/ledger", Reader::ACCESS.or_the_member(), points::ledger)
            .says("What happened to a member's points, the newest first."),
        post("/v1/ledger/{txn_id}/reverse", EventManager::ACCESS, ledger::reverse)
            .says("Takes back a transaction.")
            .refuses(&[NotFound]),
        post("/v1/ledger/check", Reports::ACCESS, ledger::check)
            .says("Looks over the books, as the nightly check does."),
        post("/v1/ledger/mend", Admin::ACCESS, ledger::mend)
            .says("Sets what follows from the ledger to what the ledger says."),
        // Returns and parcels.
        get("/v1/returns", Reports::ACCESS, returns::list).says("Returns, the newest first."),
        post("/v1/returns/collect", Warehouse::ACCESS, returns::collect)
            .says("Reads the shop's returns now."),
        get("/v1/returns/{return_id}", Reader::ACCESS, returns::one)
            .says("A return, with its history and its parcel.")
            .refuses(&[NotFound]),
        post("/v1/returns/{return_id}/resend", Warehouse::ACCESS, returns::resend)
            .says("Sends the result of a return to the shop again.")
            .refuses(&[NotFound]),
        get("/v1/parcels", Reports::ACCESS, parcels::list).says("Parcels."),
        get("/v1/parcels/{carrier}/{number}", Reader::ACCESS, parcels::one)
            .says("A parcel, with what happened to it.")
            .refuses(&[NotFound]),
        post("/v1/parcels/{carrier}/{number}/check", Warehouse::ACCESS, parcels::check)
            .says("Asks the carrier about a parcel now.")
            .refuses(&[NotFound]),
        // Dead letters.
        get("/v1/dead-letters", Reports::ACCESS, dead_letters::list)
            .says("Dead letters, the newest first; open ones unless another status is asked for."),
        get("/v1/dead-letters/groups", Reports::ACCESS, dead_letters::groups)
            .says("Dead letters by what they have in common."),
        get("/v1/dead-letters/export", Reports::ACCESS, dead_letters::export)
            .says("Dead letters, whole, a line of JSON each."),
        post("/v1/dead-letters/discard", Operator::ACCESS, dead_letters::discard)
            .says("Discards dead letters; with `dry_run` only counts them."),
        get("/v1/dead-letters/replays", Reports::ACCESS, dead_letters::replays)
            .says("Replays, the newest first."),
        post("/v1/dead-letters/replays", Operator::ACCESS, dead_letters::begin)
            .says("Begins to replay dead letters; with `dry_run` only counts them."),
        get("/v1/dead-letters/replays/{id}", Reports::ACCESS, dead_letters::replay)
            .says("A replay.")
            .refuses(&[NotFound]),
        delete("/v1/dead-letters/replays/{id}", Operator::ACCESS, dead_letters::abort)
            .says("Ends a replay.")
            .refuses(&[NotFound, InvalidContent]),
        get("/v1/dead-letters/{id}", Reports::ACCESS, dead_letters::one)
            .says("A dead letter, whole.")
            .refuses(&[NotFound]),
        // The running of the system.
        get("/v1/queues", Reports::ACCESS, queues::list)
            .says("Queues: how full they are, and who works on them."),
        get("/v1/queues/{name}", Reports::ACCESS, queues::one).says("A queue.").refuses(&[NotFound]),
        post("/v1/queues/{name}/pause", Operator::ACCESS, queues::pause)
            .says("Leaves a queue alone.")
            .refuses(&[NotFound]),
        post("/v1/queues/{name}/resume", Operator::ACCESS, queues::resume)
            .says("Works on a queue again.")
            .refuses(&[NotFound]),
        get("/v1/scale/{name}", Reports::ACCESS, queues::scale)
            .says("How many workers a queue has work for, as a scaler reads it.")
            .refuses(&[NotFound, Conflict]),
        get("/v1/carriers", Reports::ACCESS, carriers::list).says("Carriers' systems."),
        get("/v1/carriers/{id}", Reports::ACCESS, carriers::one)
            .says("A carrier's system: what it bears, and what is used.")
            .refuses(&[NotFound]),
        post("/v1/carriers/{id}/limits", Operator::ACCESS, carriers::limit)
            .says("Changes what a carrier's system is taken to bear.")
            .refuses(&[NotFound]),
        post("/v1/carriers/{id}/breaker", Operator::ACCESS, carriers::breaker)
            .says("Keeps a carrier's breaker open or closed, or leaves it to itself.")
            .refuses(&[NotFound]),
        get("/v1/workers", Reports::ACCESS, workers::list).says("Workers."),
        post("/v1/workers/{id}/drain", Operator::ACCESS, workers::drain)
            .says("Lets a worker take no more.")
            .refuses(&[NotFound]),
        get("/v1/reports/daily", Reports::ACCESS, reports::daily)
            .says("What a day brought, against the day before it."),
        get("/v1/audit-log", Reports::ACCESS, audit_log::list).says("What people did, the newest first."),
        get("/v1/incidents", Reports::ACCESS, incidents::list)
            .says("Incidents; open ones unless others are asked for."),
        get("/v1/incidents/{id}", Reports::ACCESS, incidents::one).says("An incident.").refuses(&[NotFound]),
        post("/v1/incidents/{id}/ack", Operator::ACCESS, incidents::ack)
            .says("Takes an incident on.")
            .refuses(&[NotFound]),
        post("/v1/incidents/{id}/snooze", Operator::ACCESS, incidents::snooze)
            .says("Leaves an incident in silence for a while.")
            .refuses(&[NotFound]),
        post("/v1/alerts/test", Operator::ACCESS, alert_tests::ask)
            .says("Sends each sink a message that says that it is a test."),
        get("/v1/alerts/test/{id}", Operator::ACCESS, alert_tests::one)
            .says("What the sinks answered to a test; nothing while they have not."),
        get("/openapi.json", Access::ANYBODY, openapi::get).says("This document.").accepting(),
        get("/v1/version", Access::ANYBODY, version::get).says("Which release answers.").accepting(),
    ]
}

/// The routes, each behind its gate.
pub(crate) fn router(api: &Arc<Api>) -> Router {
    let mut router = Router::new();
    for route in all() {
        let path = route.path();
        let told = || Arc::new(route.operation(&mut Schemas::new()).statuses());
        // Where tests run, no answer goes out that the document does not tell of.
        let told = cfg!(debug_assertions).then(told);
        let gate = Gate { api: Arc::clone(api), access: route.access, counted: route.counted, told };
        let handler = route.handler.route_layer(middleware::from_fn_with_state(gate, enter));
        router = router.route(path, handler);
    }
    router.with_state(Arc::clone(api))
}
