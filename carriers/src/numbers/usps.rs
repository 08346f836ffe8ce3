//! USPS.
//!
//! 20 or 22 digits, the last of which completes the sum to a multiple of 10 with each second digit, counted from the
//! right, three times (public table `jkeen/tracking_number_data`; the check digit is that of GS1); or the postal
//! union's form. Numbers of 26 to 34 digits begin with where the parcel goes and pass by their form.

use super::NumberFault;
use super::digits::{digits, modulo_10};
use super::postal_union;

/// A number that may be one of USPS's.
pub(super) fn check(number: &str) -> Result<(), NumberFault> {
    match digits(number) {
        // Numbers of 20 digits without their `91` may be those of 22: then the first two count as well.
        Some(digits) if digits.len() == 20 => told(modulo_10(&digits, 3, 1) || with_91(&digits)),
        Some(digits) if digits.len() == 22 => told(modulo_10(&digits, 3, 1)),
        Some(digits) if matches!(digits.len(), 26 | 28 | 30..=34) => Ok(()),
        _ if number.len() == 13 => postal_union::check(number),
        _ => Err(NumberFault::Form("20, 22 or 26 to 34 digits, or two letters, nine digits and two letters")),
    }
}

/// Of 22 digits that only USPS begins like that, or of the postal union's form for this country.
pub(super) fn is_surely(number: &str) -> bool {
    let begins = ["91", "92", "93", "94", "95"].iter().any(|p| number.starts_with(p)) && number.len() == 22;
    (begins || number.ends_with("US")) && check(number).is_ok()
}

fn told(right: bool) -> Result<(), NumberFault> {
    right.then_some(()).ok_or(NumberFault::CheckDigit("the last digit, modulo 10"))
}

fn with_91(digits: &[u32]) -> bool {
    modulo_10(&[&[9, 1], digits].concat(), 3, 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn public_examples_pass_and_a_mistyped_one_does_not() {
        for number in [
            "03071790000523483741",
            "71123456789123456787",
            "71969010756003077385",
            "9505511069605048600624",
            "9400111201080805483016",
            "92748931507708513018050063",
        ] {
            assert_eq!(check(number), Ok(()), "{number}");
        }
        for number in ["03071790000523483742", "9400111201080805483017"] {
            assert!(matches!(check(number), Err(NumberFault::CheckDigit(_))), "{number}");
        }
        assert!(check("1234567890").is_err() && check("EA123456785US").is_ok());
    }
}
