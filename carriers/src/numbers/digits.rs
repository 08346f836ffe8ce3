//! Sums over digits.

/// The digits, when the text is nothing else.
pub(super) fn digits(text: &str) -> Option<Vec<u32>> {
    text.chars().map(|c| c.to_digit(10)).collect()
}

/// The digits before the last one as a number, modulo 7, are the last one.
pub(super) fn modulo_7(digits: &[u32]) -> bool {
    let Some((check, serial)) = digits.split_last() else { return false };
    serial.iter().fold(0, |rest, digit| (rest * 10 + digit) % 7) == *check
}

/// What completes the sum to a multiple of 10 is the last digit; the first digit and each second one after it count
/// `even` times, the others `odd` times.
pub(super) fn modulo_10(digits: &[u32], even: u32, odd: u32) -> bool {
    let Some((check, serial)) = digits.split_last() else { return false };
    let sum: u32 = serial.iter().enumerate().map(|(i, d)| d * if i % 2 == 0 { even } else { odd }).sum();
    (10 - sum % 10) % 10 == *check
}

/// The weighted sum of all digits but the last.
pub(super) fn weighted(serial: &[u32], weights: &[u32]) -> u32 {
    serial.iter().zip(weights).map(|(digit, weight)| digit * weight).sum()
}
