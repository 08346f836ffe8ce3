//! Where pushes go.

use std::collections::{BTreeMap, HashMap};

use chrono::{DateTime, Utc};
use parking_lot::Mutex;
use url::Url;

use crate::carriers::CarrierName;

/// Most parcels for which an address of their own is registered.
const REGISTERED_MAX: usize = 200_000;

/// The address of an account, and the secret with which its pushes are signed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Hook {
    pub(crate) url: Url,
    pub(crate) secret: String,
}

/// An address for one parcel, until then.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Registered {
    pub(crate) carrier: String,
    pub(crate) url: Url,
    until: DateTime<Utc>,
}

#[derive(Debug, Default)]
pub(crate) struct Hooks {
    accounts: Mutex<BTreeMap<CarrierName, Hook>>,
    registered: Mutex<HashMap<String, Vec<Registered>>>,
}

impl Hooks {
    pub(crate) fn set(&self, name: CarrierName, hook: Option<Hook>) {
        let mut accounts = self.accounts.lock();
        match hook {
            Some(hook) => accounts.insert(name, hook),
            None => accounts.remove(&name),
        };
    }

    pub(crate) fn of(&self, name: CarrierName) -> Option<Hook> {
        self.accounts.lock().get(&name).cloned()
    }

    /// Registers an address for a parcel, or moves its end; `false` when it can't be called, or there are too many.
    pub(crate) fn register(&self, carrier: &str, number: &str, url: &str, until: DateTime<Utc>) -> bool {
        let Some(url) = callable(url) else { return false };
        let mut registered = self.registered.lock();
        if registered.len() == REGISTERED_MAX && !registered.contains_key(number) {
            return false;
        }
        let of_number = registered.entry(number.to_owned()).or_default();
        of_number.retain(|one| one.carrier != carrier);
        of_number.push(Registered { carrier: carrier.to_owned(), url, until });
        true
    }

    pub(crate) fn registered(&self, number: &str, now: DateTime<Utc>) -> Vec<Registered> {
        let registered = self.registered.lock();
        let of_number = registered.get(number).into_iter().flatten();
        of_number.filter(|one| now < one.until).cloned().collect()
    }
}

/// The sandbox calls plain HTTP only.
pub(crate) fn callable(url: &str) -> Option<Url> {
    Url::parse(url).ok().filter(|url| url.scheme() == "http" && url.has_host())
}
