//! Connections over TCP and TLS, by GIO: a request that waits can be stopped from another thread.

use std::io::{self, Read};
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};

use gio::prelude::*;
use gst::glib;
use url::{Host, Url};

use super::cause::{Cause, Shown, word};
use super::rules::Rules;

/// Longest wait for a connection and for each piece of an answer, in seconds. It is shorter than the
/// director's patience, so that a person reads which address is silent.
const SILENCE_SECONDS_MAX: u32 = 8;
/// Most addresses of one host that are tried.
const ADDRESSES_MAX: usize = 8;

/// An open connection.
pub struct Connection {
    stream: gio::IOStream,
    stop: gio::Cancellable,
}

// SAFETY: GIO's streams may be used by any thread, by one at a time; a `Connection` is used through
// `&mut` only.
unsafe impl Send for Connection {}

impl Connection {
    /// Connects to the host of `url`, where the rules admit it, with TLS for `https`.
    ///
    /// The addresses that the rules have checked are the ones that are connected to: no second
    /// look-up can give others.
    ///
    /// # Errors
    /// Why there is no connection.
    pub fn open(rules: &Rules, url: &Url, stop: &gio::Cancellable) -> Result<Self, Cause> {
        let addresses = rules.admit(url, addresses(url, stop)?)?;
        let port = url.port_or_known_default().unwrap_or_default();
        let mut last = Cause::UnknownHost(word(url.host_str().unwrap_or_default()));
        for address in addresses.into_iter().take(ADDRESSES_MAX) {
            match connect(SocketAddr::new(address, port), stop) {
                Ok(plain) if url.scheme() == "https" => return tls(rules, url, plain, stop),
                Ok(plain) => return Ok(Self::new(plain.upcast(), stop)),
                Err(error) => last = cause_of(url, &error, stop),
            }
            if last == Cause::Stopped {
                break;
            }
        }
        Err(last)
    }

    fn new(stream: gio::IOStream, stop: &gio::Cancellable) -> Self {
        let stop = stop.clone();
        Self { stream, stop }
    }

    /// Sends all of `bytes`.
    ///
    /// # Errors
    /// When the connection fails.
    pub fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        let output = self.stream.output_stream();
        let (_, error) = output
            .write_all(bytes, Some(&self.stop))
            .map_err(|error| io_error(&error))?;
        error.map_or(Ok(()), |error| Err(io_error(&error)))
    }
}

impl Read for Connection {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let input = self.stream.input_stream();
        let read = input.read(into, Some(&self.stop));
        read.map_err(|error| io_error(&error))
    }
}

/// The addresses of the host of `url`.
fn addresses(url: &Url, stop: &gio::Cancellable) -> Result<Vec<IpAddr>, Cause> {
    let name = match url.host() {
        Some(Host::Ipv4(address)) => return Ok(vec![address.into()]),
        Some(Host::Ipv6(address)) => return Ok(vec![address.into()]),
        Some(Host::Domain(name)) => name,
        None => return Err(Cause::UnknownHost(String::new())),
    };
    match gio::Resolver::default().lookup_by_name(name, Some(stop)) {
        Ok(found) => Ok(found.into_iter().map(IpAddr::from).collect()),
        Err(_) if stop.is_cancelled() => Err(Cause::Stopped),
        Err(_) => Err(Cause::UnknownHost(word(name))),
    }
}

fn connect(to: SocketAddr, stop: &gio::Cancellable) -> Result<gio::SocketConnection, glib::Error> {
    let client = gio::SocketClient::new();
    client.set_timeout(SILENCE_SECONDS_MAX);
    // A proxy would connect to what the rules do not admit.
    client.set_enable_proxy(false);
    let to = gio::InetSocketAddress::from(to);
    SocketClientExt::connect(&client, &to, Some(stop))
}

fn tls(
    rules: &Rules,
    url: &Url,
    plain: gio::SocketConnection,
    stop: &gio::Cancellable,
) -> Result<Connection, Cause> {
    let at = Shown::of(url);
    let host = match url.host() {
        Some(Host::Ipv6(address)) => address.to_string(),
        _ => url.host_str().unwrap_or_default().to_owned(),
    };
    let port = url.port_or_known_default().unwrap_or_default();
    let identity = gio::NetworkAddress::new(&host, port);
    let connection = gio::TlsClientConnection::new(&plain, Some(&identity));
    let connection = connection.map_err(|error| Cause::Tls {
        at: at.clone(),
        why: word(error.message()),
    })?;
    // HTTP says where a body ends; many servers end TLS without a farewell.
    connection.set_require_close_notify(false);
    let faults = Arc::new(Mutex::new(gio::TlsCertificateFlags::empty()));
    let (seen, verify) = (faults.clone(), rules.pull().tls_verify);
    connection.connect_accept_certificate(move |_, _, flags| {
        *seen.lock().unwrap_or_else(PoisonError::into_inner) = flags;
        !verify
    });
    match connection.handshake(Some(stop)) {
        Ok(()) => Ok(Connection::new(connection.upcast(), stop)),
        Err(_) if stop.is_cancelled() => Err(Cause::Stopped),
        Err(error) if error.matches(gio::IOErrorEnum::TimedOut) => Err(Cause::Silent(at)),
        Err(error) => {
            let faults = *faults.lock().unwrap_or_else(PoisonError::into_inner);
            let why = word(error.message());
            Err(match fault(faults) {
                Some(fault) if verify => Cause::Certificate { at, fault },
                _ => Cause::Tls { at, why },
            })
        }
    }
}

/// What is wrong with a certificate, the most telling fault first.
fn fault(faults: gio::TlsCertificateFlags) -> Option<&'static str> {
    type Flags = gio::TlsCertificateFlags;
    let texts = [
        (Flags::EXPIRED, "has expired"),
        (
            Flags::NOT_ACTIVATED,
            "is not valid yet; check this machine's clock",
        ),
        (Flags::REVOKED, "was revoked"),
        (Flags::BAD_IDENTITY, "belongs to another name"),
        (
            Flags::UNKNOWN_CA,
            "is signed by nobody whom this machine trusts",
        ),
        (Flags::INSECURE, "uses an algorithm that is not secure"),
        (Flags::GENERIC_ERROR, "cannot be verified"),
    ];
    let found = texts.into_iter().find(|(flag, _)| faults.contains(*flag));
    found.map(|(_, text)| text)
}

fn cause_of(url: &Url, error: &glib::Error, stop: &gio::Cancellable) -> Cause {
    if stop.is_cancelled() {
        return Cause::Stopped;
    }
    Cause::of_io(url, &io_error(error))
}

fn io_error(error: &glib::Error) -> io::Error {
    let kind = match error.kind::<gio::IOErrorEnum>() {
        Some(gio::IOErrorEnum::TimedOut) => io::ErrorKind::TimedOut,
        Some(gio::IOErrorEnum::ConnectionRefused) => io::ErrorKind::ConnectionRefused,
        Some(gio::IOErrorEnum::BrokenPipe) => io::ErrorKind::ConnectionReset,
        _ if error.matches(gio::TlsError::Eof) => io::ErrorKind::UnexpectedEof,
        _ => io::ErrorKind::Other,
    };
    io::Error::new(kind, error.message().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_most_telling_fault_of_a_certificate_is_named() {
        type Flags = gio::TlsCertificateFlags;
        for (flags, expected) in [
            (Flags::UNKNOWN_CA, "nobody whom this machine trusts"),
            (Flags::UNKNOWN_CA | Flags::EXPIRED, "has expired"),
            (Flags::BAD_IDENTITY | Flags::UNKNOWN_CA, "another name"),
        ] {
            assert!(fault(flags).unwrap().contains(expected), "{flags:?}");
        }
        assert_eq!(fault(Flags::empty()), None);
    }
}
