//! Signatures of pushes: HMAC-SHA256 over the bytes of the body.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;
use unicode_normalization::UnicodeNormalization as _;

/// EasyPost: hexadecimal, with the secret in its decomposed form (NFKD).
pub(crate) fn easypost(secret: &str, body: &[u8]) -> String {
    let secret: String = secret.nfkd().collect();
    let hex: String = mac(secret.as_bytes(), body).iter().map(|byte| format!("{byte:02x}")).collect();
    format!("hmac-sha256-hex={hex}")
}

/// AfterShip: base64.
pub(crate) fn aftership(secret: &str, body: &[u8]) -> String {
    STANDARD.encode(mac(secret.as_bytes(), body))
}

fn mac(secret: &[u8], body: &[u8]) -> Vec<u8> {
    // HMAC takes keys of any length.
    let mac = Hmac::<Sha256>::new_from_slice(secret).map(|mac| mac.chain_update(body).finalize());
    mac.map(|mac| mac.into_bytes().to_vec()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    const BODY: &[u8] = br#"{"id":"evt_1","weight":614.0}"#;

    /// The values were made with Python's hmac and unicodedata modules.
    #[test]
    fn signatures_are_those_of_another_program() {
        let decomposed = "hmac-sha256-hex=3f8e0b82ae8e32c5e7c61550e05702a7bb6961b8d68f27f0963bd2bf2b06fe65";
        for secret in ["s\u{e9}cret", "se\u{301}cret"] {
            assert_eq!(easypost(secret, BODY), decomposed);
        }
        assert_eq!(aftership("s\u{e9}cret", BODY), "rZHYw/+GAv+EryGr5Pe/8sxl9gt68+CvbEHqnzsm+R0=");
        assert_ne!(aftership("se\u{301}cret", BODY), aftership("s\u{e9}cret", BODY));
    }
}
