//! One order: an account, an answer to the authority for each name, and the certificate.

use std::time::Duration;

use instant_acme::{
    Account, AuthorizationStatus, CertificateIdentifier, ChallengeHandle, ChallengeType, Error,
    Identifier, NewAccount, NewOrder, Order, OrderStatus, RetryPolicy,
};

use super::client::Client;
use super::failure::{Failure, Kind};
use super::folder::{self, Folder};
use super::settings::Settings;
use crate::daemon::tls::{Answered, Challenges, Pair};

/// How the authority is asked whether it has decided: first after half a second, then less often.
const ASKED_FIRST: Duration = Duration::from_millis(500);
const ASKED_LESS_OFTEN: f32 = 1.5;
const DECIDED_MAX: Duration = Duration::from_secs(120);

/// What an order needs.
pub(super) struct Job<'a> {
    pub(super) settings: &'a Settings,
    pub(super) folder: &'a Folder,
    pub(super) challenges: &'a Challenges,
    /// How the authority shall find out whether the names are of this server.
    pub(super) kind: Kind,
    /// The certificate that is to be renewed.
    pub(super) replaced: Option<&'a Pair>,
}

impl Job<'_> {
    /// Has a certificate made and keeps it. The caller bounds the time; a call that is cancelled
    /// leaves an order at the authority, which forgets it.
    ///
    /// # Errors
    /// When there is no new certificate.
    pub(super) async fn carry_out(&self, client: &Client) -> Result<Pair, Failure> {
        let carried_out = match self.try_once(client).await {
            Err(failure) if failure.is_unknown_account => {
                self.folder.forget_account().await;
                self.try_once(client).await
            }
            carried_out => carried_out,
        };
        carried_out.map_err(|failure| failure.advised(client.advice()))
    }

    async fn try_once(&self, client: &Client) -> Result<Pair, Failure> {
        let failed = |error| Failure::of(&error, self.kind);
        let account = account(self.settings, self.folder, client, self.kind).await?;
        let mut order = self.order(&account).await.map_err(failed)?;
        if let Err(refused) = self.prove(&mut order).await {
            return Err(self.refusal(&mut order).await.unwrap_or(refused));
        }
        let key = order.finalize().await.map_err(failed)?;
        let chain = order.poll_certificate(&patience()).await.map_err(failed)?;
        let pair = self.folder.keep_certificate(&key, &chain).await?;
        Ok(pair)
    }

    /// Authorities count an order that replaces a certificate less strictly (RFC 9773 section 5).
    async fn order(&self, account: &Account) -> Result<Order, Error> {
        let names: Vec<Identifier> = self
            .settings
            .domains
            .iter()
            .map(|domain| Identifier::Dns(domain.clone()))
            .collect();
        if let Some(replaced) = self.replaced.and_then(identifier) {
            let renewal = NewOrder::new(&names).replaces(replaced);
            match account.new_order(&renewal).await {
                Ok(order) => return Ok(order),
                Err(Error::Api(problem)) if is_final(&problem) => return Err(problem.into()),
                // The authority does not know of replacements, or not this certificate.
                Err(error) => tracing::debug!(%error, "an order that replaces none is tried"),
            }
        }
        account.new_order(&NewOrder::new(&names)).await
    }

    /// Proves that the names are of this server.
    async fn prove(&self, order: &mut Order) -> Result<(), Failure> {
        // The answers stand until the authority has decided.
        let _answers = self.answer(order).await?;
        match order.poll_ready(&patience()).await {
            Ok(OrderStatus::Ready) => Ok(()),
            Ok(_) => Err(Failure::here(
                "the authority refuses the order",
                "none: weir asks again",
            )),
            Err(error) => Err(Failure::of(&error, self.kind)),
        }
    }

    /// Prepares the answers for every name that the authority does not believe yet, and lets it ask.
    async fn answer(&self, order: &mut Order) -> Result<Vec<Answered>, Failure> {
        let failed = |error| Failure::of(&error, self.kind);
        let mut answers = Vec::new();
        let mut authorizations = order.authorizations();
        while let Some(authorization) = authorizations.next().await {
            let mut authorization = authorization.map_err(failed)?;
            if authorization.status == AuthorizationStatus::Valid {
                continue;
            }
            let offers = |kind: ChallengeType| {
                let mut challenges = authorization.challenges.iter();
                challenges.any(|challenge| challenge.r#type == kind)
            };
            let kind = match self.kind {
                Kind::Http01 if !offers(ChallengeType::Http01) => Kind::TlsAlpn01,
                kind => kind,
            };
            let offered = authorization.challenge(kind.into());
            let mut challenge = offered.ok_or_else(|| {
                Failure::here(
                    format!("the authority does not check names by {}", kind.name()),
                    "turn on `http` in [server], or set another `directory`",
                )
            })?;
            answers.push(self.prepare(kind, &challenge)?);
            challenge.set_ready().await.map_err(failed)?;
        }
        Ok(answers)
    }

    fn prepare(&self, kind: Kind, challenge: &ChallengeHandle<'_>) -> Result<Answered, Failure> {
        let key = challenge.key_authorization();
        Ok(match kind {
            Kind::Http01 => self.challenges.over_http(&challenge.token, key.as_str())?,
            Kind::TlsAlpn01 => {
                let name = challenge.identifier().to_string();
                self.challenges.over_tls(&name, key.digest().as_ref())?
            }
        })
    }

    /// What the authority says of the first name that it does not believe.
    async fn refusal(&self, order: &mut Order) -> Option<Failure> {
        let mut authorizations = order.authorizations();
        while let Some(Ok(mut authorization)) = authorizations.next().await {
            let state = authorization.refresh().await.ok()?;
            let mut problems = state.challenges.iter().filter_map(|challenge| {
                let problem = challenge.error.as_ref()?;
                Some((Kind::of_challenge(&challenge.r#type)?, problem))
            });
            if let Some((kind, problem)) = problems.next() {
                let name = state.identifier().to_string();
                return Some(Failure::of_challenge(&name, kind, problem));
            }
        }
        None
    }
}

impl Kind {
    fn of_challenge(challenge: &ChallengeType) -> Option<Self> {
        match challenge {
            ChallengeType::Http01 => Some(Self::Http01),
            ChallengeType::TlsAlpn01 => Some(Self::TlsAlpn01),
            _ => None,
        }
    }
}

impl From<Kind> for ChallengeType {
    fn from(kind: Kind) -> Self {
        match kind {
            Kind::Http01 => Self::Http01,
            Kind::TlsAlpn01 => Self::TlsAlpn01,
        }
    }
}

/// Problems that another order would have, too.
fn is_final(problem: &instant_acme::Problem) -> bool {
    let class = problem.r#type.as_deref().unwrap_or_default();
    class.ends_with(":rateLimited") || class.ends_with(":accountDoesNotExist")
}

const fn patience() -> RetryPolicy {
    RetryPolicy::new()
        .initial_delay(ASKED_FIRST)
        .backoff(ASKED_LESS_OFTEN)
        .timeout(DECIDED_MAX)
}

/// How authorities name a certificate (RFC 9773 section 4.1).
pub(super) fn identifier(pair: &Pair) -> Option<CertificateIdentifier<'static>> {
    let identifier = CertificateIdentifier::try_from(pair.certificate_der()?).ok()?;
    Some(identifier.into_owned())
}

/// The account: the kept one, or a new one, which accepts the authority's terms of service.
pub(super) async fn account(
    settings: &Settings,
    folder: &Folder,
    client: &Client,
    kind: Kind,
) -> Result<Account, Failure> {
    let failed = |error| Failure::of(&error, kind);
    let contact = format!("mailto:{}", settings.email);
    let builder = Account::builder_with_http(Box::new(client.clone()));
    if let Some(kept) = folder.account().await {
        let known_email = kept.email;
        let restored = builder.from_credentials(kept.credentials).await;
        let account = restored.map_err(failed)?;
        if known_email != settings.email {
            let told = account.update_contacts(&[contact.as_str()]).await;
            told.map_err(failed)?;
            if let Some(mut kept) = folder.account().await {
                kept.email.clone_from(&settings.email);
                folder.keep_account(&kept).await?;
            }
        }
        return Ok(account);
    }
    let wanted = NewAccount {
        contact: &[contact.as_str()],
        terms_of_service_agreed: true,
        only_return_existing: false,
    };
    let directory = settings.directory.url().to_owned();
    let created = builder.create(&wanted, directory, None).await;
    let (account, credentials) = created.map_err(failed)?;
    tracing::info!(
        directory = settings.directory.url(),
        "account made at the certificate authority"
    );
    let email = settings.email.clone();
    let kept = folder::Account { email, credentials };
    folder.keep_account(&kept).await?;
    Ok(account)
}
