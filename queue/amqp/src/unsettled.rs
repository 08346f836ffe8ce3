//! Which deliveries of a channel the broker still counts as unsettled, as far as one word may acknowledge many.

use std::collections::BTreeSet;

use lapin::types::DeliveryTag;

/// A channel numbers its deliveries without gaps; a jump beyond this is not believed.
const JUMP_MAX: u64 = 1 << 18;

/// The tags of one channel.
#[derive(Debug, Default)]
pub(crate) struct Unsettled {
    /// The highest tag that came.
    highest: DeliveryTag,
    /// Those up to it that are not settled, whether they came yet or not: of two subscriptions one may be behind.
    tags: BTreeSet<DeliveryTag>,
    /// The numbers can't be relied on.
    unreliable: bool,
}

impl Unsettled {
    /// A delivery came.
    pub(crate) fn arrived(&mut self, tag: DeliveryTag) {
        if tag > self.highest {
            if tag - self.highest > JUMP_MAX {
                self.unreliable = true;
            } else {
                self.tags.extend(self.highest + 1..=tag);
            }
            self.highest = tag;
        }
    }

    /// The broker was told of it, and of nothing that may come after it.
    pub(crate) fn settled(&mut self, tag: DeliveryTag) {
        self.tags.remove(&tag);
    }

    /// Up to which of these tags every unsettled one is among them; `None` when some other comes before all of them.
    pub(crate) fn up_to(&self, these: &BTreeSet<DeliveryTag>) -> Option<DeliveryTag> {
        let together = self.tags.iter().zip(these).take_while(|(unsettled, this)| unsettled == this);
        together.map(|(_, this)| *this).last().filter(|_| !self.unreliable)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn up_to(unsettled: &Unsettled, these: &[u64]) -> Option<u64> {
        unsettled.up_to(&these.iter().copied().collect())
    }

    #[test]
    fn one_word_never_reaches_what_is_not_settled_or_did_not_come_yet() {
        let mut unsettled = Unsettled::default();
        (1..=5).for_each(|tag| unsettled.arrived(tag));
        assert_eq!(up_to(&unsettled, &[1, 2, 3, 4, 5]), Some(5));
        assert_eq!(up_to(&unsettled, &[1, 2, 4, 5]), Some(2));
        assert_eq!(up_to(&unsettled, &[2, 3]), None);
        unsettled.settled(1);
        assert_eq!(up_to(&unsettled, &[2, 3]), Some(3));
        // The other subscription's sixth is on its way.
        unsettled.arrived(7);
        assert_eq!(up_to(&unsettled, &[2, 3, 4, 5, 7]), Some(5));
        unsettled.arrived(6);
        assert_eq!(up_to(&unsettled, &[2, 3, 4, 5, 6, 7]), Some(7));
    }

    #[test]
    fn numbers_that_can_not_be_are_not_relied_on() {
        let mut unsettled = Unsettled::default();
        unsettled.arrived(1);
        unsettled.arrived(u64::MAX);
        assert_eq!(up_to(&unsettled, &[1]), None);
    }
}
