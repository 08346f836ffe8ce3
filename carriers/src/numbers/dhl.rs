//! DHL.
//!
//! DHL Express: 10 or 11 digits, of which the last is the others modulo 7; or a piece's id, `J` and two or three
//! letters and digits (public table `jkeen/tracking_number_data`). DHL's other divisions have forms of their own which
//! are not documented as a whole: for `dhl` any 7 to 39 letters and digits pass.

use super::NumberFault;
use super::digits::{digits, modulo_7};

/// Any division's.
pub(super) fn any(number: &str) -> Result<(), NumberFault> {
    (7..=39).contains(&number.len()).then_some(()).ok_or(NumberFault::Form("7 to 39 letters and digits"))
}

/// DHL Express's.
pub(super) fn express(number: &str) -> Result<(), NumberFault> {
    match digits(number) {
        Some(digits) if matches!(digits.len(), 10 | 11) => {
            let fault = NumberFault::CheckDigit("the last of 10 or 11 digits is the others modulo 7");
            modulo_7(&digits).then_some(()).ok_or(fault)
        }
        None if is_piece(number) => Ok(()),
        _ => Err(NumberFault::Form("10 or 11 digits, or J and two or three letters and digits")),
    }
}

fn is_piece(number: &str) -> bool {
    let serial = number.trim_start_matches(|c: char| c.is_ascii_uppercase());
    let letters = number.len() - serial.len();
    number.starts_with('J') && matches!(letters, 3 | 4) && serial.len() >= 9 && digits(serial).is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn public_examples_pass_and_a_mistyped_one_does_not() {
        for number in ["3318810025", "73891051146", "8487135506", "JJD0099999999", "JVGL0999999990"] {
            assert_eq!(express(number), Ok(()), "{number}");
        }
        for number in ["3318810010", "3318810034"] {
            assert!(matches!(express(number), Err(NumberFault::CheckDigit(_))), "{number}");
        }
        assert!(express("XJD0099999998").is_err() && any("GM2951173225174494").is_ok());
    }
}
