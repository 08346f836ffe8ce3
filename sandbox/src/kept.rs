//! A list that forgets its oldest entries, so that a world may run for ever.

use std::collections::VecDeque;

/// Entries numbered from 1 in the order in which they came.
#[derive(Debug)]
pub(crate) struct Kept<T> {
    entries: VecDeque<(usize, T)>,
    forgotten: u64,
    bytes: usize,
    entries_max: usize,
    bytes_max: usize,
}

impl<T: Clone> Kept<T> {
    pub(crate) fn new(entries_max: usize, bytes_max: usize) -> Self {
        Self { entries: VecDeque::new(), forgotten: 0, bytes: 0, entries_max, bytes_max }
    }

    /// Adds an entry of about so many bytes; returns its number.
    pub(crate) fn push(&mut self, bytes: usize, entry: T) -> u64 {
        self.entries.push_back((bytes, entry));
        self.bytes += bytes;
        while self.entries.len() > self.entries_max || (self.bytes > self.bytes_max && self.entries.len() > 1)
        {
            let Some((bytes, _)) = self.entries.pop_front() else { break };
            self.bytes -= bytes;
            self.forgotten += 1;
        }
        self.total()
    }

    pub(crate) fn get_mut(&mut self, number: u64) -> Option<&mut T> {
        let index = number.checked_sub(self.forgotten + 1)?;
        self.entries.get_mut(usize::try_from(index).ok()?).map(|(_, entry)| entry)
    }

    /// All that ever came.
    pub(crate) fn total(&self) -> u64 {
        self.forgotten + self.entries.len() as u64
    }

    pub(crate) fn forgotten(&self) -> u64 {
        self.forgotten
    }

    pub(crate) fn all(&self) -> Vec<T> {
        self.entries.iter().map(|(_, entry)| entry.clone()).collect()
    }

    /// Up to `limit` entries after the number `after`, or the newest, oldest first.
    pub(crate) fn page(&self, after: Option<u64>, limit: usize) -> Vec<(u64, T)> {
        let from = match after {
            Some(after) => usize::try_from(after.saturating_sub(self.forgotten)).unwrap_or(usize::MAX),
            None => self.entries.len().saturating_sub(limit),
        };
        let numbered = self.entries.iter().enumerate().skip(from).take(limit);
        numbered.map(|(index, (_, entry))| (self.forgotten + index as u64 + 1, entry.clone())).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_are_forgotten_and_the_numbers_stay() {
        let mut kept = Kept::new(3, 1_000);
        for letter in ["a", "b", "c", "d", "e"] {
            kept.push(1, letter);
        }
        assert_eq!((kept.total(), kept.forgotten()), (5, 2));
        assert_eq!(kept.page(Some(0), 2), [(3, "c"), (4, "d")]);
        assert_eq!(kept.page(Some(4), 9), [(5, "e")]);
        assert_eq!(kept.page(None, 2), [(4, "d"), (5, "e")]);
        assert_eq!(kept.get_mut(4).copied(), Some("d"));
        assert_eq!(kept.get_mut(2), None);
    }

    #[test]
    fn bytes_are_bounded_too_but_the_newest_always_stays() {
        let mut kept = Kept::new(100, 10);
        kept.push(6, "a");
        kept.push(6, "b");
        assert_eq!(kept.all(), ["b"]);
        kept.push(50, "c");
        assert_eq!(kept.all(), ["c"]);
    }
}
