//! The Universal Postal Union's S10 identifiers: two letters, eight digits, a check digit, the country.
//!
//! The digits count 8, 6, 4, 2, 3, 5, 9, 7 times; the check digit is 11 less the sum modulo 11, where 10 is written 0
//! and 11 is written 5 (UPU standard S10).

use super::NumberFault;
use super::digits::{digits, weighted};

const WEIGHTS: [u32; 8] = [8, 6, 4, 2, 3, 5, 9, 7];
const FORM: NumberFault = NumberFault::Form("two letters, nine digits and two letters");

/// An S10 identifier.
pub(super) fn check(number: &str) -> Result<(), NumberFault> {
    let letters = |part: Option<&str>| part.is_some_and(|p| p.bytes().all(|b| b.is_ascii_uppercase()));
    if number.len() != 13 || !letters(number.get(..2)) || !letters(number.get(11..)) {
        return Err(FORM);
    }
    let digits = number.get(2..11).and_then(digits).ok_or(FORM)?;
    let expected = match 11 - weighted(&digits[..8], &WEIGHTS) % 11 {
        10 => 0,
        11 => 5,
        other => other,
    };
    let fault = NumberFault::CheckDigit("the ninth digit completes the weighted sum to a multiple of 11");
    (digits[8] == expected).then_some(()).ok_or(fault)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_check_digit_is_that_of_the_standard() {
        // The example of the standard's own description is RB123456785GB.
        for number in ["RB123456785GB", "EG123456785KR"] {
            assert_eq!(check(number), Ok(()), "{number}");
        }
        assert!(matches!(check("RB123456789GB"), Err(NumberFault::CheckDigit(_))));
        for number in ["RB12345678GB", "R1123456785GB", "RB12345678XGB", "RB123456785G1"] {
            assert_eq!(check(number), Err(FORM), "{number}");
        }
    }
}
