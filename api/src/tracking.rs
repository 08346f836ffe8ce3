//! One return, one parcel.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use forebay_intake::Problem;
use forebay_schemas::{CarrierCode, ReturnId, TrackingNumber};
use forebay_store::{ParcelView, ReturnView};

use crate::api::Api;
use crate::callers::Reader;
use crate::extract::Named;
use crate::failure::not_found;

pub(crate) async fn one_return(
    State(api): State<Arc<Api>>,
    _: Reader,
    Named(return_id): Named<ReturnId>,
) -> Result<Json<ReturnView>, Problem> {
    let found = api.ask(api.store.return_by_id(&return_id)).await?;
    found.map(Json).ok_or_else(|| not_found("return"))
}

pub(crate) async fn one_parcel(
    State(api): State<Arc<Api>>,
    _: Reader,
    Named((carrier, number)): Named<(CarrierCode, TrackingNumber)>,
) -> Result<Json<ParcelView>, Problem> {
    let found = api.ask(api.store.parcel(&carrier, &number)).await?;
    found.map(Json).ok_or_else(|| not_found("parcel"))
}
