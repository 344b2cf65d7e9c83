//! How close an address is to this machine.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// How close an address is to this machine, the farthest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Nearness {
    /// On the internet.
    Public,
    /// In a private network, or in a range that the internet does not route.
    Private,
    /// On this machine's own link.
    LinkLocal,
    /// This machine.
    Loopback,
}

impl Nearness {
    /// The nearness of one address.
    pub fn of(address: IpAddr) -> Self {
        match address {
            IpAddr::V4(address) => of_v4(address),
            IpAddr::V6(address) => embedded_v4(address).map_or_else(|| of_v6(address), of_v4),
        }
    }

    /// The nearness of the farthest of `addresses`; `None` without addresses.
    pub fn of_farthest(addresses: &[IpAddr]) -> Option<Self> {
        addresses.iter().copied().map(Self::of).min()
    }

    /// Whether a source at this nearness may name `target`: an address that is as close to this
    /// machine as the source is, and no closer.
    pub fn may_name(self, target: IpAddr) -> bool {
        Self::of(target) <= self
    }

    /// The word for a person.
    pub fn word(self) -> &'static str {
        match self {
            Self::Public => "public",
            Self::Private => "private",
            Self::LinkLocal => "link-local",
            Self::Loopback => "loopback",
        }
    }
}

fn of_v4(address: Ipv4Addr) -> Nearness {
    match address.octets() {
        // Linux connects 0.0.0.0 to the loopback interface.
        [0 | 127, ..] => Nearness::Loopback,
        [169, 254, ..] => Nearness::LinkLocal,
        // RFC 1918, RFC 6598 (carrier NAT), RFC 6890 (protocol assignments), RFC 2544 (benchmarks),
        // multicast and reserved addresses.
        [10, ..]
        | [172, 16..=31, ..]
        | [192, 168, ..]
        | [100, 64..=127, ..]
        | [192, 0, 0, _]
        | [198, 18 | 19, ..]
        | [224..=255, ..] => Nearness::Private,
        _ => Nearness::Public,
    }
}

fn of_v6(address: Ipv6Addr) -> Nearness {
    match address.segments() {
        [0, 0, 0, 0, 0, 0, 0, 0 | 1] => Nearness::Loopback,
        [0xfe80..=0xfebf, ..] => Nearness::LinkLocal,
        // RFC 4193 (unique local), RFC 3879 (site-local), multicast, and RFC 4380 (Teredo), which
        // hides an IPv4 address.
        [0xfc00..=0xfdff | 0xfec0..=0xffff, ..] | [0x2001, 0, ..] => Nearness::Private,
        _ => Nearness::Public,
    }
}

/// The IPv4 address that packets to `address` reach in the end: RFC 4291 section 2.5.5 (mapped,
/// compatible), RFC 6052 and RFC 8215 (NAT64), RFC 3056 (6to4).
fn embedded_v4(address: Ipv6Addr) -> Option<Ipv4Addr> {
    let v4 = |high: u16, low: u16| Some(Ipv4Addr::from((u32::from(high) << 16) | u32::from(low)));
    match address.segments() {
        [0, 0, 0, 0, 0, 0, 0, 0 | 1] => None,
        [0, 0, 0, 0, 0, 0 | 0xffff, high, low]
        | [0x64, 0xff9b, 0, 0, 0, 0, high, low]
        | [0x64, 0xff9b, 1, _, _, _, high, low]
        | [0x2002, high, low, ..] => v4(high, low),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TABLE: [(&str, Nearness); 28] = [
        ("8.8.8.8", Nearness::Public),
        ("172.32.0.1", Nearness::Public),
        ("100.128.0.1", Nearness::Public),
        ("192.0.2.2", Nearness::Public),
        ("2a00:1450::1", Nearness::Public),
        ("10.0.0.7", Nearness::Private),
        ("172.16.0.1", Nearness::Private),
        ("172.31.255.255", Nearness::Private),
        ("192.168.1.1", Nearness::Private),
        ("100.64.0.1", Nearness::Private),
        ("198.19.0.1", Nearness::Private),
        ("224.0.0.1", Nearness::Private),
        ("255.255.255.255", Nearness::Private),
        ("fd12::1", Nearness::Private),
        ("fec0::1", Nearness::Private),
        ("ff02::1", Nearness::Private),
        ("::ffff:10.0.0.1", Nearness::Private),
        ("64:ff9b::c0a8:1", Nearness::Private),
        ("169.254.169.254", Nearness::LinkLocal),
        ("fe80::1", Nearness::LinkLocal),
        ("127.0.0.1", Nearness::Loopback),
        ("127.8.8.8", Nearness::Loopback),
        ("0.0.0.0", Nearness::Loopback),
        ("::", Nearness::Loopback),
        ("::1", Nearness::Loopback),
        ("::127.0.0.1", Nearness::Loopback),
        ("::ffff:127.0.0.1", Nearness::Loopback),
        ("2002:7f00:1::", Nearness::Loopback),
    ];

    #[test]
    fn every_range_has_its_nearness() {
        for (address, expected) in TABLE {
            assert_eq!(
                Nearness::of(address.parse().unwrap()),
                expected,
                "{address}"
            );
        }
    }

    #[test]
    fn a_source_names_nothing_closer_than_itself() {
        let cases = [
            ("8.8.8.8", "9.9.9.9", true),
            ("8.8.8.8", "10.0.0.1", false),
            ("8.8.8.8", "169.254.169.254", false),
            ("8.8.8.8", "::ffff:127.0.0.1", false),
            ("10.0.0.7", "8.8.8.8", true),
            ("10.0.0.7", "192.168.1.1", true),
            ("10.0.0.7", "169.254.169.254", false),
            ("10.0.0.7", "127.0.0.1", false),
            ("169.254.1.1", "127.0.0.1", false),
            ("127.0.0.1", "10.0.0.1", true),
            ("127.0.0.1", "127.0.0.2", true),
        ];
        for (source, target, expected) in cases {
            let source_is = Nearness::of(source.parse().unwrap());
            let answer = source_is.may_name(target.parse().unwrap());
            assert_eq!(answer, expected, "{source} names {target}");
        }
    }

    #[test]
    fn a_host_with_a_public_and_a_private_address_is_public() {
        let addresses = ["10.0.0.1", "8.8.8.8"].map(|text| text.parse().unwrap());
        assert_eq!(Nearness::of_farthest(&addresses), Some(Nearness::Public));
        assert_eq!(Nearness::of_farthest(&[]), None);
    }
}
