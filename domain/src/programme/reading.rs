//! A programme as people write it, read: all faults at once, each with its place.

use chrono::{DateTime, NaiveDate, Utc};
use chrono_tz::Tz;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use super::faults::Fault;
use super::{CountMode, Programme, ProgrammeState, Reward, RewardKind, Rule, StockPlan, days, once};

/// How alike two names must be for one to be suggested for the other.
const ALIKE: f64 = 0.8;

/// A programme that was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Draft {
    /// The programme; a draft where nothing is said of its state.
    pub programme: Programme,
    /// Something is said of its state; otherwise it stays what it is.
    pub says_state: bool,
}

/// Reads a programme. What it says twice, wrongly, in the wrong place or not at all is told with its place.
///
/// # Errors
/// Every fault that was found.
pub fn read(value: &Value) -> Result<Draft, Vec<Fault>> {
    let mut faults = Vec::new();
    let draft = programme(value, &mut faults);
    if let Some(draft) = &draft
        && faults.is_empty()
    {
        faults = draft.programme.faults();
    }
    match draft {
        Some(draft) if faults.is_empty() => Ok(draft),
        _ => Err(faults),
    }
}

fn programme(value: &Value, faults: &mut Vec<Fault>) -> Option<Draft> {
    let mut fields = Fields::of(value, String::new(), faults)?;
    let id = fields.need("id");
    let name = fields.need("name");
    let tz: Option<Tz> = fields.need_so(
        "tz",
        |text: String| text.parse().ok(),
        "can't be read as an IANA time zone, e.g. Asia/Seoul",
    );
    let day_start_min = fields.or("day_start_min", 0);
    let count_mode = fields.need_so("count_mode", word::<CountMode>, "expected total or consecutive");
    let grace_days = fields.or("grace_days", 0);
    let starts_on = fields.need_so("starts_on", date, DATE);
    let ends_on = fields.need_so("ends_on", date, DATE);
    let zone = tz.zip(day_start_min);
    let claim_until = fields.need_so("claim_until", |text| until(text, zone), UNTIL);
    let state = fields.may_so("state", word::<ProgrammeState>, "expected draft, active, paused or ended");
    let points_per_1000_minor = fields.or("points_per_1000_minor", 0);
    let points_valid_days = fields.may("points_valid_days");
    let listed: Option<Vec<Value>> = fields.need("rules");
    fields.end();
    let rules: Option<Vec<Option<Rule>>> = listed.map(|rules| {
        let read = |(at, value): (usize, &Value)| rule(value, format!("/rules/{at}"), zone, faults);
        rules.iter().enumerate().map(read).collect()
    });
    let state = state?;
    let programme = Programme {
        id: id?,
        name: name?,
        tz: tz?,
        day_start_min: day_start_min?,
        count_mode: count_mode?,
        grace_days: grace_days?,
        starts_on: starts_on?,
        ends_on: ends_on?,
        claim_until: claim_until?,
        state: state.unwrap_or(ProgrammeState::Draft),
        points_per_1000_minor: points_per_1000_minor?,
        points_valid_days: points_valid_days?,
        active_until: None,
        rules: rules?.into_iter().collect::<Option<_>>()?,
    };
    Some(Draft { programme, says_state: state.is_some() })
}

fn rule(value: &Value, place: String, zone: Option<(Tz, u32)>, faults: &mut Vec<Fault>) -> Option<Rule> {
    let reward_place = format!("{place}/reward");
    let mut fields = Fields::of(value, place, faults)?;
    let id = fields.need("id");
    let days_required = fields.need("days_required");
    let max_per_member = fields.or("max_per_member", once());
    let count_mode = fields.may_so("count_mode", word::<CountMode>, "expected total or consecutive");
    let grace_days = fields.may("grace_days");
    let claim_until = fields.may_so("claim_until", |text| until(text, zone), UNTIL);
    let described: Option<Value> = fields.need("reward");
    fields.end();
    let reward = described.and_then(|value| reward(&value, reward_place, faults));
    Some(Rule {
        id: id?,
        reward: reward?,
        days_required: days_required?,
        max_per_member: max_per_member?,
        count_mode: count_mode?,
        grace_days: grace_days?,
        claim_until: claim_until?,
    })
}

fn reward(value: &Value, place: String, faults: &mut Vec<Fault>) -> Option<Reward> {
    let stock_place = format!("{place}/stock");
    let mut fields = Fields::of(value, place, faults)?;
    let id = fields.need("id");
    let name = fields.need("name");
    let kind: Option<String> = fields.need("kind");
    let kind = match kind.as_deref() {
        Some("points") => {
            fields.not_here("sku", "belongs to a reward of the kind product");
            fields.need("points").map(|points| RewardKind::Points { points })
        }
        Some("product") => {
            fields.not_here("points", "belongs to a reward of the kind points");
            fields.need("sku").map(|sku| RewardKind::Product { sku })
        }
        Some(_) => fields.fault("kind", "expected points or product"),
        None => None,
    };
    fields.knows("points");
    fields.knows("sku");
    let described: Option<Option<Value>> = fields.may("stock");
    fields.end();
    let stock = match described? {
        None => None,
        Some(value) => Some(stock(&value, stock_place, faults)?),
    };
    Some(Reward { id: id?, name: name?, kind: kind?, stock })
}

fn stock(value: &Value, place: String, faults: &mut Vec<Fault>) -> Option<StockPlan> {
    let mut fields = Fields::of(value, place, faults)?;
    let (total, low_at) = (fields.need("total"), fields.or("low_at", 0));
    fields.end();
    Some(StockPlan { total: total?, low_at: low_at? })
}

const DATE: &str = "can't be read as a date, e.g. 2026-11-01";
const UNTIL: &str =
    "can't be read as an instant, e.g. 2026-12-15T00:00:00Z, or as the last day, e.g. 2026-12-14";

fn word<W: std::str::FromStr>(text: String) -> Option<W> {
    text.parse().ok()
}

fn date(text: String) -> Option<NaiveDate> {
    text.parse().ok()
}

/// An instant, or a day of the programme's zone with its whole length.
fn until(text: String, zone: Option<(Tz, u32)>) -> Option<DateTime<Utc>> {
    if let Ok(instant) = text.parse::<DateTime<Utc>>() {
        return Some(instant);
    }
    let day = date(text)?;
    // Without a zone there is a fault already, and what is answered here is not used.
    let (tz, day_start_min) = zone.unwrap_or((Tz::UTC, 0));
    Some(days::end(day, tz, day_start_min.min(719)))
}

/// The fields of one object. Each is taken by its name; what is left in the end, nobody knows.
struct Fields<'v> {
    object: &'v Map<String, Value>,
    place: String,
    known: Vec<&'static str>,
    faults: &'v mut Vec<Fault>,
}

impl<'v> Fields<'v> {
    fn of(value: &'v Value, place: String, faults: &'v mut Vec<Fault>) -> Option<Self> {
        let Value::Object(object) = value else {
            faults.push(Fault::at(place, "expected an object"));
            return None;
        };
        Some(Self { object, place, known: Vec::new(), faults })
    }

    fn fault<T>(&mut self, name: &str, detail: impl Into<String>) -> Option<T> {
        self.faults.push(Fault::at(format!("{}/{name}", self.place), detail));
        None
    }

    fn knows(&mut self, name: &'static str) {
        if !self.known.contains(&name) {
            self.known.push(name);
        }
    }

    fn take(&mut self, name: &'static str) -> Option<&'v Value> {
        self.knows(name);
        self.object.get(name).filter(|value| !value.is_null())
    }

    fn parsed<T: DeserializeOwned>(&mut self, name: &str, value: &Value) -> Option<T> {
        T::deserialize(value).map_or_else(|error| self.fault(name, expectation(&error.to_string())), Some)
    }

    /// A field that must be there.
    fn need<T: DeserializeOwned>(&mut self, name: &'static str) -> Option<T> {
        match self.take(name) {
            Some(value) => self.parsed(name, value),
            None => self.fault(name, "is missing"),
        }
    }

    /// A field that may be left out: `Some(None)` says that it is.
    fn may<T: DeserializeOwned>(&mut self, name: &'static str) -> Option<Option<T>> {
        match self.take(name) {
            Some(value) => self.parsed(name, value).map(Some),
            None => Some(None),
        }
    }

    /// A field with a value of its own when it is left out.
    fn or<T: DeserializeOwned>(&mut self, name: &'static str, otherwise: T) -> Option<T> {
        self.may(name).map(|value| value.unwrap_or(otherwise))
    }

    fn need_so<T>(
        &mut self,
        name: &'static str,
        read: impl FnOnce(String) -> Option<T>,
        otherwise: &str,
    ) -> Option<T> {
        let text = self.need::<Value>(name)?;
        self.text(name, &text, read, otherwise)
    }

    fn may_so<T>(
        &mut self,
        name: &'static str,
        read: impl FnOnce(String) -> Option<T>,
        otherwise: &str,
    ) -> Option<Option<T>> {
        match self.take(name) {
            Some(text) => self.text(name, text, read, otherwise).map(Some),
            None => Some(None),
        }
    }

    fn text<T>(
        &mut self,
        name: &str,
        text: &Value,
        read: impl FnOnce(String) -> Option<T>,
        otherwise: &str,
    ) -> Option<T> {
        text.as_str().and_then(|text| read(text.to_owned())).or_else(|| self.fault(name, otherwise))
    }

    fn not_here(&mut self, name: &'static str, why: &str) {
        if self.take(name).is_some() {
            self.fault::<()>(name, why);
        }
    }

    /// Tells of every field that nobody asked for.
    fn end(self) {
        let strangers = self.object.keys().filter(|name| !self.known.contains(&name.as_str()));
        for stranger in strangers {
            let mut alike: Vec<(f64, &str)> =
                self.known.iter().map(|known| (strsim::jaro_winkler(stranger, known), *known)).collect();
            alike.sort_by(|(a, _), (b, _)| b.total_cmp(a));
            let detail = match alike.first() {
                Some((score, name)) if *score >= ALIKE => {
                    format!("has a field that is not known; did you mean `{name}`?")
                }
                _ => format!("has a field that is not known; there are {}", self.known.join(", ")),
            };
            let unknown = Some(stranger.clone());
            self.faults.push(Fault { pointer: self.place.clone(), detail, unknown });
        }
    }
}

/// What a reader's message says of our rules, without what was sent.
fn expectation(said: &str) -> String {
    match said.rsplit_once(", expected ") {
        Some((_, expected)) => format!("expected {}", in_words(expected)),
        None if said.contains(" must be ") => said.to_owned(),
        None => "can't be read as its type".to_owned(),
    }
}

fn in_words(expected: &str) -> &str {
    match expected {
        "u32" => "a whole number, 0 or more",
        "i64" => "a whole number",
        "a sequence" => "a list",
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::tests::{at, day};
    use super::*;

    fn sound() -> Value {
        json!({
            "id": "autumn", "name": "Autumn", "tz": "Asia/Seoul", "count_mode": "total",
            "starts_on": "2026-11-01", "ends_on": "2026-11-30", "claim_until": "2026-12-14",
            "rules": [{
                "id": "five-days", "days_required": 5, "count_mode": "consecutive",
                "reward": {"id": "mug", "name": "A mug", "kind": "product", "sku": "MUG-1", "stock": {"total": 10}},
            }],
        })
    }

    fn faults(edit: impl FnOnce(&mut Value)) -> Vec<String> {
        let mut value = sound();
        edit(&mut value);
        read(&value).unwrap_err().iter().map(ToString::to_string).collect()
    }

    #[test]
    fn what_is_left_out_is_as_usual() {
        let Draft { programme, says_state } = read(&sound()).unwrap();
        assert_eq!((programme.state, says_state), (ProgrammeState::Draft, false));
        assert_eq!((programme.day_start_min, programme.grace_days), (0, 0));
        assert_eq!((programme.starts_on, programme.ends_on), (day("2026-11-01"), day("2026-11-30")));
        let rule = &programme.rules[0];
        assert_eq!((rule.max_per_member, rule.count_mode), (1, Some(CountMode::Consecutive)));
        assert_eq!(rule.reward.stock, Some(StockPlan { total: 10, low_at: 0 }));
    }

    #[test]
    fn a_day_to_claim_until_counts_whole_in_the_programmes_zone() {
        assert_eq!(read(&sound()).unwrap().programme.claim_until, at("2026-12-14T14:59:59.999999Z"));
    }

    #[test]
    fn what_is_written_is_read_again() {
        let programme = read(&sound()).unwrap().programme;
        let again = read(&serde_json::to_value(&programme).unwrap()).unwrap();
        assert_eq!(again, Draft { programme, says_state: true });
    }

    #[test]
    fn every_fault_is_told_with_its_place() {
        let told = faults(|p| {
            p["tz"] = json!("Mars/Olympus");
            p["starts_on"] = json!(7);
            p["rules"][0]["days_required"] = json!("five");
            p["rules"][0]["reward"]["kind"] = json!("mug");
            p.as_object_mut().unwrap().remove("name");
        });
        let places: Vec<&str> = told.iter().map(|fault| fault.split(':').next().unwrap()).collect();
        assert_eq!(
            places,
            ["/name", "/tz", "/starts_on", "/rules/0/days_required", "/rules/0/reward/kind"],
            "{told:?}"
        );
        assert!(told[3].contains("a whole number"), "{told:?}");
    }

    #[test]
    fn an_unknown_field_is_told_with_the_one_that_was_meant() {
        let told = faults(|p| p["rules"][0]["day_required"] = json!(5));
        assert_eq!(told, ["/rules/0: has a field that is not known; did you mean `days_required`?"]);
        let value = {
            let mut value = sound();
            value["colour"] = json!("red");
            value
        };
        let faults = read(&value).unwrap_err();
        assert_eq!(faults[0].unknown.as_deref(), Some("colour"));
        assert!(faults[0].detail.contains("claim_until"), "{faults:?}");
    }

    #[test]
    fn points_and_products_do_not_mix() {
        let told = faults(|p| p["rules"][0]["reward"]["points"] = json!(5));
        assert_eq!(told, ["/rules/0/reward/points: belongs to a reward of the kind points"]);
    }

    #[test]
    fn what_can_be_read_must_also_make_sense() {
        let one = |edit: fn(&mut Value), expected: &str| {
            let told = faults(edit);
            assert_eq!(told.len(), 1, "{told:?}");
            assert!(told[0].contains(expected), "{told:?}");
        };
        one(|p| p["ends_on"] = json!("2026-10-01"), "ends_on lies before starts_on");
        one(|p| p["day_start_min"] = json!(720), "0 to 719");
        one(|p| p["grace_days"] = json!(31), "0 to 30");
        one(|p| p["claim_until"] = json!("2026-10-30"), "nobody could claim");
        one(|p| p["starts_on"] = json!("1999-01-01"), "2000 to 2199");
        one(|p| p["name"] = json!(" "), "1 to 200 characters");
        one(|p| p["rules"][0]["days_required"] = json!(31), "more days than");
        one(|p| p["rules"][0]["max_per_member"] = json!(0), "max_per_member");
        one(|p| p["rules"][0]["reward"]["sku"] = json!("a\nb"), "/rules/0/reward/sku");
        one(|p| p["rules"][0]["reward"]["stock"]["total"] = json!(-1), "/rules/0/reward/stock/total");
        one(
            |p| {
                let mut second = p["rules"][0].clone();
                second["id"] = json!("again");
                second["reward"]["sku"] = json!("MUG-2");
                p["rules"].as_array_mut().unwrap().push(second);
            },
            "described otherwise",
        );
        one(
            |p| {
                let second = p["rules"][0].clone();
                p["rules"].as_array_mut().unwrap().push(second);
            },
            "two rules of this id",
        );
        one(
            |p| {
                let rules = (0..101).map(|n| {
                    let mut rule = p["rules"][0].clone();
                    rule["id"] = json!(format!("r-{n}"));
                    rule
                });
                p["rules"] = rules.collect();
            },
            "100 rules at most",
        );
    }
}
