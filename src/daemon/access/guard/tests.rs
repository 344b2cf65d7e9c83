use std::net::Ipv4Addr;

use super::*;
use crate::daemon::access::Password;

const HOME: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1));
const AWAY: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 2));
const PERIOD: Duration = Duration::from_secs(2);

fn options() -> Options {
    Options {
        remember: Duration::from_secs(3600),
        ..Options::default()
    }
}

fn secret(text: &str) -> Secret {
    Secret::new(text.to_owned())
}

fn policy(access: Access, password: Option<&str>) -> Policy {
    Policy {
        access,
        password: password.map(|text| Password::parse(text).unwrap()),
    }
}

fn guard(policies: &[(&str, Policy)]) -> Guard {
    let guard = Guard::default();
    change(&guard, policies, "secret");
    guard
}

fn change(guard: &Guard, policies: &[(&str, Policy)], text: &str) {
    let policies = policies.iter().cloned();
    let policies = policies.map(|(name, policy)| (name.to_owned(), policy));
    guard
        .apply(policies, &options(), Some(&secret(text)), PERIOD)
        .unwrap();
}

fn shown(pass: Option<&str>) -> Visitor<'_> {
    Visitor {
        address: HOME,
        pass,
    }
}

fn now() -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000)
}

#[tokio::test]
async fn a_password_opens_the_stream_until_it_changes() {
    let guard = guard(&[
        ("studio", policy(Access::Password, Some("open sesame"))),
        ("other", policy(Access::Password, Some("open sesame"))),
    ]);
    let rule = guard.rule("studio").unwrap();
    assert_eq!(rule.admit(shown(None), now()).await, Err(Refusal::Missing));
    let wrong = rule.login("sesame".to_owned(), HOME, now()).await;
    assert_eq!(wrong, Err(Refusal::Wrong));
    let ticket = rule
        .login("open sesame".to_owned(), HOME, now())
        .await
        .unwrap();
    let visitor = shown(Some(&ticket));
    assert_eq!(rule.admit(visitor, now()).await, Ok(()));
    assert!(rule.knows(visitor, now()));
    let later = now() + options().remember;
    assert_eq!(rule.admit(visitor, later).await, Err(Refusal::Expired));
    let other = guard.rule("other").unwrap();
    assert_eq!(other.admit(visitor, now()).await, Err(Refusal::Wrong));

    change(
        &guard,
        &[("studio", policy(Access::Password, Some("new words")))],
        "secret",
    );
    let rule = guard.rule("studio").unwrap();
    assert_eq!(rule.admit(visitor, now()).await, Err(Refusal::Wrong));
    // A stream that is gone keeps its rule.
    let other = guard.rule("other").unwrap();
    assert_eq!(other.admit(shown(None), now()).await, Err(Refusal::Missing));
}

#[tokio::test]
async fn nobody_can_guess_passwords() {
    let guard = guard(&[("studio", policy(Access::Password, Some("open sesame")))]);
    let rule = guard.rule("studio").unwrap();
    for _ in 0..PASSWORDS_MAX {
        let wrong = rule.login("sesame".to_owned(), HOME, now()).await;
        assert_eq!(wrong, Err(Refusal::Wrong));
    }
    let right = || rule.login("open sesame".to_owned(), HOME, now());
    let too_many = Err(Refusal::TooMany(PASSWORDS_PERIOD));
    assert_eq!(right().await, too_many);
    // Another configuration does not forget them.
    change(
        &guard,
        &[("studio", policy(Access::Password, Some("open sesame")))],
        "other",
    );
    assert_eq!(right().await, too_many);
    assert!(
        rule.login("open sesame".to_owned(), AWAY, now())
            .await
            .is_ok()
    );
}

#[tokio::test]
async fn signed_tickets_open_both_kinds_of_streams_and_end_with_the_secret() {
    let policies = [
        ("studio", policy(Access::Password, Some("open sesame"))),
        ("paid", policy(Access::Token, None)),
        ("free", policy(Access::Public, None)),
    ];
    let guard = guard(&policies);
    assert!(guard.rule("free").is_none() && guard.rule("unknown").is_none());
    let signer = Signer::new(&secret("secret")).unwrap();
    let ticket = Ticket {
        expires: now() + Duration::from_secs(1),
        address: None,
    };
    for stream in ["studio", "paid"] {
        let signed = signer.sign(stream, &ticket, None);
        let admit = |at| {
            let (rule, signed) = (guard.rule(stream).unwrap(), signed.clone());
            async move { rule.admit(shown(Some(&signed)), at).await }
        };
        assert_eq!(admit(now()).await, Ok(()));
        assert_eq!(admit(ticket.expires).await, Err(Refusal::Expired));
        change(&guard, &policies, "another");
        assert_eq!(admit(now()).await, Err(Refusal::Wrong));
        change(&guard, &policies, "secret");
    }
    let paid = guard.rule("paid").unwrap();
    assert_eq!(
        paid.admit(shown(Some("text")), now()).await,
        Err(Refusal::Wrong)
    );
    assert_eq!(paid.admit(shown(None), now()).await, Err(Refusal::Missing));
    let login = paid.login("open sesame".to_owned(), HOME, now()).await;
    assert_eq!(login, Err(Refusal::Missing));
}
