//! Who may watch: passwords, signed addresses, tokens of others.
//!
//! In reading order: a stream's [`Policy`] says what it asks for; a [`Signer`] makes and checks the
//! [`Ticket`]s of weir's own; `jwt` and `webhook` ask others; a [`Guard`] puts them together and
//! remembers answers. It knows nothing of HTTP routes, cookies and pages.

mod attempts;
mod client;
mod guard;
mod jwks;
mod jwt;
mod password;
mod policy;
mod ticket;
mod verdicts;
mod webhook;

pub use guard::{Guard, Rule, Visitor};
pub use jwt::{KeyError, PublicKey};
pub use password::Password;
pub use policy::{Access, Jwt, Options, Policy, Refusal};
pub use ticket::{Signer, Ticket};
