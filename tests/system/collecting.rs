//! Returns collected when a person asks, where there is something to collect from.

use crate::fleet::{Fleet, Role};
use crate::support::free_port;

#[test]
fn a_collection_is_refused_where_the_shop_has_no_returns_api() {
    let fleet = Fleet::embedded();
    let operations = free_port();
    let mut command = fleet.command(&["dev", "--data", "shop.db", "--no-sandbox"]);
    command.env_remove("FOREBAY_RETURNS__API_URL");
    command.env("FOREBAY_OPERATIONS__LISTEN", format!("127.0.0.1:{operations}"));
    let role = Role::ready(command, "dev", operations, fleet.folder());
    let url = format!("{}/v1/returns/collect", fleet.api);
    let asked = ["-H", "Content-Type: application/json", "-d", r#"{"reason":"a test"}"#, &url];
    let (status, problem) = fleet.call(&asked);
    assert_eq!(status, 409, "{problem}");
    assert!(problem["detail"].as_str().unwrap().contains("returns.api_url"), "{problem}");
    role.stop();
}
