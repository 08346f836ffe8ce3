//! When a parcel is next asked about. Values to start from; a shop's quota decides the rest.

use std::time::Duration;

use chrono::{DateTime, Utc};
use forebay_schemas::events::ParcelStatus;

const HOUR: u64 = 3600;
const DAY: u64 = 24 * HOUR;

/// When a parcel in this state is due again; `None` when it never is. `since_news` is how long the carrier has said
/// nothing new (since registration, when it never has).
#[must_use]
pub fn next_check(status: ParcelStatus, since_news: Duration, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
    let quiet = since_news.as_secs();
    let wait = match status {
        s if s.is_final() => return None,
        ParcelStatus::Unknown | ParcelStatus::Registered => match quiet {
            q if q < 12 * HOUR => 2 * HOUR,
            q if q < 3 * DAY => 4 * HOUR,
            q if q < 10 * DAY => 12 * HOUR,
            _ => return None,
        },
        ParcelStatus::OutForDelivery => HOUR,
        ParcelStatus::AttemptFailed | ParcelStatus::AvailableForPickup => 6 * HOUR,
        ParcelStatus::Exception if quiet < DAY => 4 * HOUR,
        _ => match quiet {
            q if q < 2 * DAY => 3 * HOUR,
            q if q < 10 * DAY => 8 * HOUR,
            q if q < 60 * DAY => DAY,
            _ => return None,
        },
    };
    Some(now + Duration::from_secs(wait))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_finished_parcel_is_never_due_and_every_other_one_ends_some_day() {
        let now = DateTime::from_timestamp(0, 0).unwrap();
        for status in ParcelStatus::ALL {
            let fresh = next_check(*status, Duration::ZERO, now);
            assert_eq!(fresh.is_none(), status.is_final(), "{status:?}");
            if !matches!(
                status,
                ParcelStatus::OutForDelivery | ParcelStatus::AttemptFailed | ParcelStatus::AvailableForPickup
            ) {
                assert_eq!(next_check(*status, Duration::from_secs(61 * DAY), now), None, "{status:?}");
            }
        }
    }

    #[test]
    fn a_parcel_without_news_is_asked_about_less_and_less() {
        let now = DateTime::from_timestamp(0, 0).unwrap();
        let waits: Vec<_> = [0, 3, 11]
            .map(|days| {
                next_check(ParcelStatus::InTransit, Duration::from_secs(days * DAY), now).unwrap() - now
            })
            .into_iter()
            .collect();
        assert!(waits.windows(2).all(|w| w[0] < w[1]), "{waits:?}");
    }
}
