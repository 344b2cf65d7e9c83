//! Which addresses count as one peer, for limits per peer, and which peers as one site.

use std::net::{IpAddr, Ipv6Addr};

/// The peer behind an address: an IPv4 host, or an IPv6 /64 network, the smallest that providers
/// give to a customer.
pub fn peer_of(address: IpAddr) -> IpAddr {
    group(address, 64)
}

/// The site behind an address: an IPv4 host, or an IPv6 /48 network, the largest that providers
/// give to a customer (RFC 6177). One host of such a customer has 65 536 networks of [`peer_of`].
pub fn site_of(address: IpAddr) -> IpAddr {
    group(address, 48)
}

fn group(address: IpAddr, prefix_bits: u32) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => {
            let network = address.to_bits() & (u128::MAX << (128 - prefix_bits));
            IpAddr::V6(Ipv6Addr::from_bits(network))
        }
        address => address,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_counted_by_host_or_network() {
        let peer = |text: &str| peer_of(text.parse().unwrap());
        assert_eq!(peer("::ffff:192.0.2.1"), peer("192.0.2.1"));
        assert_ne!(peer("192.0.2.1"), peer("192.0.2.2"));
        assert_eq!(peer("2001:db8::1"), peer("2001:db8::ffff:1"));
        assert_ne!(peer("2001:db8::1"), peer("2001:db8:0:1::1"));
    }

    #[test]
    fn the_networks_of_a_customer_are_one_site() {
        let site = |text: &str| site_of(text.parse().unwrap());
        assert_eq!(site("2001:db8::1"), site("2001:db8:0:ffff::1"));
        assert_ne!(site("2001:db8::1"), site("2001:db8:1::1"));
        assert_eq!(site("::ffff:192.0.2.1"), site("192.0.2.1"));
        assert_ne!(site("192.0.2.1"), site("192.0.2.2"));
    }
}
