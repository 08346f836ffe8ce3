//! Which adapter is asked about which carrier's parcels.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use forebay_schemas::{AdapterId, CarrierCode, TrackingNumber};

use crate::carrier::Carrier;
use crate::numbers::{self, NumberFault};
use crate::push::{Push, PushSecrets};
use crate::settings::{SetUpError, Settings, Tools};
use crate::{aftership, dhl, easypost, fedex, sweettracker, tracker_delivery, ups};

/// Builds an adapter.
pub type Build = fn(&Tools, Settings) -> Result<Arc<dyn Carrier>, SetUpError>;
/// Builds what reads its system's pushes.
pub type BuildPush = fn(PushSecrets) -> Arc<dyn Push>;

/// An adapter that can be configured.
#[derive(Clone, Copy)]
pub struct Known {
    /// Its id, by which its section of the configuration is named.
    pub id: &'static str,
    /// Most parcels of one call.
    pub max_batch: usize,
    /// Builds it.
    pub build: Build,
    /// Reads what its system pushes, if it does.
    pub push: Option<BuildPush>,
}

impl fmt::Debug for Known {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Known").field("id", &self.id).finish_non_exhaustive()
    }
}

/// Every adapter, in the order of preference: where two serve one carrier, the earlier one is asked. The carriers'
/// own systems come before those that pass on what others say.
pub const KNOWN: &[Known] = &[
    fedex::KNOWN,
    dhl::KNOWN,
    ups::KNOWN,
    sweettracker::KNOWN,
    tracker_delivery::KNOWN,
    easypost::KNOWN,
    aftership::KNOWN,
];

/// The adapters of this installation.
#[derive(Debug, Clone, Default)]
pub struct Registry {
    adapters: BTreeMap<AdapterId, Arc<dyn Carrier>>,
    carriers: BTreeMap<CarrierCode, AdapterId>,
}

impl Registry {
    /// The adapters in order of preference: where two serve one carrier, or bear one id, the earlier one is asked.
    #[must_use]
    pub fn new(adapters: Vec<Arc<dyn Carrier>>) -> Self {
        let mut registry = Self::default();
        for adapter in adapters {
            let id = adapter.id().clone();
            if registry.adapters.contains_key(&id) {
                continue;
            }
            for carrier in adapter.serves() {
                registry.carriers.entry(carrier.clone()).or_insert_with(|| id.clone());
            }
            registry.adapters.insert(id, adapter);
        }
        registry
    }

    /// The adapter that is asked about this carrier's parcels.
    #[must_use]
    pub fn adapter_for(&self, carrier: &CarrierCode) -> Option<AdapterId> {
        self.carriers.get(carrier).cloned()
    }

    /// Checks a number as the adapter that is asked about this carrier's parcels would.
    ///
    /// # Errors
    /// [`NumberFault`], which names the rule that the number breaks.
    pub fn check_number(
        &self,
        carrier: &CarrierCode,
        number: &TrackingNumber,
    ) -> Result<TrackingNumber, NumberFault> {
        match self.carriers.get(carrier).and_then(|id| self.adapters.get(id)) {
            Some(adapter) => adapter.check_number(carrier, number),
            None => numbers::check(carrier, number),
        }
    }

    /// An adapter by its id.
    #[must_use]
    pub fn get(&self, id: &AdapterId) -> Option<Arc<dyn Carrier>> {
        self.adapters.get(id).cloned()
    }

    /// The ids of all adapters.
    pub fn ids(&self) -> impl Iterator<Item = &AdapterId> {
        self.adapters.keys()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use async_trait::async_trait;
    use forebay_domain::pacing::Quota;

    use super::*;
    use crate::{Answered, Asked, CarrierError, Limits, Received};

    #[derive(Debug)]
    struct Fixed(AdapterId, Vec<CarrierCode>);

    #[async_trait]
    impl Carrier for Fixed {
        fn id(&self) -> &AdapterId {
            &self.0
        }
        fn serves(&self) -> &[CarrierCode] {
            &self.1
        }
        fn limits(&self) -> Limits {
            let second = Duration::from_secs(1);
            let quota = Quota { limit: 2, burst: 1, window: second, margin: second };
            Limits { max_batch: 1, quota, timeout: second }
        }
        async fn track(&self, _: &[Asked]) -> Result<Vec<Answered>, CarrierError> {
            Ok(Vec::new())
        }
        fn parse(&self, _: &Received<'_>, _: &[Asked]) -> Result<Vec<Answered>, CarrierError> {
            Ok(Vec::new())
        }
    }

    fn fixed(id: &str, carriers: &[&str]) -> Arc<dyn Carrier> {
        let carriers = carriers.iter().map(|c| CarrierCode::new(*c).unwrap()).collect();
        Arc::new(Fixed(AdapterId::new(id).unwrap(), carriers))
    }

    #[test]
    fn the_earlier_of_two_adapters_is_asked() {
        let registry = Registry::new(vec![fixed("first", &["cj"]), fixed("second", &["cj", "dhl"])]);
        let asked = |carrier: &str| registry.adapter_for(&CarrierCode::new(carrier).unwrap());
        assert_eq!(asked("cj"), Some(AdapterId::new("first").unwrap()));
        assert_eq!(asked("dhl"), Some(AdapterId::new("second").unwrap()));
        assert_eq!(asked("ups"), None);
        assert_eq!(registry.ids().count(), 2);
        assert!(registry.get(&AdapterId::new("second").unwrap()).is_some());
    }
}
