//! A look at a number: it is counted, its story goes on, and the switches have their say.

use std::sync::Arc;

use crate::carriers::CarrierName;
use crate::faults::pause;
use crate::timeline::parcel::{Disorder, Fate, Parcel, Telling, telling};
use crate::timeline::script::Story;
use crate::world::World;

impl World {
    /// What this carrier has to say of the number, at this look.
    pub(crate) async fn look(&self, name: CarrierName, number: &str) -> Telling {
        let (looks, advanced) = self.record.asked_about(name, number);
        let story = self.options.script.story(number);
        if let Story::Slow(late) = *story {
            pause(late).await;
        }
        self.told(name, number, &story, looks, advanced)
    }

    /// What this carrier would say at the next look.
    pub(crate) fn glance(&self, name: CarrierName, number: &str) -> Telling {
        let asked = self.record.asked(number);
        self.told(name, number, &self.options.script.story(number), asked.calls, asked.advanced)
    }

    /// Every token that this carrier gave is good no more, whatever was promised.
    pub(crate) fn forget_tokens(&self, name: CarrierName) {
        match name {
            CarrierName::Fedex => self.fedex_tokens.forget(),
            CarrierName::Ups => self.ups_tokens.forget(),
            _ => {}
        }
    }

    fn told(
        &self,
        name: CarrierName,
        number: &str,
        story: &Arc<Story>,
        looks: usize,
        advanced: usize,
    ) -> Telling {
        let faults = self.switches.get().of_carrier(name);
        let fate = Fate { seed: self.options.seed, begin: self.options.begin };
        let with_faults = |parcel: Parcel| {
            let disorder = if faults.out_of_order { Disorder::Swapped } else { parcel.disorder };
            let duplicates = parcel.duplicates || faults.duplicates;
            let parcel = Parcel { disorder, duplicates, ..parcel };
            if faults.reused { parcel.reused(fate) } else { parcel }
        };
        match telling(fate, number, story, looks, advanced) {
            Telling::Found(parcel) => Telling::Found(with_faults(parcel)),
            Telling::Truncated(parcel) => Telling::Truncated(with_faults(parcel)),
            other => other,
        }
    }
}
