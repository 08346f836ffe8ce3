//! Parcels' numbers, checked without asking anybody: a number that can't be one of its carrier's costs no call.
//!
//! A check digit is demanded only where it is certain: where the standard, or two independent public sources, give
//! the rule. Everything else is a matter of form, and where even that is not known a number passes. Where the rules
//! come from stands in each file.

mod dhl;
mod digits;
mod fedex;
mod korea;
mod postal_union;
mod ups;
mod usps;

use forebay_schemas::{CarrierCode, TrackingNumber};

/// Why a number can't be one of its carrier's. The text names the rule, never the number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NumberFault {
    /// It has another form.
    #[error("the number can't be one of this carrier's: {0}")]
    Form(&'static str),
    /// A digit was mistyped, or two were swapped.
    #[error("the number's check digit is wrong: {0}")]
    CheckDigit(&'static str),
}

type Fits = fn(&str) -> bool;
type Rule = fn(&str) -> Result<(), NumberFault>;

/// The rule of each carrier that has one.
const RULES: &[(&str, Rule)] = &[
    ("cj", korea::cj),
    ("lotte", korea::lotte),
    ("epost", korea::epost),
    ("ems", postal_union::check),
    ("hanjin", korea::digits),
    ("logen", korea::digits),
    ("daesin", korea::digits),
    ("kyungdong", korea::digits),
    ("hapdong", korea::digits),
    ("woori", korea::digits),
    ("cu", korea::digits),
    ("ups", ups::check),
    ("fedex", fedex::check),
    ("dhl", dhl::any),
    ("dhl_express", dhl::express),
    ("usps", usps::check),
];

/// The carriers to suggest for a number, and whether it is surely of the form that only they use.
const SUGGESTED: &[(&str, Fits)] = &[
    ("ups", ups::is_surely),
    ("fedex", fedex::is_surely),
    ("usps", usps::is_surely),
    ("dhl_express", |number| dhl::express(number).is_ok()),
    ("lotte", |number| korea::lotte(number).is_ok()),
    ("cj", |number| korea::cj(number).is_ok()),
    ("ems", |number| postal_union::check(number).is_ok()),
];

/// The number as its carrier writes it, without hyphens and in capitals, unless it can't be one of this carrier's.
/// Offline, and free.
///
/// # Errors
/// [`NumberFault`], which names the rule that the number breaks.
pub fn check(carrier: &CarrierCode, number: &TrackingNumber) -> Result<TrackingNumber, NumberFault> {
    let bare = bare(number);
    if let Some((_, rule)) = RULES.iter().find(|(code, _)| *code == carrier.as_str()) {
        rule(&bare)?;
    }
    TrackingNumber::new(bare).map_err(|_| NumberFault::Form("it has fewer than 4 letters and digits"))
}

/// The carriers whose numbers look like this one, the likeliest first. A number's form is no proof: two carriers may
/// use one form, and then both are named.
#[must_use]
pub fn suggest(number: &TrackingNumber) -> Vec<CarrierCode> {
    let bare = bare(number);
    let fitting = SUGGESTED.iter().filter(|(_, fits)| fits(&bare));
    fitting.filter_map(|(code, _)| CarrierCode::new(*code).ok()).collect()
}

/// Without hyphens, in capitals.
pub(crate) fn bare(number: &TrackingNumber) -> String {
    number.bare()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn checked(carrier: &str, number: &str) -> Result<TrackingNumber, NumberFault> {
        check(&CarrierCode::new(carrier).unwrap(), &TrackingNumber::new(number).unwrap())
    }

    fn suggested(number: &str) -> Vec<String> {
        let codes = suggest(&TrackingNumber::new(number).unwrap());
        codes.into_iter().map(String::from).collect()
    }

    #[test]
    fn a_number_is_written_as_its_carrier_writes_it() {
        assert_eq!(checked("cj", "1234-5678-9012").unwrap().as_str(), "123456789012");
        assert_eq!(checked("ups", "1z879e930346834440").unwrap().as_str(), "1Z879E930346834440");
        assert!(matches!(checked("nobody", "----"), Err(NumberFault::Form(_))));
        assert!(checked("nobody", "any-Thing").is_ok(), "no rule is known for this carrier");
    }

    #[test]
    fn a_missing_carrier_is_suggested_from_the_form() {
        assert_eq!(suggested("1Z879E930346834440"), ["ups"]);
        assert_eq!(suggested("EG123456785KR"), ["ems"]);
        assert_eq!(suggested("EA123456785US"), ["usps", "ems"]);
        assert_eq!(suggested("986578788855"), ["fedex", "cj"]);
        assert_eq!(suggested("3318810025"), ["dhl_express", "cj"]);
        assert!(suggested("nothing").is_empty());
    }

    #[test]
    fn every_rule_has_a_carrier_of_its_own() {
        for (code, _) in RULES {
            assert!(CarrierCode::new(*code).is_ok());
            assert_eq!(RULES.iter().filter(|(other, _)| other == code).count(), 1, "{code}");
        }
        for (code, _) in SUGGESTED {
            assert!(RULES.iter().any(|(known, _)| known == code), "{code}");
        }
    }

    proptest! {
        #[test]
        fn any_number_of_any_carrier_is_told_without_a_panic(number in "[A-Za-z0-9-]{4,40}", which in 0..RULES.len()) {
            let number = TrackingNumber::new(number).unwrap();
            let carrier = CarrierCode::new(RULES[which].0).unwrap();
            if let Ok(bare) = check(&carrier, &number) {
                prop_assert_eq!(check(&carrier, &bare), Ok(bare.clone()), "a checked number stays as it is");
            }
            prop_assert!(suggest(&number).len() <= SUGGESTED.len());
        }

        /// What a check digit is for.
        #[test]
        fn one_mistyped_digit_never_passes(at in 0usize..12, by in 1u8..10) {
            let mut number = *b"123456789013";
            // 12345678901 mod 7 = 3.
            prop_assert!(korea::lotte(std::str::from_utf8(&number).unwrap()).is_ok());
            number[at] = b'0' + (number[at] - b'0' + by) % 10;
            let told = korea::lotte(std::str::from_utf8(&number).unwrap());
            // Modulo 7 takes a digit for the one 7 above or below it.
            let alike = (number[at] as i8 - b"123456789013"[at] as i8).abs() == 7;
            prop_assert_eq!(told.is_ok(), alike && at < 11);
        }
    }
}
