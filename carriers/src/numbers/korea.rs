//! Carriers of Korea.
//!
//! CJ Logistics: 10 or 12 digits. Lotte: 12 digits, of which the last is the first eleven modulo 7. Logen: digits.
//! All three as the public tracker `shlee322/delivery-tracker` demands them before it asks the carrier
//! (`packages/core/src/carriers/kr.*`). Of the others it is known that they take digits alone, since Sweet Tracker
//! takes nothing else. Whether CJ's last digit is a check digit in all of its ranges is not documented: it is not
//! demanded.

use super::NumberFault;
use super::digits::{digits as digits_of, modulo_7};
use super::postal_union;

/// CJ Logistics.
pub(super) fn cj(number: &str) -> Result<(), NumberFault> {
    match digits_of(number).map(|d| d.len()) {
        Some(10 | 12) => Ok(()),
        _ => Err(NumberFault::Form("10 or 12 digits")),
    }
}

/// Lotte Global Logistics.
pub(super) fn lotte(number: &str) -> Result<(), NumberFault> {
    match digits_of(number) {
        Some(digits) if digits.len() == 12 => {
            let fault = NumberFault::CheckDigit("the last of 12 digits is the others modulo 7");
            modulo_7(&digits).then_some(()).ok_or(fault)
        }
        _ => Err(NumberFault::Form("12 digits")),
    }
}

/// Korea Post: digits at home, the postal union's form abroad.
pub(super) fn epost(number: &str) -> Result<(), NumberFault> {
    digits(number).or_else(|_| postal_union::check(number)).map_err(|fault| match fault {
        NumberFault::Form(_) => NumberFault::Form("digits, or two letters, nine digits and two letters"),
        wrong @ NumberFault::CheckDigit(_) => wrong,
    })
}

/// Carriers of which only that is known.
pub(super) fn digits(number: &str) -> Result<(), NumberFault> {
    digits_of(number).map(|_| ()).ok_or(NumberFault::Form("digits only"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_carrier_has_its_form() {
        assert!(cj("123456789012").is_ok() && cj("1234567890").is_ok());
        assert!(cj("12345678901").is_err() && cj("12345678901A").is_err());
        assert!(lotte("123456789013").is_ok());
        assert!(matches!(lotte("123456789010"), Err(NumberFault::CheckDigit(_))));
        assert!(matches!(lotte("1234567890"), Err(NumberFault::Form(_))));
        assert!(epost("6012345678901").is_ok() && epost("RR123456785KR").is_ok());
        assert!(matches!(epost("RR123456784KR"), Err(NumberFault::CheckDigit(_))));
        assert!(matches!(epost("RR12"), Err(NumberFault::Form(_))));
        assert!(digits("12345").is_ok() && digits("1234A").is_err());
    }
}
