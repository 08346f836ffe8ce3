//! Returns: registered as the shop tells of them, and collected from its returns API.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use forebay_carriers::{NumberFault, Registry, numbers};
use forebay_domain::{Clock, Outcome, due};
use forebay_schemas::events::{ParcelOfReturn, ReturnRequested};
use forebay_schemas::{AdapterId, CarrierCode, Code, Payload, TrackingNumber};
use forebay_store::{Identity, NewParcel, NewReturn, Store};
use forebay_telemetry::traces;
use forebay_worker::{Failure, Handler, Inbound, Shape};

use crate::answers;
use crate::shop::{Collected, ShopApi};

/// The consumer's name in the inbox.
pub const CONSUMER: &str = "returns";
/// Most pages read for one collection command; the next firing goes on from the cursor.
const PAGES_MAX: usize = 200;

/// Registers and collects returns.
#[derive(Debug)]
pub struct Returns {
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    carriers: Arc<Registry>,
    shop: Option<Arc<ShopApi>>,
    first_looks: BTreeMap<AdapterId, Duration>,
}

impl Returns {
    /// Registers into this store; collects from `shop`, when the shop has a returns API. New parcels are first asked
    /// about within the time that `first_looks` has for their carrier's system; at once, when it has none.
    #[must_use]
    pub fn new(
        store: Arc<dyn Store>,
        clock: Arc<dyn Clock>,
        carriers: Arc<Registry>,
        shop: Option<Arc<ShopApi>>,
        first_looks: BTreeMap<AdapterId, Duration>,
    ) -> Self {
        Self { store, clock, carriers, shop, first_looks }
    }

    fn new_return(&self, asked: &ReturnRequested, traceparent: Option<String>) -> Result<NewReturn, Outcome> {
        let parcel = match &asked.parcel {
            None => None,
            Some(ParcelOfReturn { carrier, tracking_number }) => {
                let Some(adapter) = self.carriers.adapter_for(carrier) else {
                    let error = format!("no configured system follows parcels of the carrier \"{carrier}\"");
                    return Err(Outcome::reject(Code::Rejected, error));
                };
                if let Err(fault) = self.carriers.check_number(carrier, tracking_number) {
                    let error = wrong_number(carrier, tracking_number, fault);
                    return Err(Outcome::reject(Code::Rejected, error));
                }
                let within = self.first_looks.get(&adapter).copied().unwrap_or_default();
                let due = due::first(tracking_number.as_str(), within, self.clock.now());
                Some(NewParcel {
                    carrier: carrier.clone(),
                    number: tracking_number.clone(),
                    adapter,
                    traceparent,
                    due,
                })
            }
        };
        Ok(NewReturn {
            return_id: asked.return_id.clone(),
            order_id: asked.order_id.clone(),
            requested_at: asked.requested_at,
            parcel,
        })
    }

    async fn register(&self, found: Vec<(Identity, NewReturn)>) -> Result<Vec<Outcome>, Failure> {
        if found.is_empty() {
            return Ok(Vec::new());
        }
        let handled = self.store.register_returns(found, self.clock.now()).await.map_err(answers::failure)?;
        Ok(handled.into_iter().map(answers::outcome).collect())
    }

    /// Reads pages until the shop has no more, each registered with its cursor in one transaction. Repeating it is
    /// harmless, so it needs no inbox.
    async fn collect(&self) -> Result<Outcome, Failure> {
        let Some(shop) = &self.shop else {
            return Ok(Outcome::reject(Code::Rejected, "returns.api_url is not configured"));
        };
        let mut cursor = self.store.collection_cursor().await.map_err(answers::failure)?;
        for _ in 0..PAGES_MAX {
            let page = match shop.page(cursor.as_deref()).await {
                Ok(page) => page,
                Err(outcome) => return Ok(outcome),
            };
            let Some(next) = page.next_cursor.clone().filter(|next| Some(next) != cursor.as_ref()) else {
                self.save(cursor.as_deref(), cursor.as_deref(), page).await?;
                return Ok(Outcome::Done);
            };
            if !self.save(cursor.as_deref(), Some(&next), page).await? {
                return Ok(Outcome::Done);
            }
            cursor = Some(next);
        }
        Ok(Outcome::Done)
    }

    /// `false` when another collector was faster.
    async fn save(&self, from: Option<&str>, to: Option<&str>, page: Collected) -> Result<bool, Failure> {
        let mut returns = Vec::with_capacity(page.returns.len());
        for asked in &page.returns {
            match self.new_return(asked, traces::current()) {
                Ok(new) => returns.push(new),
                Err(refused) => {
                    tracing::warn!(return_id = %asked.return_id, ?refused, "a collected return's parcel can't be followed");
                    returns.push(NewReturn {
                        return_id: asked.return_id.clone(),
                        order_id: asked.order_id.clone(),
                        requested_at: asked.requested_at,
                        parcel: None,
                    });
                }
            }
        }
        let saved = self.store.save_collected(from, to, returns, self.clock.now()).await;
        Ok(saved.map_err(answers::failure)?.is_some())
    }
}

/// In words, with the carriers that the number may be of.
fn wrong_number(carrier: &CarrierCode, number: &TrackingNumber, fault: NumberFault) -> String {
    let others: Vec<CarrierCode> =
        numbers::suggest(number).into_iter().filter(|other| other != carrier).collect();
    let hint = match others.iter().map(CarrierCode::as_str).collect::<Vec<_>>().join(", ") {
        none if none.is_empty() => String::new(),
        others => format!("; it looks like one of: {others}"),
    };
    format!("the parcel's carrier is \"{carrier}\", but {fault}{hint}")
}

#[async_trait]
impl Handler for Returns {
    fn shape(&self) -> Shape {
        let linger = Duration::from_millis(20);
        Shape { batch: 500, linger, concurrency: 2, deadline: Duration::from_secs(30) }
    }

    async fn handle(&self, batch: Vec<Inbound>) -> Result<Vec<Outcome>, Failure> {
        let mut outcomes: Vec<Option<Outcome>> = Vec::with_capacity(batch.len());
        let mut found = Vec::with_capacity(batch.len());
        for inbound in &batch {
            let early = match &inbound.payload {
                Payload::ReturnRequested(asked) => {
                    match self.new_return(asked, inbound.event.traceparent.clone()) {
                        Ok(new) => {
                            found.push((answers::identity(CONSUMER, inbound), new));
                            None
                        }
                        Err(refused) => Some(refused),
                    }
                }
                Payload::CollectReturns(_) => Some(self.collect().await?),
                _ => {
                    Some(Outcome::reject(Code::Rejected, "this type is not handled in the queue of returns"))
                }
            };
            outcomes.push(early);
        }
        let mut registered = self.register(found).await?.into_iter();
        Ok(outcomes
            .into_iter()
            .map(|early| early.or_else(|| registered.next()).unwrap_or_else(answers::unanswered))
            .collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refused_number_is_told_with_its_rule_and_without_the_number() {
        let (carrier, number) = ("cj".parse().unwrap(), "1Z879E930346834440".parse().unwrap());
        let fault = numbers::check(&carrier, &number).unwrap_err();
        let text = wrong_number(&carrier, &number, fault);
        assert_eq!(
            text,
            "the parcel's carrier is \"cj\", but the number can't be one of this carrier's: 10 or 12 digits; it looks \
             like one of: ups"
        );
    }
}
