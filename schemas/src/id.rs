//! Identifiers as types: text that was checked once and can't be mistaken for another kind of text.

use std::borrow::Cow;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

/// Why a text is not an identifier of the wanted kind.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{kind} must be {rule}")]
pub struct InvalidId {
    /// The kind of identifier that was wanted, e.g. `member id`.
    pub kind: &'static str,
    /// The rule that the text breaks, in words.
    pub rule: &'static str,
}

macro_rules! text_id {
    ($(#[$doc:meta])* $name:ident, $kind:literal, $rule:literal, $pattern:literal, $check:expr) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(String);

        impl $name {
            /// Checks the text and wraps it.
            ///
            /// # Errors
            /// [`InvalidId`] when the text breaks the rule of this kind of identifier.
            pub fn new(text: impl Into<String>) -> Result<Self, InvalidId> {
                let text = text.into();
                let check: fn(&str) -> bool = $check;
                if check(&text) { Ok(Self(text)) } else { Err(InvalidId { kind: $kind, rule: $rule }) }
            }

            /// The text itself.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl TryFrom<String> for $name {
            type Error = InvalidId;
            fn try_from(text: String) -> Result<Self, InvalidId> {
                Self::new(text)
            }
        }

        impl From<$name> for String {
            fn from(id: $name) -> String {
                id.0
            }
        }

        impl std::str::FromStr for $name {
            type Err = InvalidId;
            fn from_str(text: &str) -> Result<Self, InvalidId> {
                Self::new(text)
            }
        }

        impl AsRef<str> for $name {
            fn as_ref(&self) -> &str {
                &self.0
            }
        }

        impl std::borrow::Borrow<str> for $name {
            fn borrow(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl JsonSchema for $name {
            fn schema_name() -> Cow<'static, str> {
                stringify!($name).into()
            }
            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                json_schema!({ "type": "string", "pattern": $pattern, "description": $rule })
            }
            fn inline_schema() -> bool {
                true
            }
        }
    };
}

fn visible(text: &str, most: usize) -> bool {
    !text.is_empty() && text.len() <= most && text.bytes().all(|b| (0x21..=0x7e).contains(&b))
}

fn slug(text: &str, most: usize) -> bool {
    (1..=most).contains(&text.len())
        && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_' || b == b'-')
        && text.as_bytes()[0].is_ascii_alphanumeric()
}

text_id!(
    /// A member of the shop, as the shop names it.
    MemberId, "a member id", "1 to 128 visible ASCII characters", "^[!-~]{1,128}$", |t| visible(t, 128)
);
text_id!(
    /// An order of the shop.
    OrderId, "an order id", "1 to 128 visible ASCII characters", "^[!-~]{1,128}$", |t| visible(t, 128)
);
text_id!(
    /// One refund of an order.
    RefundId, "a refund id", "1 to 128 visible ASCII characters", "^[!-~]{1,128}$", |t| visible(t, 128)
);
text_id!(
    /// A return order of the shop.
    ReturnId, "a return id", "1 to 128 visible ASCII characters", "^[!-~]{1,128}$", |t| visible(t, 128)
);
text_id!(
    /// A reward programme.
    ProgrammeId, "a programme id", "1 to 64 of a-z, 0-9, _ and -, beginning with a letter or digit",
    "^[a-z0-9][a-z0-9_-]{0,63}$", |t| slug(t, 64)
);
text_id!(
    /// A rule of a programme: so many check-ins earn that reward.
    RuleId, "a rule id", "1 to 64 of a-z, 0-9, _ and -, beginning with a letter or digit",
    "^[a-z0-9][a-z0-9_-]{0,63}$", |t| slug(t, 64)
);
text_id!(
    /// A reward: points, or a product with or without stock.
    RewardId, "a reward id", "1 to 64 of a-z, 0-9, _ and -, beginning with a letter or digit",
    "^[a-z0-9][a-z0-9_-]{0,63}$", |t| slug(t, 64)
);
text_id!(
    /// The company that carries a parcel, e.g. `cj`.
    CarrierCode, "a carrier code", "1 to 32 of a-z, 0-9, _ and -, beginning with a letter or digit",
    "^[a-z0-9][a-z0-9_-]{0,31}$", |t| slug(t, 32)
);
text_id!(
    /// The outside system that is asked about parcels, e.g. `sweettracker`. It has its own queue and quota.
    AdapterId, "an adapter id", "1 to 32 of a-z, 0-9, _ and -, beginning with a letter or digit",
    "^[a-z0-9][a-z0-9_-]{0,31}$", |t| slug(t, 32)
);
text_id!(
    /// A parcel's number at its carrier.
    TrackingNumber, "a tracking number", "4 to 40 of A-Z, a-z, 0-9 and -", "^[A-Za-z0-9-]{4,40}$",
    |t| (4..=40).contains(&t.len()) && t.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
);
impl TrackingNumber {
    /// The number as carriers write it, which is the same for every spelling of it: without hyphens, in capitals.
    #[must_use]
    pub fn bare(&self) -> String {
        let characters = self.0.chars().filter(char::is_ascii_alphanumeric);
        characters.map(|c| c.to_ascii_uppercase()).collect()
    }
}

text_id!(
    /// An ISO 4217 currency code, e.g. `KRW`.
    Currency, "a currency", "three capital letters (ISO 4217)", "^[A-Z]{3}$",
    |t| t.len() == 3 && t.bytes().all(|b| b.is_ascii_uppercase())
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_refuses_control_characters_and_emptiness() {
        for text in ["", "a b", "a\0b", "a\nb", "é", &"x".repeat(129)] {
            assert!(MemberId::new(text).is_err(), "{text:?} was taken");
        }
        assert_eq!(MemberId::new("m-1").unwrap().as_str(), "m-1");
    }

    #[test]
    fn a_slug_can_stand_in_a_queue_name() {
        for text in ["", "A", "-a", "a.b", "a/b", &"x".repeat(33)] {
            assert!(AdapterId::new(text).is_err(), "{text:?} was taken");
        }
        assert!(AdapterId::new("sweettracker").is_ok());
    }
}
