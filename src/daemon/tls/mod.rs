//! TLS for the ports: certificates with their keys, and the handshake.
//!
//! In reading order: a `pair` is a certificate with its key, from files that the configuration names,
//! from a certificate authority or `self_made`; [`Certificates`] holds the pair in force and exchanges
//! it when it changes; an [`Acceptor`] makes connections secure with it, and answers the
//! [`Challenges`] of authorities; a [`Connector`] opens connections. The only user of rustls.

mod acceptor;
mod certificates;
mod challenges;
mod connector;
mod https;
mod pair;
mod self_made;
pub mod store;

pub use acceptor::{Acceptor, Application, Stream};
pub use certificates::{Certificates, Keeper, Missing, Source};
pub use challenges::{Answered, Challenges, Unanswerable};
pub use connector::{ClientStream, Connector, NoTrust, further_roots};
pub use https::https_connector;
pub use pair::{About, Files, Origin, Pair, PairError, Part, date_text};
pub use store::StoreError;
