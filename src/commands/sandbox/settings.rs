//! A configuration file that points an installation at a sandbox.

use std::fmt::Write as _;

use forebay_sandbox::{
    AFTERSHIP_KEY, AFTERSHIP_WEBHOOK_SECRET, CARRIER_KEY, CarrierName, DHL_KEY, EASYPOST_KEY,
    EASYPOST_WEBHOOK_SECRET, FEDEX_CLIENT_ID, FEDEX_CLIENT_SECRET, Limit, Options, SHOP_TOKEN,
    SIGNING_SECRET, SLACK_CHANNEL, SLACK_TOKEN, TRACKER_DELIVERY_CLIENT_ID, TRACKER_DELIVERY_CLIENT_SECRET,
    UPS_CLIENT_ID, UPS_CLIENT_SECRET,
};

/// From so many calls in a window on, many may be under way at once.
const MANY: u32 = 100;
/// A budget of a day that nobody uses up.
const NO_DAILY: u64 = 1_000_000_000;

/// For a sandbox of these options that is reached at this host.
pub(super) fn toml(host: &str, options: &Options) -> String {
    let (port, smtp) = (options.listen.port(), options.smtp.port());
    let base =
        format!("http://{}:{port}", if host.contains(':') { format!("[{host}]") } else { host.to_owned() });
    let mut text = format!(
        "# Points an installation at a sandbox at {base}. Its credentials are good nowhere else.\n\n\
         [outbound]\nallow = [{{ host = {host:?}, port = {port}, private = true, plain = true }}]\n"
    );
    for name in CarrierName::ALL {
        text += &carrier(name, &base, options);
    }
    let _ = write!(
        text,
        "\n[returns]\napi_url = \"{base}/shop/returns\"\napi_token = \"{SHOP_TOKEN}\"\n\
         result_url = \"{base}/shop/return-results\"\nsigning_secret = \"{SIGNING_SECRET}\"\n\
         \n[slack]\nbot_token = \"{SLACK_TOKEN}\"\nchannel = \"{SLACK_CHANNEL}\"\n\
         api_url = \"{base}/slack/api/\"\n\
         \n[mail]\nhost = {host:?}\nport = {smtp}\ntls = \"none\"\nfrom = \"forebay@shop.example\"\n\
         to = [\"on-call@shop.example\"]\n"
    );
    text
}

/// What the sandbox takes from a caller of a carrier's system, and signs its pushes with.
pub(crate) struct Credentials {
    pub(crate) client: Option<&'static str>,
    pub(crate) key: &'static str,
    pub(crate) push: Option<&'static str>,
}

/// The sandbox's credentials for a carrier's system.
pub(crate) fn credentials(name: CarrierName) -> Credentials {
    let (client, key, push) = match name {
        CarrierName::SweetTracker => (None, CARRIER_KEY, None),
        CarrierName::TrackerDelivery => {
            (Some(TRACKER_DELIVERY_CLIENT_ID), TRACKER_DELIVERY_CLIENT_SECRET, None)
        }
        CarrierName::Fedex => (Some(FEDEX_CLIENT_ID), FEDEX_CLIENT_SECRET, None),
        CarrierName::Dhl => (None, DHL_KEY, None),
        CarrierName::Easypost => (None, EASYPOST_KEY, Some(EASYPOST_WEBHOOK_SECRET)),
        CarrierName::Ups => (Some(UPS_CLIENT_ID), UPS_CLIENT_SECRET, None),
        CarrierName::Aftership => (None, AFTERSHIP_KEY, Some(AFTERSHIP_WEBHOOK_SECRET)),
    };
    Credentials { client, key, push }
}

fn carrier(name: CarrierName, base: &str, options: &Options) -> String {
    let Credentials { client, key, push } = credentials(name);
    let mut text = format!("\n[carriers.{name}]\nurl = \"{base}/{name}/\"\nkey = \"{key}\"\n");
    if let Some(client) = client {
        let _ = writeln!(text, "client_id = \"{client}\"");
    }
    if let Some(push) = push {
        let _ = writeln!(text, "push_secret = \"{push}\"");
    }
    text + &pace(options.limit(name))
}

/// One call in a window can't be told as a limit with a burst below it; two calls in two windows is as slow. The
/// defaults of some carriers have a budget of a day, which a sandbox without one must lift.
fn pace(limit: Limit) -> String {
    let windows = if limit.calls == 1 { 2 } else { 1 };
    let calls = limit.calls.max(1) * windows;
    let window_ms = limit.window.as_millis() * u128::from(windows);
    let burst = (calls / 50).clamp(1, 20);
    let concurrency = if calls >= MANY { 64 } else { 4 };
    let daily = limit.per_day.unwrap_or(NO_DAILY);
    format!(
        "limit = {calls}\nwindow_ms = {window_ms}\nburst = {burst}\nconcurrency = {concurrency}\ndaily = {daily}\n"
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;

    #[test]
    fn what_is_printed_is_a_configuration_in_which_every_carrier_is_asked() {
        for options in [Options::default(), Options::default().with_documented_limits()] {
            let config = Config::with(&toml("127.0.0.1", &options)).unwrap();
            let mut asked: Vec<String> = config.adapters().iter().map(ToString::to_string).collect();
            asked.sort();
            let mut all = CarrierName::ALL.map(|name| name.id().to_owned());
            all.sort();
            assert_eq!(asked, all);
            let dhl = config.carriers.get("dhl").unwrap();
            let most = options.limit(CarrierName::Dhl).per_day.unwrap_or(NO_DAILY);
            assert_eq!(dhl.daily.map(u64::from), Some(most));
        }
    }
}
