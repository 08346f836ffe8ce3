//! Whose tokens members come with.

use forebay_api::member_tokens::{Algorithm, Issuer as TokenIssuer, Mode};
use serde::{Deserialize, Serialize};
use url::Url;

use super::Config;

/// What the issuer of `forebay dev` is called. Nobody else takes its tokens.
pub(crate) const DEV_ISSUER: &str = "forebay-dev";

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Members {
    pub(crate) issuers: Vec<Issuer>,
}

/// Somebody who issues members' tokens.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Issuer {
    pub(crate) issuer: String,
    pub(crate) audiences: Vec<String>,
    pub(crate) jwks_url: Option<Url>,
    #[serde(default)]
    pub(crate) mode: TokenMode,
    #[serde(default = "subject")]
    pub(crate) member_claim: String,
    #[serde(default = "all_algorithms")]
    pub(crate) algorithms: Vec<String>,
}

/// Which claim tells for whom a token was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum TokenMode {
    #[default]
    Standard,
    CognitoAccess,
}

fn subject() -> String {
    "sub".to_owned()
}

fn all_algorithms() -> Vec<String> {
    Algorithm::ALL.iter().map(ToString::to_string).collect()
}

impl Issuer {
    /// Where the issuer publishes its keys.
    pub(crate) fn keys_url(&self) -> Result<Url, url::ParseError> {
        match &self.jwks_url {
            Some(url) => Ok(url.clone()),
            None => Url::parse(&format!("{}/.well-known/jwks.json", self.issuer.trim_end_matches('/'))),
        }
    }

    /// Whose tokens are taken, and which of them.
    pub(crate) fn terms(&self) -> TokenIssuer {
        TokenIssuer {
            issuer: self.issuer.clone(),
            audiences: self.audiences.clone(),
            mode: match self.mode {
                TokenMode::Standard => Mode::Standard,
                TokenMode::CognitoAccess => Mode::CognitoAccess,
            },
            member_claim: self.member_claim.clone(),
            algorithms: self.algorithms.iter().filter_map(|name| name.parse().ok()).collect(),
        }
    }

    fn check(&self, faults: &mut Vec<String>) {
        let mut fault = |text: String| faults.push(format!("members.issuers: {text}"));
        let name = &self.issuer;
        if name.trim().is_empty() {
            return fault("an issuer has no name; set issuer to the claim `iss` of its tokens".to_owned());
        }
        if name.trim().to_ascii_lowercase().starts_with(DEV_ISSUER) {
            fault(format!("\"{name}\" issues the tokens of `forebay dev`; they are refused elsewhere"));
        }
        if self.audiences.iter().all(|audience| audience.trim().is_empty()) {
            fault(format!(
                "{name}: audiences is empty; name the `aud` of its tokens (for cognito_access: the client id)"
            ));
        }
        if self.member_claim.is_empty() {
            fault(format!("{name}: member_claim is empty; name the claim that holds the member's id"));
        }
        if self.algorithms.is_empty() {
            fault(format!("{name}: algorithms is empty; leave it out for RS256, ES256 and EdDSA"));
        }
        for algorithm in &self.algorithms {
            if let Err(error) = algorithm.parse::<Algorithm>() {
                fault(format!("{name}: algorithms: \"{algorithm}\" {error}"));
            }
        }
        match self.keys_url() {
            Ok(url) if matches!(url.scheme(), "https" | "http") => {}
            Ok(url) => {
                fault(format!("{name}: jwks_url begins with {}:, it must begin with https:", url.scheme()))
            }
            Err(_) => {
                fault(format!("{name}: jwks_url is missing; the issuer is no address to find its keys by"))
            }
        }
    }
}

impl Config {
    /// Checks the issuers of members' tokens.
    pub(super) fn check_members(&self, faults: &mut Vec<String>) {
        let issuers = &self.members.issuers;
        for (n, issuer) in issuers.iter().enumerate() {
            issuer.check(faults);
            if issuers[..n].iter().any(|before| before.issuer == issuer.issuer) {
                faults.push(format!("members.issuers: {} is there twice", issuer.issuer));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHOP: &str = "[[members.issuers]]\nissuer = \"https://id.shop.example/\"\naudiences = [\"app\"]\n";

    fn faults(settings: &str) -> String {
        Config::with(settings).err().map(|faults| faults.to_string()).unwrap_or_default()
    }

    #[test]
    fn an_issuer_needs_its_name_and_an_audience_and_tells_by_itself_where_its_keys_are() {
        let config = Config::with(SHOP).unwrap();
        let issuer = &config.members.issuers[0];
        let url = issuer.keys_url().unwrap();
        assert_eq!(url.as_str(), "https://id.shop.example/.well-known/jwks.json");
        assert_eq!(issuer.terms().algorithms, Algorithm::ALL);
        assert_eq!((issuer.terms().member_claim.as_str(), issuer.terms().mode), ("sub", Mode::Standard));
        let elsewhere =
            format!("{SHOP}jwks_url = \"https://keys.example/a.json\"\nmode = \"cognito_access\"");
        let config = Config::with(&elsewhere).unwrap();
        assert_eq!(config.members.issuers[0].keys_url().unwrap().as_str(), "https://keys.example/a.json");
        assert_eq!(config.members.issuers[0].terms().mode, Mode::CognitoAccess);
    }

    #[test]
    fn the_issuer_of_dev_is_refused_by_name() {
        for name in ["forebay-dev", "Forebay-Dev", " forebay-dev-2"] {
            let settings = format!(
                "[[members.issuers]]\nissuer = \"{name}\"\naudiences = [\"forebay\"]\n\
                 jwks_url = \"https://keys.example/\""
            );
            assert!(faults(&settings).contains("`forebay dev`"), "{name}: {}", faults(&settings));
        }
    }

    #[test]
    fn every_fault_of_an_issuer_is_told() {
        for (settings, part) in [
            (format!("{SHOP}{SHOP}"), "twice"),
            (format!("{SHOP}algorithms = [\"HS256\"]"), "HS256"),
            (format!("{SHOP}algorithms = [\"none\"]"), "must be RS256, ES256 or EdDSA"),
            (format!("{SHOP}algorithms = []"), "algorithms is empty"),
            (format!("{SHOP}member_claim = \"\""), "member_claim"),
            (format!("{SHOP}jwks_url = \"file:///etc/keys\""), "must begin with https:"),
            (SHOP.replace("[\"app\"]", "[]"), "audiences is empty"),
            (SHOP.replace("https://id.shop.example/", "shop"), "jwks_url is missing"),
            (SHOP.replace("https://id.shop.example/", ""), "no name"),
        ] {
            assert!(faults(&settings).contains(part), "{part} is not in: {}", faults(&settings));
        }
    }
}
