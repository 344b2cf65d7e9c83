//! Tickets: what weir itself signs. A ticket opens one stream until a time, perhaps for one address.
//!
//! A ticket is text for a segment of a path: 27 or 43 bytes in base64url (RFC 4648 section 5). The bytes
//! are a version, its kind, when it expires (Unix time in seconds), the address if there is one, and the
//! first 16 bytes of an HMAC-SHA-256 over them and the stream's name. "It is RECOMMENDED that the output
//! length t be not less than half the length of the hash output" (RFC 2104 section 5).

use std::net::{IpAddr, Ipv6Addr};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, Mac};
use sha2::Sha256;

use super::password::Password;
use super::policy::Refusal;
use crate::base::secret::Secret;

const VERSION: u8 = 1;
/// The ticket is bound to an address.
const HAS_ADDRESS: u8 = 1;
/// A password was given for the ticket, which ends with that password.
const OF_PASSWORD: u8 = 2;
const HEAD_BYTES: usize = 10;
const ADDRESS_BYTES: usize = 16;
const TAG_BYTES: usize = 16;
/// What the signed bytes are, so that no other use of the secret can make a ticket.
const PURPOSE: &[u8] = b"weir ticket";

/// What a ticket says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ticket {
    /// When it ends; whole seconds count.
    pub expires: SystemTime,
    /// The only address that may use it.
    pub address: Option<IpAddr>,
}

/// Makes tickets, and checks them.
#[derive(Clone)]
pub struct Signer(Hmac<Sha256>);

impl std::fmt::Debug for Signer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Signer(***)")
    }
}

impl Signer {
    /// Signs with `secret`; `None` if it cannot be a key, which no text can be.
    pub fn new(secret: &Secret) -> Option<Self> {
        let mac = Hmac::new_from_slice(secret.expose().as_bytes()).ok()?;
        Some(Self(mac))
    }

    /// A ticket for `stream`. With a `password`, it ends when the stream has another one.
    pub fn sign(&self, stream: &str, ticket: &Ticket, password: Option<&Password>) -> String {
        let since_epoch = ticket
            .expires
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        let mut kind = 0;
        kind |= if ticket.address.is_some() {
            HAS_ADDRESS
        } else {
            0
        };
        kind |= if password.is_some() { OF_PASSWORD } else { 0 };
        let mut bytes = vec![VERSION, kind];
        bytes.extend(since_epoch.as_secs().to_be_bytes());
        bytes.extend(ticket.address.iter().flat_map(|address| octets(*address)));
        let tag = self.mac(stream, &bytes, password).finalize().into_bytes();
        bytes.extend(tag.iter().take(TAG_BYTES));
        URL_SAFE_NO_PAD.encode(bytes)
    }

    /// Whether `text` could be a ticket: others have tokens of their own.
    pub fn is_ticket(text: &str) -> bool {
        parse(text).is_some()
    }

    /// Checks a ticket that came from `address` for `stream`, which may have a `password`.
    ///
    /// # Errors
    /// [`Refusal::Wrong`] or [`Refusal::Expired`].
    pub fn check(
        &self,
        stream: &str,
        text: &str,
        address: IpAddr,
        password: Option<&Password>,
        now: SystemTime,
    ) -> Result<(), Refusal> {
        let parts = parse(text).ok_or(Refusal::Wrong)?;
        let password = match (parts.is_of_password, password) {
            (false, _) => None,
            (true, Some(password)) => Some(password),
            (true, None) => return Err(Refusal::Wrong),
        };
        // Truncated tags are compared in constant time, as whole ones are.
        self.mac(stream, &parts.signed, password)
            .verify_truncated_left(&parts.tag)
            .map_err(|_| Refusal::Wrong)?;
        let ticket = parts.ticket;
        if ticket
            .address
            .is_some_and(|bound| bound != address.to_canonical())
        {
            return Err(Refusal::Wrong);
        }
        if now >= ticket.expires {
            return Err(Refusal::Expired);
        }
        Ok(())
    }

    /// The name has neither a length nor an end mark of its own: it comes last, behind bytes of which
    /// the kind tells the number.
    fn mac(&self, stream: &str, signed: &[u8], password: Option<&Password>) -> Hmac<Sha256> {
        let mac = self.0.clone().chain_update(PURPOSE).chain_update(signed);
        let mac = match password {
            Some(password) => mac.chain_update(password.fingerprint()),
            None => mac,
        };
        mac.chain_update(stream.as_bytes())
    }
}

struct Parts {
    ticket: Ticket,
    is_of_password: bool,
    signed: Vec<u8>,
    tag: Vec<u8>,
}

fn parse(text: &str) -> Option<Parts> {
    let signed_max = HEAD_BYTES + ADDRESS_BYTES;
    if text.len() > (signed_max + TAG_BYTES) * 2 {
        return None;
    }
    let mut signed = URL_SAFE_NO_PAD.decode(text).ok()?;
    let tag = signed.split_off(signed.len().checked_sub(TAG_BYTES)?);
    let (head, address) = signed.split_at_checked(HEAD_BYTES)?;
    let &[version, kind, ref expires @ ..] = head else {
        return None;
    };
    let address = match (kind & HAS_ADDRESS, address) {
        (0, []) => None,
        (HAS_ADDRESS, octets) => {
            let octets: [u8; ADDRESS_BYTES] = octets.try_into().ok()?;
            Some(IpAddr::V6(Ipv6Addr::from(octets)).to_canonical())
        }
        _ => return None,
    };
    if version != VERSION || kind > HAS_ADDRESS | OF_PASSWORD {
        return None;
    }
    let expires = Duration::from_secs(u64::from_be_bytes(expires.try_into().ok()?));
    let ticket = Ticket {
        expires: UNIX_EPOCH.checked_add(expires)?,
        address,
    };
    Some(Parts {
        ticket,
        is_of_password: kind & OF_PASSWORD != 0,
        signed,
        tag,
    })
}

/// An address as 16 bytes; an IPv4 one is mapped (RFC 4291 section 2.5.5.2).
fn octets(address: IpAddr) -> [u8; ADDRESS_BYTES] {
    match address {
        IpAddr::V4(address) => address.to_ipv6_mapped().octets(),
        IpAddr::V6(address) => address.octets(),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const HOME: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 1));
    const AWAY: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 2));

    fn signer(secret: &str) -> Signer {
        Signer::new(&Secret::new(secret.to_owned())).unwrap()
    }

    fn at(seconds: u64) -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(seconds)
    }

    fn until(seconds: u64, address: Option<IpAddr>) -> Ticket {
        Ticket {
            expires: at(seconds),
            address,
        }
    }

    #[test]
    fn a_ticket_opens_its_stream_until_its_end() {
        let signer = signer("s");
        let ticket = signer.sign("demo", &until(100, None), None);
        let check = |stream, text: &str, now| signer.check(stream, text, HOME, None, at(now));
        assert_eq!(check("demo", &ticket, 99), Ok(()));
        assert_eq!(check("demo", &ticket, 100), Err(Refusal::Expired));
        assert_eq!(check("other", &ticket, 99), Err(Refusal::Wrong));
        assert_eq!(check("demo", "", 99), Err(Refusal::Wrong));
        assert_eq!(check("demo", "ticket", 99), Err(Refusal::Wrong));
        let forged = super::tests::signer("t").sign("demo", &until(100, None), None);
        assert_eq!(check("demo", &forged, 99), Err(Refusal::Wrong));
        // One that is wrong as well as expired must not tell that it was once right.
        assert_eq!(check("demo", &forged, 101), Err(Refusal::Wrong));
    }

    #[test]
    fn a_ticket_may_be_for_one_address() {
        let signer = signer("s");
        let ticket = signer.sign("demo", &until(100, Some(HOME)), None);
        let check = |address| signer.check("demo", &ticket, address, None, at(1));
        assert_eq!(check(HOME), Ok(()));
        assert_eq!(check("::ffff:192.0.2.1".parse().unwrap()), Ok(()));
        assert_eq!(check(AWAY), Err(Refusal::Wrong));
    }

    #[test]
    fn a_ticket_for_a_password_ends_with_it() {
        let signer = signer("s");
        let [old, new] = ["old one", "new one"].map(|text| Password::parse(text).unwrap());
        let ticket = signer.sign("demo", &until(100, None), Some(&old));
        let check = |password| signer.check("demo", &ticket, HOME, password, at(1));
        assert_eq!(check(Some(&old)), Ok(()));
        assert_eq!(check(Some(&new)), Err(Refusal::Wrong));
        assert_eq!(check(None), Err(Refusal::Wrong));
        let signed = signer.sign("demo", &until(100, None), None);
        assert_eq!(
            signer.check("demo", &signed, HOME, Some(&old), at(1)),
            Ok(())
        );
    }

    proptest! {
        #[test]
        fn no_other_text_opens_a_stream(at_byte in 0_usize..60, byte in 0_u8..64, text in ".{0,120}") {
            let signer = signer("s");
            let ticket = signer.sign("demo", &until(100, Some(HOME)), None);
            let check = |text: &str| signer.check("demo", text, HOME, None, at(1));
            prop_assert!(check(&text).is_err());
            let mut changed = ticket.clone().into_bytes();
            let position = at_byte % changed.len();
            let alphabet = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
            changed[position] = alphabet[usize::from(byte)];
            let changed = String::from_utf8(changed).unwrap();
            prop_assert_eq!(check(&changed).is_ok(), changed == ticket);
        }
    }
}
