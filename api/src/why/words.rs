//! What stands between a member and a reward, in words.

use std::collections::BTreeSet;

use chrono::{DateTime, NaiveDate, Utc};
use forebay_domain::programme::{CountMode, Programme, ProgrammeState, Rule};
use forebay_domain::settlement::Judgement;
use forebay_schemas::events::RejectCode;
use forebay_store::Block;

/// Most days that are named one by one.
const DAYS_NAMED: usize = 7;

/// What is known of a member under one rule.
#[derive(Debug)]
pub(super) struct Case<'c> {
    pub(super) programme: &'c Programme,
    pub(super) rule: &'c Rule,
    /// The days that count.
    pub(super) days: &'c BTreeSet<NaiveDate>,
    /// Days that were taken from the member.
    pub(super) voided: &'c BTreeSet<NaiveDate>,
    pub(super) judgement: Judgement,
    pub(super) now: DateTime<Utc>,
    /// The block, as far as whoever asks may know.
    pub(super) block: Option<&'c Block>,
    /// When the claims under the rule were made that were granted.
    pub(super) claimed_at: Vec<DateTime<Utc>>,
    /// Since when there is none left.
    pub(super) out_since: Option<DateTime<Utc>>,
}

impl Case<'_> {
    /// One sentence, without the full stop.
    pub(super) fn text(&self) -> String {
        match self.judgement.refused {
            None => format!("can be claimed: {}", self.counted()),
            Some(RejectCode::ProgrammeNotActive) => self.closed(),
            Some(RejectCode::ClaimWindowClosed) => {
                format!("claims closed on {}", self.moment(self.programme.claim_until_of(self.rule)))
            }
            Some(RejectCode::MemberBlocked) => self.blocked(),
            Some(RejectCode::NotEnoughDays) => self.too_few(),
            Some(RejectCode::AlreadyClaimed) => self.claimed(),
            Some(RejectCode::OutOfStock) => match self.out_since {
                Some(since) => format!("out of stock since {}; {}", self.moment(since), self.counted()),
                None => format!("out of stock; {}", self.counted()),
            },
            Some(other) => other.as_str().replace('_', " "),
        }
    }

    fn closed(&self) -> String {
        match self.programme.state {
            ProgrammeState::Draft => "the programme is a draft: it is not open to members yet".to_owned(),
            ProgrammeState::Paused => "the programme is paused".to_owned(),
            ProgrammeState::Active | ProgrammeState::Ended => "the programme is not running".to_owned(),
        }
    }

    fn blocked(&self) -> String {
        let block = self.block;
        let since = block.and_then(|block| block.since).map(|at| format!(" since {}", self.moment(at)));
        let reason = block.and_then(|block| block.reason.as_deref()).map(|reason| format!(": {reason}"));
        format!("blocked{}{}", since.unwrap_or_default(), reason.unwrap_or_default())
    }

    fn claimed(&self) -> String {
        let times: Vec<String> = self.claimed_at.iter().map(|at| self.moment(*at)).collect();
        match times.as_slice() {
            [] => "claimed already".to_owned(),
            [one] => format!("claimed already on {one}"),
            all => format!("claimed already as often as the rule allows, on {}", all.join(" and ")),
        }
    }

    fn too_few(&self) -> String {
        let Programme { starts_on, ends_on, .. } = self.programme;
        let today = self.programme.day_of(self.now);
        if today < *starts_on {
            return format!("opens on {starts_on}");
        }
        let text = self.counted();
        let running = self.programme.progress(self.rule, self.days, today).running;
        let lacking = self.rule.days_required.saturating_sub(running);
        let next = if self.days.contains(&today) { today.succ_opt().unwrap_or(today) } else { today };
        let left = u32::try_from((*ends_on - next).num_days() + 1).unwrap_or(0);
        match (self.programme.state, lacking, left) {
            (ProgrammeState::Ended, ..) => format!("{text}; the programme has ended"),
            (_, _, 0) => format!("{text}; the last day was {ends_on}"),
            (_, lacking, left) if lacking > left => {
                format!("{text}; {}, and up to {ends_on} there are only {left}", more(lacking))
            }
            (_, lacking, _) => format!("{text}; {}, up to {ends_on}", more(lacking)),
        }
    }

    /// How many days count, and which are missing between the first of them and today.
    fn counted(&self) -> String {
        let (seen, required) = (self.judgement.days_seen, self.rule.days_required);
        let mode = self.rule.count_mode.unwrap_or(self.programme.count_mode);
        let kind = if mode == CountMode::Consecutive { " in a row" } else { "" };
        let text = format!("{seen} of {required} days counted{kind}");
        if seen >= required {
            return text;
        }
        let today = self.programme.day_of(self.now).min(self.programme.ends_on);
        let first = self.days.iter().chain(self.voided).min();
        let missing: Vec<String> = first
            .into_iter()
            .flat_map(|first| first.iter_days())
            // Today is not over.
            .take_while(|day| *day < today)
            .filter(|day| !self.days.contains(day))
            .map(
                |day| if self.voided.contains(&day) { format!("{day}, taken back") } else { day.to_string() },
            )
            .collect();
        match missing.len() {
            0 => text,
            1..=DAYS_NAMED => format!("{text} (missing {})", missing.join("; ")),
            many => format!("{text} (missing {many} days since the first)"),
        }
    }

    /// To the minute, on the programme's clock.
    fn moment(&self, at: DateTime<Utc>) -> String {
        at.with_timezone(&self.programme.tz).format("%Y-%m-%d %H:%M %Z").to_string()
    }
}

fn more(days: u32) -> String {
    if days == 1 { "1 more day is needed".to_owned() } else { format!("{days} more days are needed") }
}

#[cfg(test)]
mod tests {
    use forebay_domain::settlement::{Books, judgement};
    use forebay_schemas::MemberId;
    use forebay_schemas::events::ClaimRequested;
    use serde_json::json;

    use super::*;

    /// Five days in Seoul earn a mug; noon of 2026-11-20 there.
    fn programme() -> Programme {
        serde_json::from_value(json!({
            "id": "autumn", "name": "Autumn", "tz": "Asia/Seoul", "count_mode": "total",
            "starts_on": "2026-11-01", "ends_on": "2026-11-30", "claim_until": "2026-12-15T00:00:00Z",
            "state": "active",
            "rules": [{"id": "five-days", "days_required": 5,
                       "reward": {"id": "mug", "name": "A mug", "kind": "product", "sku": "MUG-1"}}],
        }))
        .unwrap()
    }

    fn at(text: &str) -> DateTime<Utc> {
        text.parse().unwrap()
    }

    fn days(all: &[u32]) -> BTreeSet<NaiveDate> {
        all.iter().map(|day| NaiveDate::from_ymd_opt(2026, 11, *day).unwrap()).collect()
    }

    /// What else is known.
    #[derive(Default)]
    struct Known {
        voided: Vec<u32>,
        refused: Option<RejectCode>,
        block: Option<Block>,
        at: Option<DateTime<Utc>>,
    }

    fn told(programme: &Programme, count: &[u32], now: &str, known: Known) -> String {
        let member_id = MemberId::new("m-1").unwrap();
        let rule = &programme.rules[0];
        let mut books = Books::default();
        books.programmes.insert(programme.id.clone(), programme.clone());
        books.days.insert((programme.id.clone(), member_id.clone()), days(count));
        let ask = ClaimRequested {
            claim_id: uuid::Uuid::nil(),
            programme_id: programme.id.clone(),
            rule_id: rule.id.clone(),
            member_id,
        };
        let Judgement { days_seen, slot, refused } = judgement(&books, &ask, at(now));
        let case = Case {
            programme,
            rule,
            days: &days(count),
            voided: &days(&known.voided),
            judgement: Judgement { days_seen, slot, refused: known.refused.or(refused) },
            now: at(now),
            block: known.block.as_ref(),
            claimed_at: known.at.into_iter().collect(),
            out_since: known.at,
        };
        case.text()
    }

    const NOON: &str = "2026-11-20T03:00:00Z";

    #[test]
    fn missing_days_are_named_and_how_many_are_left() {
        let autumn = programme();
        for (counted, now, text) in [
            (&[][..], NOON, "0 of 5 days counted; 5 more days are needed, up to 2026-11-30"),
            (
                &[16, 17, 19, 20],
                NOON,
                "4 of 5 days counted (missing 2026-11-18); 1 more day is needed, up to 2026-11-30",
            ),
            (&[19], NOON, "1 of 5 days counted; 4 more days are needed, up to 2026-11-30"),
            (
                &[1],
                NOON,
                "1 of 5 days counted (missing 18 days since the first); 4 more days are needed, up to 2026-11-30",
            ),
            (
                &[27, 28],
                "2026-11-29T03:00:00Z",
                "2 of 5 days counted; 3 more days are needed, and up to 2026-11-30 there are only 2",
            ),
            (&[28, 29, 30], "2026-12-01T03:00:00Z", "3 of 5 days counted; the last day was 2026-11-30"),
            (&[], "2026-10-20T03:00:00Z", "opens on 2026-11-01"),
            (&[16, 17, 18, 19, 20], NOON, "can be claimed: 5 of 5 days counted"),
            (&[1, 2, 3, 4, 5], "2026-12-16T00:00:00Z", "claims closed on 2026-12-15 09:00 KST"),
        ] {
            assert_eq!(told(&autumn, counted, now, Known::default()), text);
        }
    }

    #[test]
    fn a_run_that_broke_begins_again() {
        let mut autumn = programme();
        autumn.count_mode = CountMode::Consecutive;
        let text = told(&autumn, &[15, 16, 18, 19], NOON, Known::default());
        assert!(text.starts_with("2 of 5 days counted in a row (missing 2026-11-17); 3 more days"), "{text}");
    }

    #[test]
    fn what_else_stands_against_it_is_said_with_its_time() {
        let autumn = programme();
        let five = &[16, 17, 18, 19, 20][..];
        let block = Block { since: Some(at(NOON)), reason: Some("two accounts".to_owned()) };
        let noon = Some(at(NOON));
        for (refused, block, text) in [
            (RejectCode::MemberBlocked, Some(block), "blocked since 2026-11-20 12:00 KST: two accounts"),
            (RejectCode::MemberBlocked, None, "blocked"),
            (RejectCode::AlreadyClaimed, None, "claimed already on 2026-11-20 12:00 KST"),
            (RejectCode::OutOfStock, None, "out of stock since 2026-11-20 12:00 KST; 5 of 5 days counted"),
        ] {
            let known = Known { refused: Some(refused), block, at: noon, ..Known::default() };
            assert_eq!(told(&autumn, five, NOON, known), text);
        }
        let mut paused = programme();
        paused.state = ProgrammeState::Paused;
        assert_eq!(told(&paused, five, NOON, Known::default()), "the programme is paused");
    }

    #[test]
    fn a_day_that_was_taken_back_is_told_from_one_that_was_missed() {
        let autumn = programme();
        let known = Known { voided: vec![18], ..Known::default() };
        let text = told(&autumn, &[16, 17, 19], NOON, known);
        assert!(text.contains("(missing 2026-11-18, taken back)"), "{text}");
    }
}
