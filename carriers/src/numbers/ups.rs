//! UPS.
//!
//! `1Z`, six letters or digits of the shipper, two of the service, seven of the parcel, and a check digit: each
//! second one counts twice, a letter counts as its ASCII code less 3, modulo 10 (as in the public table
//! `jkeen/tracking_number_data` and in the validator of `jbittel/drogher`, which agree). UPS has older and other forms,
//! of which only the API's own limit of 7 to 34 letters and digits is certain.

use super::NumberFault;
use super::digits::modulo_10;

const LENGTH: usize = 18;
const PREFIX: &str = "1Z";

/// A number that UPS's API takes.
pub(super) fn check(number: &str) -> Result<(), NumberFault> {
    match number.strip_prefix(PREFIX) {
        Some(rest) if number.len() == LENGTH => {
            let fault = NumberFault::CheckDigit("the last of 18 letters and digits after 1Z, modulo 10");
            check_digit(rest).then_some(()).ok_or(fault)
        }
        Some(_) => Err(NumberFault::Form("1Z and 16 letters and digits")),
        None if (7..=34).contains(&number.len()) => Ok(()),
        None => Err(NumberFault::Form("7 to 34 letters and digits")),
    }
}

/// Nobody else's numbers begin like that.
pub(super) fn is_surely(number: &str) -> bool {
    number.starts_with(PREFIX) && check(number).is_ok()
}

fn check_digit(rest: &str) -> bool {
    let last_is_digit = rest.bytes().last().is_some_and(|b| b.is_ascii_digit());
    let values: Vec<u32> =
        rest.chars().map(|c| c.to_digit(10).unwrap_or_else(|| (u32::from(c) + 7) % 10)).collect();
    last_is_digit && modulo_10(&values, 1, 2)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn public_examples_pass_and_a_mistyped_one_does_not() {
        for number in ["1Z5R89390357567127", "1Z879E930346834440", "1Z410E7W0392751591", "1Z8V92A70367203024"]
        {
            assert_eq!(check(number), Ok(()), "{number}");
        }
        assert!(matches!(check("1Z5R89390357567128"), Err(NumberFault::CheckDigit(_))));
        assert!(matches!(check("1Z5R893903"), Err(NumberFault::Form(_))));
        assert!(check("T1234567890").is_ok() && check("123456").is_err());
    }
}
