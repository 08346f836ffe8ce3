//! The inbox: each message has its effect once for each consumer.

use std::collections::HashMap;

use forebay_schemas::Digest;

use crate::rewards::RewardMessage;

/// Who a message is, to one consumer. The key in the inbox is (consumer, source, id).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Identity {
    /// The consumer, e.g. `rewards`.
    pub consumer: &'static str,
    /// The event's source.
    pub source: String,
    /// The event's id.
    pub id: String,
    /// Tells a repeat from a reused identity.
    pub digest: Digest,
}

/// What the inbox says of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Triage {
    /// Not seen before: handle it.
    New,
    /// Seen before with the same contents.
    Duplicate,
    /// Seen before with other contents.
    Reused,
}

/// Sorts a set of messages, given the digests that the inbox holds for them by (source, id). Of several messages of
/// one identity within the set the first is new and the others are repeats of it.
#[must_use]
pub fn triage<'i>(
    identities: impl IntoIterator<Item = &'i Identity>,
    known: &HashMap<(String, String), Digest>,
) -> Vec<Triage> {
    let mut seen: HashMap<(&str, &str), Digest> =
        known.iter().map(|((source, id), digest)| ((source.as_str(), id.as_str()), *digest)).collect();
    identities
        .into_iter()
        .map(|identity| match seen.insert((&identity.source, &identity.id), identity.digest) {
            None => Triage::New,
            Some(before) if before == identity.digest => Triage::Duplicate,
            Some(before) => {
                seen.insert((&identity.source, &identity.id), before);
                Triage::Reused
            }
        })
        .collect()
}

/// A replayed message from which an erased member was taken is not what it was when it had its effect, and yet the
/// same message: it is a repeat, not a reused identity.
pub fn pass_redacted(triaged: &mut [Triage], messages: &[RewardMessage]) {
    for (triage, message) in triaged.iter_mut().zip(messages) {
        if *triage == Triage::Reused && message.ask.is_redacted() {
            *triage = Triage::Duplicate;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn identity(id: &str, digest: u8) -> Identity {
        Identity { consumer: "c", source: "/s".into(), id: id.into(), digest: Digest([digest; 32]) }
    }

    #[test]
    fn repeats_and_reuse_are_told_apart_within_a_set_and_against_the_inbox() {
        let known = HashMap::from([(("/s".to_owned(), "old".to_owned()), Digest([1; 32]))]);
        let set = [
            identity("old", 1),
            identity("old", 2),
            identity("new", 3),
            identity("new", 3),
            identity("new", 4),
        ];
        assert_eq!(
            triage(&set, &known),
            [Triage::Duplicate, Triage::Reused, Triage::New, Triage::Duplicate, Triage::Reused]
        );
    }
}
