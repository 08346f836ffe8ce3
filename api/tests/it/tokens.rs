//! Which tokens are taken.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use forebay_api::member_tokens::{Algorithm, Mode};
use forebay_api::{Issuer, KeySets};
use serde_json::{Value, json};
use std::sync::Arc;

use crate::http::{Answer, Request};
use crate::provider::{AUDIENCE, AtHand, SigningKey, claims, encoded, issuer};
use crate::world::World;

/// A provider of one key, and an api that takes its tokens.
struct Scene {
    world: World,
    key: SigningKey,
}

impl Scene {
    async fn of(issuer: Issuer, key: SigningKey) -> Self {
        let keys: Arc<dyn KeySets> = AtHand::of(&[&key]);
        Self { world: World::start_knowing(vec![(issuer, keys)]).await, key }
    }

    async fn start() -> Self {
        Self::of(issuer(), SigningKey::p256("k1")).await
    }

    fn claims(&self) -> Value {
        claims("m-a", self.world.clock.as_ref())
    }

    async fn ask(&self, authorization: &str) -> Answer {
        let path = "/v1/members/me/balance";
        Request::new(self.world.address, "GET", path).header("Authorization", authorization).send().await
    }

    async fn takes(&self, token: &str) -> bool {
        let answer = self.ask(&format!("Bearer {token}")).await;
        if answer.status == 200 {
            return true;
        }
        let problem = answer.problem(401);
        assert!(problem["type"].as_str().unwrap().ends_with("#invalid-token"), "{problem}");
        assert_eq!(answer.header("www-authenticate"), Some("Bearer error=\"invalid_token\""));
        let repeated = token.len() > 20 && problem.to_string().contains(token);
        assert!(!repeated, "the token is repeated");
        false
    }

    /// With one claim set, or taken out.
    async fn takes_with(&self, claim: &str, value: Value) -> bool {
        let mut claims = self.claims();
        match value {
            Value::Null => {
                claims.as_object_mut().unwrap().remove(claim);
            }
            value => claims[claim] = value,
        }
        self.takes(&self.key.token(&claims)).await
    }
}

#[tokio::test]
async fn each_of_the_three_algorithms_is_taken() {
    for key in [SigningKey::rsa("k1"), SigningKey::p256("k1"), SigningKey::ed25519("k1")] {
        let algorithm = key.algorithm();
        let scene = Scene::of(issuer(), key).await;
        assert!(scene.takes(&scene.key.token(&scene.claims())).await, "{algorithm}");
    }
}

#[tokio::test]
async fn a_claim_that_must_be_there_and_is_not_refuses_the_token() {
    let scene = Scene::start().await;
    for claim in ["iss", "aud", "exp", "iat", "sub"] {
        assert!(!scene.takes_with(claim, Value::Null).await, "without {claim}");
    }
}

#[tokio::test]
async fn the_token_must_be_of_this_issuer_and_for_this_audience() {
    let scene = Scene::start().await;
    assert!(scene.takes_with("aud", json!(["userinfo", AUDIENCE])).await);
    for (claim, value) in [
        ("aud", json!("another-app")),
        ("aud", json!([])),
        ("aud", json!(["another-app"])),
        ("aud", json!({ "shop-app": true })),
        ("iss", json!("https://id.shop.example")),
        ("iss", json!("https://evil.example/")),
        ("iss", json!(["https://id.shop.example/"])),
        ("sub", json!("")),
        ("sub", json!(7)),
        ("sub", json!("a b")),
        ("sub", json!("x".repeat(129))),
        ("sub", json!("forebay:erased:0123")),
    ] {
        assert!(!scene.takes_with(claim, value.clone()).await, "{claim} {value}");
    }
}

#[tokio::test]
async fn a_token_expires_with_a_minute_of_grace() {
    let scene = Scene::start().await;
    let now = scene.claims()["iat"].as_i64().unwrap();
    assert!(scene.takes_with("exp", json!(now - 59)).await);
    assert!(scene.takes_with("exp", json!(now as f64 - 59.5)).await);
    assert!(!scene.takes_with("exp", json!(now - 61)).await);
    assert!(!scene.takes_with("exp", json!((now + 3600).to_string())).await, "a number as text");
}

#[tokio::test]
async fn a_token_of_the_future_or_of_the_day_before_yesterday_is_refused() {
    let scene = Scene::start().await;
    let now = scene.claims()["iat"].as_i64().unwrap();
    for (claim, at, taken) in [
        ("nbf", now + 59, true),
        ("nbf", now + 61, false),
        ("iat", now + 59, true),
        ("iat", now + 61, false),
        ("iat", now - 24 * 3600, true),
        ("iat", now - 24 * 3600 - 1, false),
    ] {
        assert_eq!(scene.takes_with(claim, json!(at)).await, taken, "{claim} {}", at - now);
    }
    assert!(
        !scene.takes_with("nbf", json!("soon")).await,
        "a beginning that can't be read is none that has come"
    );
}

#[tokio::test]
async fn none_and_shared_secrets_are_refused() {
    let scene = Scene::of(issuer(), SigningKey::rsa("k1")).await;
    let good = scene.key.token(&scene.claims());
    let (message, _) = good.rsplit_once('.').unwrap();
    let (_, payload) = message.split_once('.').unwrap();
    for alg in ["none", "None", "NONE", "", "HS256", "HS512", "RS384", "PS256"] {
        let header = encoded(json!({ "alg": alg, "kid": "k1" }).to_string());
        assert!(!scene.takes(&format!("{header}.{payload}.")).await, "{alg:?} without a signature");
        let token = scene.key.token_with(&json!({ "alg": alg, "kid": "k1" }), &scene.claims());
        assert!(!scene.takes(&token).await, "{alg:?}");
    }
    // The public key as if it were a shared secret, in each form in which somebody might have it.
    let jwk = scene.key.jwk();
    let header = encoded(json!({ "alg": "HS256", "kid": "k1" }).to_string());
    let message = format!("{header}.{payload}");
    for secret in
        [jwk.to_string().into_bytes(), STANDARD.decode("AQAB").unwrap(), jwk["n"].to_string().into()]
    {
        let key = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, &secret);
        let signature = encoded(ring::hmac::sign(&key, message.as_bytes()));
        assert!(!scene.takes(&format!("{message}.{signature}")).await);
    }
}

#[tokio::test]
async fn an_algorithm_that_is_not_the_keys_or_not_the_issuers_is_refused() {
    let scene = Scene::start().await;
    for alg in ["RS256", "EdDSA"] {
        let token = scene.key.token_with(&json!({ "alg": alg, "kid": "k1" }), &scene.claims());
        assert!(!scene.takes(&token).await, "{alg} with a key for ES256");
    }
    let only = Issuer { algorithms: vec![Algorithm::Rs256], ..issuer() };
    let scene = Scene::of(only, SigningKey::p256("k1")).await;
    assert!(!scene.takes(&scene.key.token(&scene.claims())).await);
}

#[tokio::test]
async fn a_signature_that_is_not_the_keys_is_refused() {
    let scene = Scene::start().await;
    let stranger = SigningKey::p256("k1");
    assert!(!scene.takes(&stranger.token(&scene.claims())).await, "another key of the same name");
    let good = scene.key.token(&scene.claims());
    let (message, signature) = good.rsplit_once('.').unwrap();
    let other = scene.key.token(&claims("m-b", scene.world.clock.as_ref()));
    let (other, _) = other.rsplit_once('.').unwrap();
    for token in [
        format!("{other}.{signature}"),
        format!("{message}."),
        format!("{message}.{}", &signature[..signature.len() - 4]),
        format!("{message}.{signature}="),
        format!("{good}.{signature}"),
        message.to_owned(),
        ".".to_owned(),
        "..".to_owned(),
    ] {
        assert!(!scene.takes(&token).await, "{token}");
    }
    assert!(scene.takes(&good).await);
}

#[tokio::test]
async fn what_the_header_says_of_keys_and_extensions_is_not_followed() {
    let scene = Scene::start().await;
    let stranger = SigningKey::p256("k2");
    let claims = scene.claims();
    for header in [
        json!({ "alg": "ES256", "kid": "k2", "jwk": stranger.jwk() }),
        json!({ "alg": "ES256", "kid": "k2", "jku": "https://evil.example/jwks.json" }),
        json!({ "alg": "ES256", "jwk": stranger.jwk() }),
        json!({ "alg": "ES256", "kid": "" }),
        json!({ "alg": "ES256", "kid": "x".repeat(257) }),
    ] {
        assert!(!scene.takes(&stranger.token_with(&header, &claims)).await, "{header}");
    }
    for (header, taken) in [
        (json!({ "alg": "ES256", "kid": "k1", "crit": ["exp"], "exp": 1 }), false),
        (json!({ "alg": "ES256", "kid": "k1", "typ": "logout+jwt" }), false),
        (json!({ "alg": "ES256", "kid": "k1", "typ": "application/at+jwt" }), true),
        (json!({ "alg": "ES256", "kid": "k1" }), true),
    ] {
        assert_eq!(scene.takes(&scene.key.token_with(&header, &claims)).await, taken, "{header}");
    }
}

#[tokio::test]
async fn an_access_token_of_cognito_names_its_client_and_has_no_audience() {
    let cognito = Issuer { mode: Mode::CognitoAccess, ..issuer() };
    let scene = Scene::of(cognito, SigningKey::rsa("k1")).await;
    let mut access = scene.claims();
    access.as_object_mut().unwrap().remove("aud");
    access["client_id"] = json!(AUDIENCE);
    access["token_use"] = json!("access");
    assert!(scene.takes(&scene.key.token(&access)).await);
    for (claim, value) in [("client_id", json!("another-app")), ("token_use", json!("id"))] {
        let mut claims = access.clone();
        claims[claim] = value;
        assert!(!scene.takes(&scene.key.token(&claims)).await, "{claim}");
    }
    assert!(!scene.takes(&scene.key.token(&scene.claims())).await, "an id token");
    // And an issuer of the standard kind does not take it.
    let scene = Scene::of(issuer(), SigningKey::rsa("k1")).await;
    assert!(!scene.takes(&scene.key.token(&access)).await);
}

#[tokio::test]
async fn the_member_may_stand_in_another_claim() {
    let issuer = Issuer { member_claim: "custom:member".to_owned(), ..issuer() };
    let scene = Scene::of(issuer, SigningKey::ed25519("k1")).await;
    assert!(!scene.takes(&scene.key.token(&scene.claims())).await, "without that claim");
    assert!(scene.takes_with("custom:member", json!("m-7")).await);
}

#[tokio::test]
async fn two_tokens_or_an_enormous_one_are_refused() {
    let scene = Scene::start().await;
    let good = scene.key.token(&scene.claims());
    let request = Request::new(scene.world.address, "GET", "/v1/members/me/balance");
    let bearer = format!("Bearer {good}");
    let twice = request.header("Authorization", &bearer).header("Authorization", &bearer).send().await;
    twice.problem(401);
    scene.ask(&format!("Bearer {good}, Bearer {good}")).await.problem(401);
    scene.ask(&format!("Basic {good}")).await.problem(401);
    scene.ask(&good).await.problem(401);
    let mut large = scene.claims();
    large["padding"] = json!("x".repeat(5_000));
    assert!(scene.takes(&scene.key.token(&large)).await, "a token of 7 KB");
    large["padding"] = json!("x".repeat(30_000));
    assert!(!scene.takes(&scene.key.token(&large)).await, "a token of 40 KB");
    assert!(scene.ask(&format!("bearer {good}")).await.status == 200, "the scheme in small letters");
}
