//! UPS.

use forebay_carriers::Asked;
use forebay_domain::parcel::EventTime;
use forebay_schemas::events::ParcelStatus as S;

use crate::support::{Fault, Means as M, asked, each_sample_means, found, unmapped};

const ID: &str = "ups";

fn parcel() -> Asked {
    asked("ups", "1ZW12A340312345671")
}

#[test]
fn each_sample_has_its_meaning() {
    each_sample_means(
        ID,
        &parcel(),
        &[
            ("found_registered.json", 200, M::Found(Some(S::Registered), 1)),
            ("found_picked_up.json", 200, M::Found(Some(S::PickedUp), 2)),
            ("found_in_transit.json", 200, M::Found(Some(S::InTransit), 3)),
            ("found_out_for_delivery.json", 200, M::Found(Some(S::OutForDelivery), 4)),
            ("found_delivered.json", 200, M::Found(Some(S::Delivered), 5)),
            ("local_times_alone.json", 200, M::Found(Some(S::Delivered), 1)),
            ("delivery_type_alone.json", 200, M::Found(None, 5)),
            ("attempt_failed.json", 200, M::Found(Some(S::AttemptFailed), 5)),
            ("access_point.json", 200, M::Found(Some(S::AvailableForPickup), 5)),
            ("exception.json", 200, M::Found(Some(S::Exception), 4)),
            ("returning_after_delivery.json", 200, M::Found(Some(S::Returning), 6)),
            ("returned.json", 200, M::Found(Some(S::Returned), 6)),
            ("voided.json", 200, M::Found(Some(S::Cancelled), 1)),
            ("unknown_code.json", 200, M::Found(None, 3)),
            ("duplicates.json", 200, M::Found(Some(S::InTransit), 3)),
            ("out_of_order.json", 200, M::Found(Some(S::InTransit), 3)),
            ("two_packages.json", 200, M::Found(Some(S::InTransit), 3)),
            ("another_parcel.json", 200, M::Own(Fault::Malformed)),
            ("personal.json", 200, M::Found(Some(S::Delivered), 5)),
            ("not_found_in_200.json", 200, M::NotYet),
            ("error_not_found.json", 404, M::NotYet),
            ("error_bad_number.json", 400, M::Invalid),
            ("error_bad_token.json", 401, M::Whole(Fault::Auth)),
            ("error_rate_limited.json", 429, M::Whole(Fault::Rate)),
            ("error_blocked.json", 403, M::Whole(Fault::Auth)),
            ("error_unknown_code.json", 400, M::Whole(Fault::Rejected)),
            ("error_unknown_code.json", 503, M::Whole(Fault::Transient)),
            ("nothing.json", 200, M::NotYet),
            ("no_response.json", 200, M::Own(Fault::Malformed)),
            ("page.html", 200, M::Whole(Fault::Transient)),
            ("truncated.json", 200, M::Whole(Fault::Malformed)),
        ],
    );
}

#[test]
fn gmt_fields_are_utc_already_and_a_local_time_stays_one() {
    let delivered = &found(ID, &parcel(), "found_delivered.json").checkpoints[4];
    assert_eq!(delivered.at, EventTime::Exact("2026-11-18T21:30:00Z".parse().unwrap()));
    let local = &found(ID, &parcel(), "local_times_alone.json").checkpoints[0];
    assert_eq!(local.at, EventTime::Local("2026-11-18T16:30:00".parse().unwrap()));
}

#[test]
fn codes_without_a_meaning_are_reported_and_people_are_not_kept() {
    assert_eq!(unmapped(ID, &parcel(), "unknown_code.json"), ["event", "status:999"]);
    assert_eq!(unmapped(ID, &parcel(), "delivery_type_alone.json"), ["status:D"]);
    let personal = &found(ID, &parcel(), "personal.json").checkpoints[4];
    assert_eq!(personal.text.as_deref(), Some("DELIVERED TO [name], CALL [phone]"));
    assert_eq!(personal.raw_code.as_deref(), Some("D/FS/011"));
}
