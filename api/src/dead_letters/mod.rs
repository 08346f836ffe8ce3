//! Dead letters: found, shown, exported, replayed, discarded.

mod ask;
mod discard;
mod export;
mod read;
mod replays;

pub(crate) use discard::discard;
pub(crate) use export::export;
pub(crate) use read::{groups, list, one};
pub(crate) use replays::{abort, begin, replay, replays};
