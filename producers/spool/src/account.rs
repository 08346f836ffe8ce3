//! How much is in the file, kept in memory so that nobody has to ask the file.

use parking_lot::Mutex;

use crate::spool::Options;

/// Messages and what they count for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Load {
    pub(crate) events: u64,
    pub(crate) bytes: u64,
}

impl Load {
    pub(crate) fn add(&mut self, other: Self) {
        self.events += other.events;
        self.bytes += other.bytes;
    }

    fn take(&mut self, other: Self) {
        self.events = self.events.saturating_sub(other.events);
        self.bytes = self.bytes.saturating_sub(other.bytes);
    }
}

/// What became of a write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Written {
    Stored,
    NotStored,
    /// The disk failed at the commit: it may be there or not.
    Doubtful,
}

#[derive(Debug, Default)]
struct Inner {
    /// Whatever is in the file, as far as is known.
    stored: Load,
    /// On its way into the file.
    arriving: Load,
    /// Of `stored`: published already, but not removed, because the disk takes no writes.
    published: u64,
    /// Of `stored`: what can't be published.
    unfit: u64,
    /// Writes that came to an end; tells whether one did since somebody looked.
    writes: u64,
    doubtful: bool,
}

/// The account of one file.
#[derive(Debug)]
pub(crate) struct Account {
    bounds: Options,
    inner: Mutex<Inner>,
}

impl Account {
    pub(crate) fn new(bounds: Options, stored: Load) -> Self {
        Self { bounds, inner: Mutex::new(Inner { stored, ..Inner::default() }) }
    }

    /// A place for all of this, or none.
    pub(crate) fn reserve(&self, load: Load) -> bool {
        let mut inner = self.inner.lock();
        let mut then = inner.stored;
        then.add(inner.arriving);
        then.add(load);
        let fits = then.events <= self.bounds.max_events && then.bytes <= self.bounds.max_bytes;
        if fits {
            inner.arriving.add(load);
        }
        fits
    }

    /// A reserved place was used, or not.
    pub(crate) fn written(&self, load: Load, written: Written) {
        let mut inner = self.inner.lock();
        inner.arriving.take(load);
        inner.writes += 1;
        if written != Written::NotStored {
            inner.stored.add(load);
        }
        inner.doubtful |= written == Written::Doubtful;
    }

    /// So many messages were published; they are still in the file.
    pub(crate) fn published(&self, events: u64) {
        self.inner.lock().published += events;
    }

    /// Published messages were removed from the file.
    pub(crate) fn removed(&self, load: Load) {
        let mut inner = self.inner.lock();
        inner.stored.take(load);
        inner.published = inner.published.saturating_sub(load.events);
    }

    /// So many messages were found that can't be published.
    pub(crate) fn unfit(&self, events: u64) {
        self.inner.lock().unfit += events;
    }

    /// Messages that are still to be published, those on their way into the file included.
    pub(crate) fn waiting(&self) -> u64 {
        let inner = self.inner.lock();
        let done = inner.published + inner.unfit;
        inner.arriving.events + inner.stored.events.saturating_sub(done)
    }

    /// What is in the file.
    pub(crate) fn stored(&self) -> Load {
        self.inner.lock().stored
    }

    /// Whether the file can take nothing more of any size worth naming.
    pub(crate) fn is_full(&self) -> bool {
        let inner = self.inner.lock();
        let events = inner.stored.events + inner.arriving.events;
        let bytes = inner.stored.bytes + inner.arriving.bytes;
        events >= self.bounds.max_events || bytes >= self.bounds.max_bytes
    }

    /// A number that changes whenever a write ends.
    pub(crate) fn writes(&self) -> u64 {
        self.inner.lock().writes
    }

    /// Whether the account may claim more than the file holds.
    pub(crate) fn is_doubtful(&self) -> bool {
        self.inner.lock().doubtful
    }

    /// Puts in what the file was found to hold, unless a write has ended since `writes`.
    pub(crate) fn correct(&self, writes: u64, stored: Load) {
        let mut inner = self.inner.lock();
        if inner.writes == writes {
            inner.stored = stored;
            inner.doubtful = false;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOUNDS: Options = Options { max_events: 10, max_bytes: 1_000 };

    fn load(events: u64, bytes: u64) -> Load {
        Load { events, bytes }
    }

    #[test]
    fn what_is_on_its_way_takes_its_place_and_is_waited_for() {
        let account = Account::new(BOUNDS, load(2, 200));
        assert!(account.reserve(load(5, 500)));
        assert!(!account.reserve(load(4, 10)), "too many events");
        assert!(!account.reserve(load(1, 400)), "too many bytes");
        assert_eq!((account.waiting(), account.stored()), (7, load(2, 200)));
        account.written(load(5, 500), Written::NotStored);
        assert!(account.reserve(load(8, 800)));
        account.written(load(8, 800), Written::Stored);
        assert!(account.is_full());
    }

    #[test]
    fn what_is_published_and_not_removed_is_not_waited_for_and_still_takes_its_place() {
        let account = Account::new(BOUNDS, load(10, 100));
        account.unfit(1);
        account.published(9);
        assert_eq!(account.waiting(), 0);
        assert!(account.is_full());
        account.removed(load(9, 90));
        assert_eq!((account.waiting(), account.stored()), (0, load(1, 10)));
    }

    #[test]
    fn a_doubtful_write_counts_until_the_file_is_looked_at_with_no_other_write_meanwhile() {
        let account = Account::new(BOUNDS, Load::default());
        account.reserve(load(3, 30));
        account.written(load(3, 30), Written::Doubtful);
        assert_eq!((account.waiting(), account.is_doubtful()), (3, true));
        let seen = account.writes();
        account.reserve(load(1, 10));
        account.written(load(1, 10), Written::Stored);
        account.correct(seen, Load::default());
        assert_eq!(account.waiting(), 4, "the file may have changed since");
        account.correct(account.writes(), load(1, 10));
        assert_eq!((account.waiting(), account.is_doubtful()), (1, false));
    }
}
