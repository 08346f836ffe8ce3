//! What is wrong with a programme that can be read.

use std::fmt;

use chrono::NaiveDate;
use serde::Serialize;

use super::{Programme, Reward, RewardKind, Rule};
use crate::points::GOOD_FOR_DAYS_MAX;

/// Most rules of one programme.
pub const RULES_MAX: usize = 100;
/// Longest name and stock-keeping unit, in characters.
pub(super) const NAME_MAX: usize = 200;
/// Most days that a rule can ask for.
pub(super) const DAYS_MAX: u32 = 366;
/// Most missed days that can be forgiven at once.
pub(super) const GRACE_MAX: u32 = 30;
/// Most rewards that one member can have under one rule.
pub(super) const PER_MEMBER_MAX: u32 = 1_000;
/// Most points of one reward, most things in stock, most points for each 1,000 minor units.
pub(super) const AMOUNT_MAX: i64 = 1_000_000_000;
/// The years between which a programme may lie.
const YEARS: std::ops::RangeInclusive<i32> = 2000..=2199;

/// Something that is wrong, and where.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Fault {
    /// The place, as a JSON pointer; empty for the whole.
    pub pointer: String,
    /// What is wrong there, without what was written there.
    pub detail: String,
    /// The name of a field that nobody knows, as it was written: for its writer alone.
    #[serde(skip)]
    pub unknown: Option<String>,
}

impl Fault {
    /// A fault at this place.
    #[must_use]
    pub fn at(pointer: impl Into<String>, detail: impl Into<String>) -> Self {
        Self { pointer: pointer.into(), detail: detail.into(), unknown: None }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.pointer.is_empty() {
            write!(f, "{}: ", self.pointer)?;
        }
        f.write_str(&self.detail)
    }
}

/// Faults as they are found.
#[derive(Debug, Default)]
struct Found(Vec<Fault>);

impl Found {
    fn unless(&mut self, sound: bool, pointer: impl Into<String>, detail: impl Into<String>) {
        if !sound {
            self.0.push(Fault::at(pointer, detail));
        }
    }

    fn text(&mut self, text: &str, pointer: impl Into<String>) {
        let sound = !text.trim().is_empty()
            && text.chars().count() <= NAME_MAX
            && !text.chars().any(char::is_control);
        self.unless(
            sound,
            pointer,
            format!("must be 1 to {NAME_MAX} characters, none of them a control character"),
        );
    }
}

/// Every fault of a programme.
pub(super) fn of(programme: &Programme) -> Vec<Fault> {
    let mut found = Found::default();
    found.text(&programme.name, "/name");
    let years = |day: NaiveDate| YEARS.contains(&chrono::Datelike::year(&day));
    let within = format!("must lie in the years {} to {}", YEARS.start(), YEARS.end());
    for (name, day) in [("starts_on", programme.starts_on), ("ends_on", programme.ends_on)] {
        found.unless(years(day), format!("/{name}"), within.as_str());
    }
    found.unless(programme.ends_on >= programme.starts_on, "/ends_on", "ends_on lies before starts_on");
    found.unless(programme.day_start_min <= 719, "/day_start_min", "must be 0 to 719");
    found.unless(programme.grace_days <= GRACE_MAX, "/grace_days", format!("must be 0 to {GRACE_MAX}"));
    let rate = programme.points_per_1000_minor;
    found.unless(
        (0..=AMOUNT_MAX).contains(&rate),
        "/points_per_1000_minor",
        format!("must be 0 to {AMOUNT_MAX}"),
    );
    let good_for = programme.points_valid_days.unwrap_or(1);
    found.unless(
        (1..=GOOD_FOR_DAYS_MAX).contains(&good_for),
        "/points_valid_days",
        format!("must be 1 to {GOOD_FOR_DAYS_MAX}"),
    );
    let windows = std::iter::once(("/claim_until".to_owned(), programme.claim_until)).chain(
        programme
            .rules
            .iter()
            .enumerate()
            .filter_map(|(at, rule)| Some((format!("/rules/{at}/claim_until"), rule.claim_until?))),
    );
    for (pointer, until) in windows {
        found.unless(years(until.date_naive()), pointer.as_str(), within.as_str());
        let early = programme.day_of(until) < programme.starts_on;
        found.unless(!early, pointer, "claim_until lies before starts_on: nobody could claim");
    }
    found.unless(programme.rules.len() <= RULES_MAX, "/rules", format!("must be {RULES_MAX} rules at most"));
    for (at, rule) in programme.rules.iter().enumerate().take(RULES_MAX) {
        rule_of(programme, at, rule, &mut found);
    }
    found.0
}

fn rule_of(programme: &Programme, at: usize, rule: &Rule, found: &mut Found) {
    let place = |name: &str| format!("/rules/{at}/{name}");
    let earlier = &programme.rules[..at];
    found.unless(earlier.iter().all(|e| e.id != rule.id), place("id"), "there are two rules of this id");
    let days = rule.days_required;
    if !(1..=DAYS_MAX).contains(&days) {
        found.unless(false, place("days_required"), format!("days_required must be 1 to {DAYS_MAX}"));
    } else if let Ok(open) = u32::try_from((programme.ends_on - programme.starts_on).num_days() + 1) {
        found.unless(days <= open, place("days_required"), "takes more days than the programme has");
    }
    let most = rule.max_per_member;
    found.unless(
        (1..=PER_MEMBER_MAX).contains(&most),
        place("max_per_member"),
        format!("max_per_member must be 1 to {PER_MEMBER_MAX}"),
    );
    let grace = rule.grace_days.unwrap_or_default();
    found.unless(grace <= GRACE_MAX, place("grace_days"), format!("must be 0 to {GRACE_MAX}"));
    reward_of(&place("reward"), &rule.reward, found);
    let otherwise = earlier.iter().any(|e| e.reward.id == rule.reward.id && e.reward != rule.reward);
    let detail = "is described otherwise by an earlier rule; a reward that several rules give must be the same in each";
    found.unless(!otherwise, place("reward"), detail);
}

fn reward_of(place: &str, reward: &Reward, found: &mut Found) {
    found.text(&reward.name, format!("{place}/name"));
    match &reward.kind {
        RewardKind::Points { points } => found.unless(
            (1..=AMOUNT_MAX).contains(points),
            format!("{place}/points"),
            format!("must be 1 to {AMOUNT_MAX}"),
        ),
        RewardKind::Product { sku } => found.text(sku, format!("{place}/sku")),
    }
    if let Some(stock) = reward.stock {
        for (name, count) in [("total", stock.total), ("low_at", stock.low_at)] {
            let pointer = format!("{place}/stock/{name}");
            found.unless((0..=AMOUNT_MAX).contains(&count), pointer, format!("must be 0 to {AMOUNT_MAX}"));
        }
    }
}
