//! TLS for the ports: certificates with their keys, and the handshake.
//!
//! In reading order: a `pair` is a certificate with its key, from files that the configuration names
//! or `self_made`; [`Certificates`] holds the pair in force and exchanges it when it changes; an
//! [`Acceptor`] makes connections secure with it. The only user of rustls.

mod acceptor;
mod certificates;
mod connector;
mod pair;
mod self_made;
mod store;

pub use acceptor::{Acceptor, Application, Stream};
pub use certificates::{Certificates, Keeper, Missing, Source};
pub use connector::connector;
pub use pair::{About, Files, Origin, Pair, PairError, Part};
pub use store::StoreError;
