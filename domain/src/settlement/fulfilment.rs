//! What becomes of a claim after it was settled: shipped, taken back, looked at again.

use chrono::{DateTime, Utc};
use forebay_schemas::events::{ClaimFulfilled, ClaimReversed, ClaimState, StockChangeKind};
use forebay_schemas::{CarrierCode, MemberId, ProgrammeId, RewardId, RuleId, TrackingNumber};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::erasure::is_erased;
use crate::incident::{AlertRule, Raise, Severity};
use crate::stock::Change;

/// Where a claim stands.
///
/// A claim for points stays granted: the points are the member's with that, and nothing has to leave the house.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "ClaimState")]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    /// The reward is the member's; a product is to be shipped.
    Granted,
    /// The product was shipped.
    Fulfilled,
    /// Taken back. Final.
    Reversed,
    /// Refused when it was settled. Final.
    Rejected,
}

impl Stage {
    /// Every stage.
    pub const ALL: &'static [Self] = &[Self::Granted, Self::Fulfilled, Self::Reversed, Self::Rejected];

    /// The stage in a word.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Granted => ClaimState::Granted.as_str(),
            Self::Fulfilled => "fulfilled",
            Self::Reversed => "reversed",
            Self::Rejected => ClaimState::Rejected.as_str(),
        }
    }
}

/// How a product was sent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shipment {
    /// Who carries it.
    pub carrier: CarrierCode,
    /// Its number there.
    pub tracking_number: TrackingNumber,
}

/// A claim as the store holds it locked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standing {
    /// The claim.
    pub claim_id: Uuid,
    /// The programme.
    pub programme_id: ProgrammeId,
    /// The rule.
    pub rule_id: RuleId,
    /// The reward; none when the rule was unknown.
    pub reward_id: Option<RewardId>,
    /// The member.
    pub member_id: MemberId,
    /// Where it stands.
    pub stage: Stage,
    /// How it was sent.
    pub shipment: Option<Shipment>,
    /// The reward is a thing, not points.
    pub is_product: bool,
}

/// How far a person goes who takes a claim back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reach {
    /// Only what was not shipped.
    NotShipped,
    /// Also what was shipped.
    Shipped,
}

/// Why a claim can't become what somebody wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hindrance {
    /// It was refused: nothing was given out.
    Rejected,
    /// It was taken back.
    Reversed,
    /// It is for points: there is nothing to ship.
    NotAProduct,
    /// It was shipped already, under another number or by another carrier.
    ShippedOtherwise,
    /// It was shipped already.
    Shipped,
    /// Its member was erased: there is nobody to ship to, and a parcel's number would lead to them.
    Erased,
}

/// What is to be done with a claim.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step<F> {
    /// Nothing: it is as it should be.
    Nothing,
    /// This, with its fact.
    Do(F),
}

impl Standing {
    /// Ships it. A repeat is nothing new; with `replace` another number takes the place of the one that it has.
    ///
    /// # Errors
    /// The [`Hindrance`].
    pub fn ship(
        &self,
        shipment: &Shipment,
        replace: bool,
        now: DateTime<Utc>,
    ) -> Result<Step<ClaimFulfilled>, Hindrance> {
        let reward_id = self.live_reward()?;
        if !self.is_product {
            return Err(Hindrance::NotAProduct);
        }
        if is_erased(&self.member_id) {
            return Err(Hindrance::Erased);
        }
        match (&self.shipment, self.stage) {
            (Some(before), Stage::Fulfilled) if before == shipment => return Ok(Step::Nothing),
            (_, Stage::Fulfilled) if !replace => return Err(Hindrance::ShippedOtherwise),
            _ => {}
        }
        Ok(Step::Do(ClaimFulfilled {
            claim_id: self.claim_id,
            programme_id: self.programme_id.clone(),
            rule_id: self.rule_id.clone(),
            reward_id,
            member_id: self.member_id.clone(),
            carrier: shipment.carrier.clone(),
            tracking_number: shipment.tracking_number.clone(),
            fulfilled_at: now,
        }))
    }

    /// Takes it back. A repeat is nothing new.
    ///
    /// # Errors
    /// The [`Hindrance`].
    pub fn reverse(&self, reach: Reach, now: DateTime<Utc>) -> Result<Step<ClaimReversed>, Hindrance> {
        if self.stage == Stage::Reversed {
            return Ok(Step::Nothing);
        }
        let reward_id = self.live_reward()?;
        let was_fulfilled = self.stage == Stage::Fulfilled;
        if was_fulfilled && reach == Reach::NotShipped {
            return Err(Hindrance::Shipped);
        }
        Ok(Step::Do(ClaimReversed {
            claim_id: self.claim_id,
            programme_id: self.programme_id.clone(),
            rule_id: self.rule_id.clone(),
            reward_id,
            member_id: self.member_id.clone(),
            was_fulfilled,
            reversed_at: now,
        }))
    }

    fn live_reward(&self) -> Result<RewardId, Hindrance> {
        match self.stage {
            Stage::Reversed => Err(Hindrance::Reversed),
            Stage::Rejected => Err(Hindrance::Rejected),
            // What was granted was granted for a reward.
            Stage::Granted | Stage::Fulfilled => self.reward_id.clone().ok_or(Hindrance::Rejected),
        }
    }
}

/// What a reversal does to the stock: the thing can be given out again, or it is lost.
#[must_use]
pub fn reversal(restock: bool) -> Change {
    Change { kind: StockChangeKind::Reversal, total: if restock { 0 } else { -1 }, issued: -1, low_at: None }
}

/// Claims on one reward that wait too long to be shipped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unshipped {
    /// The reward.
    pub reward_id: RewardId,
    /// Its name, for people.
    pub name: String,
    /// How many.
    pub count: i64,
    /// When the oldest was granted.
    pub oldest: DateTime<Utc>,
}

impl Unshipped {
    /// The incident that tells of it.
    #[must_use]
    pub fn incident(&self, days: u32) -> Raise {
        let Self { reward_id, name, count, oldest } = self;
        Raise {
            fingerprint: unshipped_fingerprint(reward_id),
            rule: AlertRule::ClaimsUnshipped,
            about: None,
            severity: Severity::Warning,
            title: format!("{name}: {count} granted and not shipped for {days} days"),
            impact: "Members wait for what is theirs. Nothing is cancelled by itself.".to_owned(),
            action: format!("forebay claim list --overdue --reward {reward_id}"),
            sample: format!("the oldest was granted at {}", oldest.format("%Y-%m-%d %H:%M UTC")),
            count: *count,
        }
    }
}

/// What makes two raises of [`Unshipped`] the same incident.
#[must_use]
pub fn unshipped_fingerprint(reward_id: &RewardId) -> String {
    format!("claims-unshipped/{reward_id}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::erasure::pseudonym;

    fn now() -> DateTime<Utc> {
        DateTime::from_timestamp(1_700_000_000, 0).unwrap()
    }

    fn shipment(number: &str) -> Shipment {
        Shipment { carrier: "cj".parse().unwrap(), tracking_number: number.parse().unwrap() }
    }

    fn standing(stage: Stage) -> Standing {
        Standing {
            claim_id: Uuid::nil(),
            programme_id: "autumn".parse().unwrap(),
            rule_id: "one-day".parse().unwrap(),
            reward_id: Some("mug".parse().unwrap()),
            member_id: "m-1".parse().unwrap(),
            stage,
            shipment: (stage == Stage::Fulfilled).then(|| shipment("600000000001")),
            is_product: true,
        }
    }

    #[test]
    fn a_granted_product_is_shipped_once_and_its_number_can_be_put_right() {
        let number = shipment("600000000001");
        assert!(matches!(standing(Stage::Granted).ship(&number, false, now()), Ok(Step::Do(_))));
        let shipped = standing(Stage::Fulfilled);
        assert_eq!(shipped.ship(&number, false, now()), Ok(Step::Nothing));
        let other = shipment("600000000002");
        assert_eq!(shipped.ship(&other, false, now()), Err(Hindrance::ShippedOtherwise));
        assert!(matches!(shipped.ship(&other, true, now()), Ok(Step::Do(_))));
        assert_eq!(standing(Stage::Reversed).ship(&number, true, now()), Err(Hindrance::Reversed));
        assert_eq!(standing(Stage::Rejected).ship(&number, true, now()), Err(Hindrance::Rejected));
        let points = Standing { is_product: false, ..standing(Stage::Granted) };
        assert_eq!(points.ship(&number, false, now()), Err(Hindrance::NotAProduct));
    }

    #[test]
    fn nothing_is_shipped_to_who_was_erased() {
        for stage in [Stage::Granted, Stage::Fulfilled] {
            let nobody = Standing { member_id: pseudonym(Uuid::nil()).parse().unwrap(), ..standing(stage) };
            let shipped = nobody.ship(&shipment("600000000001"), true, now());
            assert_eq!(shipped, Err(Hindrance::Erased));
        }
    }

    #[test]
    fn what_was_shipped_is_taken_back_only_by_who_may_reach_it() {
        let done = |stage, reach| standing(stage).reverse(reach, now());
        assert!(matches!(done(Stage::Granted, Reach::NotShipped), Ok(Step::Do(f)) if !f.was_fulfilled));
        assert_eq!(done(Stage::Fulfilled, Reach::NotShipped), Err(Hindrance::Shipped));
        assert!(matches!(done(Stage::Fulfilled, Reach::Shipped), Ok(Step::Do(f)) if f.was_fulfilled));
        assert_eq!(done(Stage::Reversed, Reach::NotShipped), Ok(Step::Nothing));
        assert_eq!(done(Stage::Rejected, Reach::Shipped), Err(Hindrance::Rejected));
    }
}
