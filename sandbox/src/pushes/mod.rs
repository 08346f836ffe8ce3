//! What carriers tell by themselves: a parcel moved. Signed, repeated and out of order as those carriers are known
//! to do it.

mod hooks;
mod messages;
mod post;
mod sender;
mod sign;

pub(crate) use hooks::Hooks;
use hooks::{Hook, callable};
pub use sender::Push;
pub(crate) use sender::{Pushes, run};

use crate::carriers::CarrierName;
use crate::world::World;
use crate::{AFTERSHIP_WEBHOOK_SECRET, EASYPOST_WEBHOOK_SECRET};

impl World {
    /// Has this carrier push how the parcel stands, to whoever follows it; `false` when nobody does, or too many
    /// pushes wait already.
    pub(crate) fn order_push(&self, name: CarrierName, number: &str) -> bool {
        let is_followed = match name {
            CarrierName::TrackerDelivery => !self.hooks.registered(number, self.now()).is_empty(),
            CarrierName::Easypost => {
                self.hooks.of(name).is_some() && !self.easypost.of_number(number).is_empty()
            }
            CarrierName::Aftership => {
                self.hooks.of(name).is_some() && !self.aftership.of_number(number).is_empty()
            }
            CarrierName::SweetTracker | CarrierName::Fedex | CarrierName::Dhl | CarrierName::Ups => false,
        };
        is_followed && self.pushes.order(name, number)
    }

    /// Sets or ends an account's address; `false` when it can't be called.
    pub(crate) fn set_webhook(&self, name: CarrierName, url: Option<&str>, secret: Option<&str>) -> bool {
        let usual = match name {
            CarrierName::Easypost => EASYPOST_WEBHOOK_SECRET,
            CarrierName::Aftership => AFTERSHIP_WEBHOOK_SECRET,
            _ => "",
        };
        let secret = secret.unwrap_or(usual).to_owned();
        let hook = match url {
            None => None,
            Some(url) => match callable(url) {
                Some(url) => Some(Hook { url, secret }),
                None => return false,
            },
        };
        self.hooks.set(name, hook);
        true
    }

    /// Moves a parcel's journey on by one step, and has whoever follows it told.
    pub(crate) fn advance(&self, number: &str) {
        self.record.advance(number);
        for name in CarrierName::ALL {
            self.order_push(name, number);
        }
    }
}
