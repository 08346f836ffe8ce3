//! Pushes: what carriers' systems tell us by themselves, verified where it came in and read where it is applied.

use std::collections::BTreeMap;
use std::io::{Read as _, Write as _};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::envelope::EventData;
use crate::event_type::EventType;
use crate::id::AdapterId;
use crate::limits;

/// A carrier's system told us of parcels by itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ParcelPushed {
    /// The system that told it.
    pub adapter: AdapterId,
    /// The headers without which the body can't be read, by their names in small letters.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub headers: BTreeMap<String, String>,
    /// The body as it came, packed by gzip, in base64.
    pub body: String,
}

/// What a push carries is not gzip in base64, or is too large.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the body is not gzip in base64, or has more than {} bytes", limits::PUSH_BYTES)]
pub struct UnreadablePush;

impl ParcelPushed {
    /// What this system sent.
    #[must_use]
    pub fn new(adapter: AdapterId, headers: BTreeMap<String, String>, body: &[u8]) -> Self {
        Self { adapter, headers, body: Self::pack(body) }
    }

    /// A body as it stands in [`ParcelPushed::body`].
    #[must_use]
    pub fn pack(body: &[u8]) -> String {
        let mut packed = GzEncoder::new(Vec::new(), Compression::default());
        // Writing to memory does not fail; a body cut short would be refused as unreadable.
        let written = packed.write_all(body).and_then(|()| packed.finish());
        STANDARD.encode(written.unwrap_or_default())
    }

    /// The body as it came.
    ///
    /// # Errors
    /// [`UnreadablePush`].
    pub fn bytes(&self) -> Result<Vec<u8>, UnreadablePush> {
        Self::unpack(&self.body)
    }

    /// What [`ParcelPushed::pack`] packed; of no more than a push may have.
    ///
    /// # Errors
    /// [`UnreadablePush`].
    pub fn unpack(packed: &str) -> Result<Vec<u8>, UnreadablePush> {
        let packed = STANDARD.decode(packed).map_err(|_| UnreadablePush)?;
        let mut body = Vec::new();
        let most = limits::PUSH_BYTES as u64 + 1;
        GzDecoder::new(packed.as_slice()).take(most).read_to_end(&mut body).map_err(|_| UnreadablePush)?;
        if body.len() > limits::PUSH_BYTES { Err(UnreadablePush) } else { Ok(body) }
    }
}

impl EventData for ParcelPushed {
    const TYPE: EventType = EventType::ParcelPushed;
    fn subject(&self) -> String {
        format!("adapter/{}", self.adapter)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pushed(body: &[u8]) -> ParcelPushed {
        ParcelPushed::new(AdapterId::new("easypost").unwrap(), BTreeMap::new(), body)
    }

    #[test]
    fn a_body_comes_out_byte_for_byte() {
        for body in [b"".as_slice(), b"{\"a\": 1.0 }\r\n", &[0xff, 0, 0x80], &[b'x'; limits::PUSH_BYTES]] {
            assert_eq!(pushed(body).bytes().unwrap(), body);
        }
    }

    #[test]
    fn a_bomb_and_what_is_no_gzip_are_refused() {
        assert_eq!(pushed(&vec![b'x'; limits::PUSH_BYTES + 1]).bytes(), Err(UnreadablePush));
        for body in ["%%%", "aGVsbG8=", ""] {
            let pushed = ParcelPushed { body: body.to_owned(), ..pushed(b"") };
            assert_eq!(pushed.bytes(), Err(UnreadablePush), "{body:?}");
        }
    }
}
