//! The proxies in front of weir, and whom their connections speak for.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use ipnet::IpNet;
use proxy_header::{ParseConfig, ProxyHeader};
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;

/// The proxies that are believed when they say who the client is. Clones are cheap.
#[derive(Debug, Clone, Default)]
pub struct Proxies {
    networks: Arc<[IpNet]>,
    speak_protocol: bool,
}

/// Why a connection's PROXY header cannot be believed.
#[derive(Debug, thiserror::Error)]
pub enum HeaderError {
    /// The connection ended or failed within the header.
    #[error("the connection ended before its PROXY header did: {0}")]
    Io(#[from] io::Error),
    /// The bytes are no header.
    #[error("the connection does not begin with a PROXY header of version 1 or 2")]
    Invalid,
    /// The header is longer than [`V2_BYTES_MAX`].
    #[error("the PROXY header has more than {V2_BYTES_MAX} bytes")]
    TooLong,
}

/// A header of version 1 has at most this many bytes, its end included (PROXY protocol, section 2.1:
/// "a 108-byte buffer is always enough to store all the line and a trailing zero").
const V1_BYTES_MAX: usize = 107;
/// Longest header of version 2 that is read. The addresses need 232 bytes at most; the rest is room
/// for extensions, which weir ignores.
const V2_BYTES_MAX: usize = 4096;
/// Both versions are told apart by their first twelve bytes, and neither has a shorter header.
const SIGNATURE: &[u8; 12] = b"\r\n\r\n\0\r\nQUIT\n";
/// The signature, the version, the kind of addresses, and the length of the rest.
const V2_FIXED_BYTES: usize = 16;

impl Proxies {
    /// Trusts all addresses in `networks`. With `speak_protocol`, each of their connections begins
    /// with a PROXY header (version 1 or 2), and nobody else may connect.
    pub fn new(networks: Vec<IpNet>, speak_protocol: bool) -> Self {
        Self {
            networks: networks.into(),
            speak_protocol,
        }
    }

    /// Whether what `address` says about its clients is believed.
    pub fn trusts(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.networks.iter().any(|known| known.contains(&address))
    }

    /// Whether `address` may connect. PROXY protocol, section 2: "The receiver MUST be configured to
    /// only receive the protocol described in this specification and MUST not try to guess whether
    /// the protocol header is present or not."
    pub fn admits(&self, address: IpAddr) -> bool {
        !self.speak_protocol || self.trusts(address)
    }

    /// The client behind a connection that has just begun: whom its PROXY header names, or `peer`
    /// where no header is expected or the proxy speaks for itself. Reads the header and not a byte
    /// more. The caller bounds the time.
    ///
    /// # Errors
    /// When a header is expected and there is none, or it is not valid.
    pub async fn client(
        &self,
        stream: &mut TcpStream,
        peer: SocketAddr,
    ) -> Result<SocketAddr, HeaderError> {
        if !self.speak_protocol {
            return Ok(peer);
        }
        let header = read_header(stream).await?;
        let config = ParseConfig {
            include_tlvs: false,
            ..ParseConfig::default()
        };
        let (header, _) = ProxyHeader::parse(&header, config).map_err(|_| HeaderError::Invalid)?;
        // Without an address, the proxy speaks for itself (command LOCAL, a health check) or does
        // not know: "the receiver must use the real connection's parameters" (sections 2.1, 2.2).
        let client = header.proxied_address().map(|address| address.source);
        Ok(client.unwrap_or(peer))
    }
}

/// Reads the header of either version and nothing behind it.
async fn read_header(stream: &mut TcpStream) -> Result<Vec<u8>, HeaderError> {
    let mut header = vec![0; SIGNATURE.len()];
    stream.read_exact(&mut header).await?;
    if header == SIGNATURE {
        header.resize(V2_FIXED_BYTES, 0);
        let fixed = header.get_mut(SIGNATURE.len()..).unwrap_or_default();
        stream.read_exact(fixed).await?;
        let rest_bytes = match *header {
            [.., high, low] => usize::from(u16::from_be_bytes([high, low])),
            _ => 0,
        };
        let header_bytes = V2_FIXED_BYTES + rest_bytes;
        if header_bytes > V2_BYTES_MAX {
            return Err(HeaderError::TooLong);
        }
        header.resize(header_bytes, 0);
        let rest = header.get_mut(V2_FIXED_BYTES..).unwrap_or_default();
        stream.read_exact(rest).await?;
    } else if header.starts_with(b"PROXY ") {
        // The end of the line is not known before, so only single bytes can be read safely.
        while !header.ends_with(b"\r\n") {
            if header.len() >= V1_BYTES_MAX {
                return Err(HeaderError::Invalid);
            }
            header.push(stream.read_u8().await?);
        }
    } else {
        return Err(HeaderError::Invalid);
    }
    Ok(header)
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::AsyncWriteExt;
    use tokio::net::TcpListener;

    const PEER: &str = "10.0.0.1:4000";

    fn proxies(speak_protocol: bool) -> Proxies {
        let networks = ["10.0.0.0/8", "::1/128"].map(|text| text.parse().unwrap());
        Proxies::new(networks.to_vec(), speak_protocol)
    }

    /// The client that `sent` names, and what is left to read behind the header.
    async fn client(sent: &[u8]) -> (Result<String, String>, Vec<u8>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mut sender = TcpStream::connect(listener.local_addr().unwrap())
            .await
            .unwrap();
        let (mut stream, _) = listener.accept().await.unwrap();
        sender.write_all(sent).await.unwrap();
        drop(sender);
        let client = proxies(true)
            .client(&mut stream, PEER.parse().unwrap())
            .await;
        let mut rest = Vec::new();
        let _reset = stream.read_to_end(&mut rest).await;
        let client = client.map(|client| client.to_string());
        (client.map_err(|error| error.to_string()), rest)
    }

    /// A header of version 2 with `rest` behind its fixed part.
    fn v2(command: u8, family: u8, rest: &[u8]) -> Vec<u8> {
        let length = u16::try_from(rest.len()).unwrap().to_be_bytes();
        [SIGNATURE, &[command, family][..], &length, rest].concat()
    }

    #[test]
    fn networks_are_trusted_and_nobody_else() {
        let proxies = proxies(false);
        for (address, trusted) in [
            ("10.255.0.1", true),
            ("::ffff:10.0.0.1", true),
            ("::1", true),
            ("11.0.0.1", false),
            ("::2", false),
        ] {
            assert_eq!(
                proxies.trusts(address.parse().unwrap()),
                trusted,
                "{address}"
            );
        }
        let stranger = "192.0.2.1".parse().unwrap();
        assert!(proxies.admits(stranger) && !self::proxies(true).admits(stranger));
        assert!(!Proxies::default().trusts(stranger));
    }

    #[tokio::test]
    async fn a_header_names_the_client_and_ends_where_it_ends() {
        let four = [192, 0, 2, 7, 10, 0, 0, 1, 0x10, 0x00, 0, 80];
        let six = [&[0x20, 1][..], &[0; 14], &[0; 16], &[0x10, 0, 0, 80]].concat();
        let extended = [&four[..], &[0x04, 0, 3, 1, 2, 3]].concat();
        for (header, expected) in [
            (
                b"PROXY TCP4 192.0.2.7 10.0.0.1 4096 80\r\n".to_vec(),
                "192.0.2.7:4096",
            ),
            (
                b"PROXY TCP6 2001:: ::1 4096 80\r\n".to_vec(),
                "[2001::]:4096",
            ),
            (b"PROXY UNKNOWN\r\n".to_vec(), PEER),
            (b"PROXY UNKNOWN ffff::1 ffff::2 1 2\r\n".to_vec(), PEER),
            (v2(0x21, 0x11, &four), "192.0.2.7:4096"),
            (v2(0x21, 0x21, &six), "[2001::]:4096"),
            (v2(0x21, 0x11, &extended), "192.0.2.7:4096"),
            (v2(0x20, 0x11, &four), PEER),
            (v2(0x20, 0x00, &[]), PEER),
            (v2(0x21, 0x31, &[0; 216]), PEER),
        ] {
            let sent = [&header[..], b"GET /"].concat();
            let (client, rest) = client(&sent).await;
            assert_eq!(client.as_deref(), Ok(expected), "{header:?}");
            assert_eq!(rest, b"GET /", "{header:?}");
        }
    }

    #[tokio::test]
    async fn what_is_no_header_is_refused() {
        let endless = [&b"PROXY TCP4 "[..], &[b'1'; 200]].concat();
        for sent in [
            &b"GET / HTTP/1.1\r\nHost: test\r\n\r\n"[..],
            b"PROXY TCP5 1.1.1.1 1.1.1.1 1 1\r\n",
            b"PROXY TCP4 1.1.1.1 1.1.1.1 1 99999\r\n",
            b"PROXY TCP4 ::1 ::1 1 1\r\n",
            b"PROXY ",
            b"PROXY TCP4 192.0.2.7 10",
            &endless,
            &v2(0x11, 0x11, &[0; 12]),
            &v2(0x21, 0x11, &[0; 11]),
            &v2(0x21, 0x11, &[0; V2_BYTES_MAX]),
            &SIGNATURE[..],
        ] {
            assert!(client(sent).await.0.is_err(), "{sent:?}");
        }
    }

    #[tokio::test]
    async fn without_the_protocol_nothing_is_read() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let _sender = TcpStream::connect(listener.local_addr().unwrap())
            .await
            .unwrap();
        let (mut stream, peer) = listener.accept().await.unwrap();
        let client = proxies(false).client(&mut stream, peer).await;
        assert_eq!(client.unwrap(), peer);
    }
}
