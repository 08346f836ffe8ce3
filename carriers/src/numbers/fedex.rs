//! FedEx.
//!
//! 12 digits: the first eleven count 3, 1, 7 times in turn; the sum modulo 11, modulo 10, is the last. 15 digits:
//! each second one counts three times, modulo 10. Both after the public table `jkeen/tracking_number_data`; the first
//! is borne out by the numbers of FedEx's own test environment. Other forms (door tags, 20, 22 and 34 digits) pass.

use super::NumberFault;
use super::digits::{digits, modulo_10, weighted};

const WEIGHTS: [u32; 11] = [3, 1, 7, 3, 1, 7, 3, 1, 7, 3, 1];

/// A number that may be one of FedEx's.
pub(super) fn check(number: &str) -> Result<(), NumberFault> {
    match digits(number) {
        Some(digits) if digits.len() == 12 => {
            let fault = NumberFault::CheckDigit("the last of 12 digits, modulo 11");
            (weighted(&digits[..11], &WEIGHTS) % 11 % 10 == digits[11]).then_some(()).ok_or(fault)
        }
        Some(digits) if digits.len() == 15 => {
            let fault = NumberFault::CheckDigit("the last of 15 digits, modulo 10");
            modulo_10(&digits, 1, 3).then_some(()).ok_or(fault)
        }
        _ if (9..=34).contains(&number.len()) => Ok(()),
        _ => Err(NumberFault::Form("9 to 34 letters and digits")),
    }
}

/// Of one of the two forms that have a check digit.
pub(super) fn is_surely(number: &str) -> bool {
    matches!(number.len(), 12 | 15) && digits(number).is_some() && check(number).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn public_examples_pass_and_a_mistyped_one_does_not() {
        for number in ["986578788855", "477179081230", "713062653486", "041441760228964", "568283610012734"] {
            assert_eq!(check(number), Ok(()), "{number}");
        }
        for number in ["996578788855", "568283610012732"] {
            assert!(matches!(check(number), Err(NumberFault::CheckDigit(_))), "{number}");
        }
        assert!(check("DT123456789012").is_ok() && check("12345678").is_err());
    }
}
