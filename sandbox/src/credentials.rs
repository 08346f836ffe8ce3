//! What the world's systems accept from their callers.

/// The key that Sweet Tracker accepts.
pub const CARRIER_KEY: &str = "sandbox-carrier-key";
/// The bearer token of the shop's returns API.
pub const SHOP_TOKEN: &str = "sandbox-shop-token";
/// The secret with which results must be signed.
pub const SIGNING_SECRET: &str = "whsec_c2FuZGJveC1zaWduaW5nLXNlY3JldC0zMi1ieXRlcyE=";
/// The bot token that Slack accepts.
pub const SLACK_TOKEN: &str = "xoxb-sandbox";
/// The channel that Slack has.
pub const SLACK_CHANNEL: &str = "C0SANDBOX";
/// The client that tracker.delivery accepts.
pub const TRACKER_DELIVERY_CLIENT_ID: &str = "sandbox-client";
/// Its secret.
pub const TRACKER_DELIVERY_CLIENT_SECRET: &str = "sandbox-tracker-delivery-secret";
/// The client that FedEx accepts.
pub const FEDEX_CLIENT_ID: &str = "sandbox-fedex-client";
/// Its secret.
pub const FEDEX_CLIENT_SECRET: &str = "sandbox-fedex-secret";
/// The key that DHL accepts.
pub const DHL_KEY: &str = "sandbox-dhl-key";
/// The key that EasyPost accepts.
pub const EASYPOST_KEY: &str = "sandbox-easypost-key";
/// The secret with which EasyPost signs its pushes unless the control gives another.
pub const EASYPOST_WEBHOOK_SECRET: &str = "sandbox-easypost-webhook-s\u{e9}cret";
/// The client that UPS accepts.
pub const UPS_CLIENT_ID: &str = "sandbox-ups-client";
/// Its secret.
pub const UPS_CLIENT_SECRET: &str = "sandbox-ups-secret";
/// The key that AfterShip accepts.
pub const AFTERSHIP_KEY: &str = "sandbox-aftership-key";
/// The secret with which AfterShip signs its pushes unless the control gives another.
pub const AFTERSHIP_WEBHOOK_SECRET: &str = "sandbox-aftership-webhook-secret";
