//! What concerns one member: days, balance, claims.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use forebay_intake::Problem;
use forebay_schemas::{MemberId, ProgrammeId};
use forebay_store::{BalanceView, ClaimView};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::api::Api;
use crate::callers::Reader;
use crate::check_ins::Overview;
use crate::extract::{Asked, Named};
use crate::failure::not_found;
use crate::page::{Page, limit, page};

pub(crate) async fn days(
    State(api): State<Arc<Api>>,
    _: Reader,
    Named((programme_id, member_id)): Named<(ProgrammeId, MemberId)>,
) -> Result<Json<Overview>, Problem> {
    let books = api.ask(api.store.member_books(&programme_id, &member_id)).await?;
    let overview = Overview::of(&books, &programme_id, &member_id, api.clock.now());
    overview.map(Json).ok_or_else(|| not_found("programme"))
}

pub(crate) async fn balance(
    State(api): State<Arc<Api>>,
    _: Reader,
    Named(member_id): Named<MemberId>,
) -> Result<Json<BalanceView>, Problem> {
    Ok(Json(api.ask(api.store.member_balance(&member_id)).await?))
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ClaimsAsk {
    #[schemars(range(min = 1, max = crate::page::MOST))]
    limit: Option<u32>,
}

pub(crate) async fn claims(
    State(api): State<Arc<Api>>,
    _: Reader,
    Named(member_id): Named<MemberId>,
    Asked(asked): Asked<ClaimsAsk>,
) -> Result<Page<ClaimView>, Problem> {
    let limit = limit(asked.limit)?;
    let claims = api.ask(api.store.member_claims(&member_id, limit + 1)).await?;
    Ok(page(claims, limit, |_| None))
}
