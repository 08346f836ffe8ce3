//! DHL.

use forebay_carriers::Asked;
use forebay_domain::parcel::EventTime;
use forebay_schemas::events::ParcelStatus as S;

use crate::support::{Fault, Means as M, asked, each_sample_means, found, unmapped};

const ID: &str = "dhl";

fn parcel() -> Asked {
    asked("dhl_express", "3318810025")
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
            ("delivered_to_the_sender.json", 200, M::Found(Some(S::Returned), 5)),
            ("on_its_way_back.json", 200, M::Found(Some(S::Returning), 3)),
            ("failure.json", 200, M::Found(Some(S::Exception), 4)),
            ("unknown.json", 200, M::NotYet),
            ("unknown_code.json", 200, M::Found(None, 3)),
            ("zones_mixed.json", 200, M::Found(Some(S::InTransit), 3)),
            ("zones_given.json", 200, M::Found(Some(S::InTransit), 2)),
            ("duplicates.json", 200, M::Found(Some(S::InTransit), 3)),
            ("out_of_order.json", 200, M::Found(Some(S::InTransit), 3)),
            ("two_shipments.json", 200, M::Found(Some(S::Delivered), 5)),
            ("another_parcel.json", 200, M::Own(Fault::Malformed)),
            ("another_division.json", 200, M::Found(Some(S::InTransit), 3)),
            ("no_shipments.json", 200, M::NotYet),
            ("number_as_number.json", 200, M::Found(Some(S::PickedUp), 2)),
            ("text_contradicts.json", 200, M::Found(Some(S::InTransit), 3)),
            ("error_not_found.json", 404, M::NotYet),
            ("error_rate_limited.json", 429, M::Whole(Fault::Rate)),
            ("error_unauthorized.json", 401, M::Whole(Fault::Auth)),
            // A number that was purged: not the system's failure.
            ("error_server.json", 500, M::Own(Fault::Transient)),
            ("error_server.json", 503, M::Whole(Fault::Transient)),
            ("no_list.json", 200, M::Own(Fault::Malformed)),
            ("page.html", 200, M::Whole(Fault::Transient)),
            ("page.html", 500, M::Whole(Fault::Transient)),
            ("page.html", 404, M::Whole(Fault::Rejected)),
            ("truncated.json", 200, M::Whole(Fault::Malformed)),
        ],
    );
}

#[test]
fn times_are_as_sure_as_they_are_said() {
    let exact = |text: &str| EventTime::Exact(text.parse().unwrap());
    let given = found(ID, &parcel(), "zones_given.json").checkpoints;
    assert_eq!(given[1].at, exact("2026-11-17T06:53:47Z"));
    // Where zones are missing in between, the list's order is kept.
    let mixed = found(ID, &parcel(), "zones_mixed.json").checkpoints;
    let local = EventTime::Local("2026-11-16T18:30:00".parse().unwrap());
    let times: Vec<EventTime> = mixed.iter().map(|c| c.at).collect();
    assert_eq!(times, [exact("2026-11-16T08:00:00Z"), local, exact("2026-11-17T06:53:47Z")]);
}

#[test]
fn codes_without_a_meaning_are_reported_and_people_are_not_kept() {
    assert_eq!(unmapped(ID, &parcel(), "unknown_code.json"), ["event", "status:levitating"]);
    let delivered = &found(ID, &parcel(), "found_delivered.json").checkpoints[4];
    assert_eq!(delivered.text.as_deref(), Some("Delivered - Signed for by: [name]"));
    assert_eq!(delivered.raw_code.as_deref(), Some("delivered/OK"));
}
