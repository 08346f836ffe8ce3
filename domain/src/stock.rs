//! Stock: what is left, and the two crossings that people hear of.

use forebay_schemas::RewardId;

/// The stock of one reward, as the store holds it locked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stock {
    /// The reward.
    pub reward_id: RewardId,
    /// Its name, for people.
    pub name: String,
    /// All there ever was.
    pub total: i64,
    /// Held back.
    pub reserved: i64,
    /// Given out.
    pub issued: i64,
    /// At or below how many left people are told.
    pub low_at: i64,
    /// The low alert has not been given since the last crossing.
    pub low_armed: bool,
    /// The out alert has not been given since the last crossing.
    pub out_armed: bool,
}

/// A threshold that was crossed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Crossing {
    /// Down to the low threshold.
    Low,
    /// Nothing left.
    Out,
}

impl Stock {
    /// What is left.
    #[must_use]
    pub fn remaining(&self) -> i64 {
        self.total - self.reserved - self.issued
    }

    /// Gives out one, if one is left.
    #[must_use]
    pub fn issue(&mut self) -> bool {
        if self.reserved + self.issued + 1 > self.total {
            return false;
        }
        self.issued += 1;
        true
    }

    /// The crossing that the stock has made since the last call, if any; each is told once until re-armed.
    pub fn crossing(&mut self) -> Option<Crossing> {
        let left = self.remaining();
        if left <= 0 && self.out_armed {
            self.out_armed = false;
            self.low_armed = false;
            return Some(Crossing::Out);
        }
        if left <= self.low_at && self.low_armed && left > 0 {
            self.low_armed = false;
            return Some(Crossing::Low);
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stock_gives_out_no_more_than_it_has_and_tells_each_crossing_once() {
        let mut stock = Stock {
            reward_id: RewardId::new("mug").unwrap(),
            name: "A mug".into(),
            total: 5,
            reserved: 1,
            issued: 0,
            low_at: 2,
            low_armed: true,
            out_armed: true,
        };
        let mut told = Vec::new();
        let given = (0..10)
            .filter(|_| {
                let given = stock.issue();
                told.extend(stock.crossing());
                given
            })
            .count();
        assert_eq!((given, stock.remaining()), (4, 0));
        assert_eq!(told, [Crossing::Low, Crossing::Out]);
    }
}
