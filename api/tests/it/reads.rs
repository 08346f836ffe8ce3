//! Reads: what is there, what is not, what can't be.

use forebay_domain::due::Due;
use forebay_intake::Scope;
use forebay_schemas::{AdapterId, CarrierCode, Digest, OrderId, ReturnId, TrackingNumber};
use forebay_store::{Identity, NewParcel, NewReturn};
use serde_json::json;

use crate::world::{World, now, programme};

#[tokio::test]
async fn what_is_not_there_is_not_found() {
    let world = World::start().await;
    for path in [
        "/v1/claims/0190a7c4-7b1e-7c3a-8f00-000000000001",
        "/v1/returns/R-1",
        "/v1/parcels/cj/123456789012",
        "/v1/programmes/winter/members/m-1/days",
    ] {
        world.get(Scope::Viewer, path).send().await.problem(404);
    }
    let id = "/v1/dead-letters/0190a7c4-7b1e-7c3a-8f00-000000000001";
    world.get(Scope::Admin, id).send().await.problem(404);
    let nobody = world.get(Scope::Viewer, "/v1/members/nobody/balance").send().await;
    assert_eq!(nobody.json(), json!({"balance": 0, "blocked": false}));
}

#[tokio::test]
async fn what_can_not_be_an_id_is_a_bad_request() {
    let world = World::start().await;
    for path in [
        "/v1/claims/7",
        "/v1/claims/%00",
        "/v1/members/%20/balance",
        "/v1/members/m%00/claims",
        "/v1/members/%F0%9F%8E%81/claims",
        "/v1/members/%ff/balance",
        "/v1/returns/a%0Ab",
        "/v1/parcels/CJ/123456789012",
        "/v1/parcels/cj/12",
        "/v1/programmes?limit=0",
        "/v1/programmes?limit=201",
        "/v1/programmes?limit=many",
        "/v1/programmes?cursor=%00",
        "/v1/programmes?limt=1",
    ] {
        let answer = world.get(Scope::Viewer, path).send().await;
        assert_eq!(answer.status, 400, "{path}");
        answer.problem(400);
    }
}

#[tokio::test]
async fn programmes_are_listed_page_by_page() {
    let world = World::start().await;
    let mut second = programme();
    second["id"] = json!("winter");
    for rule in second["rules"].as_array_mut().unwrap() {
        let id = format!("winter-{}", rule["reward"]["id"].as_str().unwrap());
        rule["reward"]["id"] = json!(id);
    }
    let second: forebay_domain::programme::Programme = serde_json::from_value(second).unwrap();
    world.store.put_programme(&second, now()).await.unwrap();
    let page = world.get(Scope::Viewer, "/v1/programmes?limit=1").send().await.json();
    assert_eq!(page["items"][0]["id"], "autumn");
    assert_eq!((&page["more"], &page["next_cursor"]), (&json!(true), &json!("autumn")));
    let page = world.get(Scope::Viewer, "/v1/programmes?limit=1&cursor=autumn").send().await.json();
    assert_eq!(page["items"][0]["id"], "winter");
    assert_eq!((&page["more"], &page["next_cursor"]), (&json!(false), &json!(null)));
}

#[tokio::test]
async fn a_return_and_its_parcel_are_read() {
    let world = World::start().await;
    let parcel = NewParcel {
        carrier: CarrierCode::new("cj").unwrap(),
        number: TrackingNumber::new("123456789012").unwrap(),
        adapter: AdapterId::new("sweettracker").unwrap(),
        traceparent: None,
        due: Due { at: now(), by: now() },
    };
    let new = NewReturn {
        return_id: ReturnId::new("R-1").unwrap(),
        order_id: OrderId::new("O-1").unwrap(),
        requested_at: now(),
        parcel: Some(parcel),
    };
    let identity = Identity {
        consumer: "returns",
        source: "/shops/main".into(),
        id: "e-1".into(),
        digest: Digest([1; 32]),
    };
    world.store.register_returns(vec![(identity, new)], now()).await.unwrap();
    let found = world.get(Scope::Viewer, "/v1/returns/R-1").send().await.json();
    assert_eq!((&found["order_id"], &found["tracking_number"]), (&json!("O-1"), &json!("123456789012")));
    let parcel = world.get(Scope::Viewer, "/v1/parcels/cj/123456789012").send().await.json();
    assert_eq!((&parcel["parcel_id"], &parcel["adapter"]), (&found["parcel_id"], &json!("sweettracker")));
    assert_eq!(parcel["checkpoints"], json!([]));
}
