//! tracker.delivery.

use forebay_domain::parcel::EventTime;
use forebay_schemas::events::ParcelStatus as S;

use crate::support::{Fault, Means as M, asked, each_sample_means, found, unmapped};

const ID: &str = "tracker_delivery";

fn parcel() -> forebay_carriers::Asked {
    asked("cj", "123456789012")
}

#[test]
fn each_sample_has_its_meaning() {
    let own = |fault| M::Own(fault);
    each_sample_means(
        ID,
        &parcel(),
        &[
            ("found_registered.json", 200, M::Found(Some(S::Registered), 1)),
            ("found_picked_up.json", 200, M::Found(Some(S::PickedUp), 2)),
            ("found_in_transit.json", 200, M::Found(Some(S::InTransit), 3)),
            ("found_out_for_delivery.json", 200, M::Found(Some(S::OutForDelivery), 4)),
            ("found_delivered.json", 200, M::Found(Some(S::Delivered), 5)),
            ("duplicates.json", 200, M::Found(Some(S::InTransit), 3)),
            ("out_of_order.json", 200, M::Found(Some(S::InTransit), 3)),
            ("newest_first.json", 200, M::Found(Some(S::Delivered), 5)),
            ("late_out_for_delivery.json", 200, M::Found(Some(S::Delivered), 5)),
            ("times_lost.json", 200, M::Found(Some(S::InTransit), 2)),
            ("times_odd.json", 200, M::Found(Some(S::InTransit), 2)),
            ("sent_back.json", 200, M::Found(Some(S::Returning), 4)),
            ("sent_back_and_delivered.json", 200, M::Found(Some(S::Returned), 5)),
            ("unknown_code.json", 200, M::Found(None, 3)),
            ("no_events.json", 200, M::NotYet),
            ("error_not_found.json", 200, M::NotYet),
            ("error_bad_request.json", 200, M::Invalid),
            ("error_unauthenticated.json", 200, M::Whole(Fault::Auth)),
            ("error_forbidden.json", 200, M::Whole(Fault::Auth)),
            ("error_rate_limited.json", 200, M::Whole(Fault::Rate)),
            ("error_internal.json", 200, own(Fault::Transient)),
            ("error_validation.json", 400, M::Whole(Fault::Rejected)),
            ("error_unknown_code.json", 200, own(Fault::Transient)),
            ("nothing.json", 200, own(Fault::Malformed)),
            ("nothing.json", 429, M::Whole(Fault::Rate)),
            ("page.html", 200, M::Whole(Fault::Transient)),
            ("page.html", 503, M::Whole(Fault::Transient)),
            ("page.html", 401, M::Whole(Fault::Auth)),
            ("truncated.json", 200, M::Whole(Fault::Malformed)),
        ],
    );
}

#[test]
fn a_server_of_ones_own_that_loses_times_leaves_the_order() {
    let events = found(ID, &parcel(), "times_lost.json").checkpoints;
    assert!(events.iter().all(|c| c.at == EventTime::Missing));
    assert_eq!([events[0].status, events[1].status], [S::PickedUp, S::InTransit]);
    // What it loses them over: `.0` behind the seconds.
    let odd = found(ID, &parcel(), "times_odd.json").checkpoints;
    assert_eq!(odd[0].at, EventTime::Local("2026-11-18T18:40:10".parse().unwrap()));
}

#[test]
fn codes_without_a_meaning_are_reported() {
    assert_eq!(unmapped(ID, &parcel(), "unknown_code.json"), ["event", "status:TELEPORTED"]);
    assert_eq!(unmapped(ID, &parcel(), "error_unknown_code.json"), ["error:TEAPOT"]);
    let stranger = &found(ID, &parcel(), "unknown_code.json").checkpoints[2];
    assert_eq!((stranger.status, stranger.raw_code.as_deref()), (S::Unknown, Some("TELEPORTED")));
}
