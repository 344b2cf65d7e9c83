use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair};
use serde_json::{Value, json};

use super::*;

const SECRET: &str = "a secret that has more than 32 bytes";

/// Signs a message with some key.
type Sign = Box<dyn Fn(&[u8]) -> Vec<u8>>;

fn token(algorithm: &str, claims: &Value, sign: &Sign) -> String {
    let encode = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let header = json!({ "alg": algorithm, "typ": "JWT" });
    let message = format!("{}.{}", encode(&header), encode(claims));
    let signed = URL_SAFE_NO_PAD.encode(sign(message.as_bytes()));
    format!("{message}.{signed}")
}

fn hs256(secret: &'static str) -> Sign {
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes());
    Box::new(move |message| hmac::sign(&key, message).as_ref().to_vec())
}

fn now() -> u64 {
    jsonwebtoken::get_current_timestamp()
}

/// Claims that open `demo` for an hour, with `others` added or replaced.
fn claims(others: Value) -> Value {
    let mut claims = json!({ "stream": "demo", "exp": now() + 3600 });
    let (Value::Object(claims_map), Value::Object(others)) = (&mut claims, others) else {
        unreachable!("both are objects");
    };
    claims_map.extend(others);
    claims
}

fn settings(key: &str) -> policy::Jwt {
    policy::Jwt {
        key: Some(PublicKey::parse(key).unwrap()),
        jwks: None,
        issuer: None,
        audience: None,
    }
}

async fn checked(settings: &policy::Jwt, stream: &str, token: &str) -> Result<(), Refusal> {
    let client = Arc::new(Client::new().unwrap());
    Verifier::new(settings, &client).check(stream, token).await
}

/// The DER of a public key in the frame that names its algorithm (RFC 5280 section 4.1.2.7), as PEM.
fn pem(frame: &[u8], key: &[u8]) -> String {
    let der = [frame, key].concat();
    let text = STANDARD.encode(der);
    format!("-----BEGIN PUBLIC KEY-----\n{text}\n-----END PUBLIC KEY-----\n")
}

#[tokio::test]
async fn claims_decide_what_a_token_opens() {
    let (settings, sign) = (settings(SECRET), hs256(SECRET));
    for (others, expected) in [
        (json!({}), Ok(())),
        (json!({ "stream": ["other", "demo"] }), Ok(())),
        (json!({ "stream": "*" }), Ok(())),
        (json!({ "stream": "other" }), Err(Refusal::Wrong)),
        (json!({ "stream": "demo*" }), Err(Refusal::Wrong)),
        (json!({ "stream": [] }), Err(Refusal::Wrong)),
        (json!({ "stream": null }), Err(Refusal::Wrong)),
        (json!({ "exp": null }), Err(Refusal::Wrong)),
        (json!({ "exp": now() - 60 }), Err(Refusal::Expired)),
        (json!({ "nbf": now() + 60 }), Err(Refusal::Wrong)),
        (json!({ "aud": "somebody else" }), Err(Refusal::Wrong)),
        (json!({ "iss": "anybody" }), Ok(())),
    ] {
        let token = token("HS256", &claims(others.clone()), &sign);
        assert_eq!(
            checked(&settings, "demo", &token).await,
            expected,
            "{others}"
        );
    }
}

#[tokio::test]
async fn issuer_and_audience_must_be_there_where_they_are_configured() {
    let sign = hs256(SECRET);
    let settings = policy::Jwt {
        issuer: Some("shop".to_owned()),
        audience: Some("weir".to_owned()),
        ..settings(SECRET)
    };
    for (others, expected) in [
        (json!({ "iss": "shop", "aud": "weir" }), Ok(())),
        (json!({ "iss": "shop", "aud": ["other", "weir"] }), Ok(())),
        (json!({ "iss": "shop" }), Err(Refusal::Wrong)),
        (json!({ "aud": "weir" }), Err(Refusal::Wrong)),
        (
            json!({ "iss": "thief", "aud": "weir" }),
            Err(Refusal::Wrong),
        ),
    ] {
        let token = token("HS256", &claims(others.clone()), &sign);
        assert_eq!(
            checked(&settings, "demo", &token).await,
            expected,
            "{others}"
        );
    }
}

#[tokio::test]
async fn each_kind_of_key_takes_its_own_algorithm_alone() {
    let random = SystemRandom::new();
    let document = Ed25519KeyPair::generate_pkcs8(&random).unwrap();
    let ed = Ed25519KeyPair::from_pkcs8(document.as_ref()).unwrap();
    let ed_pem = pem(
        b"\x30\x2a\x30\x05\x06\x03\x2b\x65\x70\x03\x21\x00",
        ed.public_key().as_ref(),
    );
    let document = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &random).unwrap();
    let algorithm = &ECDSA_P256_SHA256_FIXED_SIGNING;
    let ec = EcdsaKeyPair::from_pkcs8(algorithm, document.as_ref(), &random).unwrap();
    let ec_pem = pem(
        b"\x30\x59\x30\x13\x06\x07\x2a\x86\x48\xce\x3d\x02\x01\x06\x08\x2a\x86\x48\xce\x3d\x03\x01\x07\x03\x42\x00",
        ec.public_key().as_ref(),
    );
    let sign_ec: Sign = Box::new(move |message| {
        ec.sign(&SystemRandom::new(), message)
            .unwrap()
            .as_ref()
            .to_vec()
    });
    let keys: [(&str, &str, Sign); 3] = [
        ("HS256", SECRET, hs256(SECRET)),
        ("ES256", &ec_pem, sign_ec),
        (
            "EdDSA",
            &ed_pem,
            Box::new(move |message| ed.sign(message).as_ref().to_vec()),
        ),
    ];
    for (algorithm, _, sign) in &keys {
        let token = token(algorithm, &claims(json!({})), sign);
        for (of_key, key, _) in &keys {
            let expected = match algorithm == of_key {
                true => Ok(()),
                false => Err(Refusal::Wrong),
            };
            let found = checked(&settings(key), "demo", &token).await;
            assert_eq!(found, expected, "{algorithm} with a key for {of_key}");
        }
    }
    // A public key is no secret, and no signature is none.
    let leaked: &'static str = Box::leak(ed_pem.into_boxed_str());
    for (algorithm, sign) in [
        ("HS256", hs256(leaked)),
        ("none", Box::new(|_: &[u8]| Vec::new()) as Sign),
    ] {
        let forged = token(algorithm, &claims(json!({})), &sign);
        let found = checked(&settings(leaked), "demo", &forged).await;
        assert_eq!(found, Err(Refusal::Wrong), "{algorithm}");
    }
}

#[tokio::test]
async fn rs256_works_with_pem() {
    let (key, token) = (
        include_str!("../testdata/rsa.pub.pem"),
        include_str!("../testdata/rs256.jwt"),
    );
    assert_eq!(checked(&settings(key), "demo", token.trim()).await, Ok(()));
    let (head, signature) = token.trim().rsplit_once('.').unwrap();
    let forged = format!("{head}.{}", signature.chars().rev().collect::<String>());
    assert_eq!(
        checked(&settings(key), "demo", &forged).await,
        Err(Refusal::Wrong)
    );
}

#[test]
fn what_is_no_key() {
    assert_eq!(PublicKey::parse("short").unwrap_err(), KeyError::Short);
    for (text, expected) in [
        (
            "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n",
            KeyError::Private,
        ),
        (
            "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n",
            KeyError::Unusable,
        ),
    ] {
        assert_eq!(PublicKey::parse(text).unwrap_err(), expected);
    }
}
