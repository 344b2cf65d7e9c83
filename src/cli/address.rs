//! The address under which other machines reach this one.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};

/// The address that others can connect to. For a listener on all addresses this is the address of
/// the network interface with the default route, or loopback if there is none.
pub fn this_machine(listener: SocketAddr) -> SocketAddr {
    if !listener.ip().is_unspecified() {
        return listener;
    }
    // Connecting a UDP socket sends nothing; it only looks up the route. The target addresses
    // belong to the documentation ranges (RFC 5737, RFC 3849).
    let v4 = || towards(IpAddr::from(Ipv4Addr::new(192, 0, 2, 1)));
    let v6 = || towards(IpAddr::from(Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1)));
    // A listener on [::] accepts IPv4 too, and an IPv4 address is easier to type.
    let outside = match listener.ip() {
        IpAddr::V4(_) => v4(),
        IpAddr::V6(_) => v4().or_else(v6),
    };
    let ip = outside.unwrap_or(IpAddr::from(Ipv4Addr::LOCALHOST));
    SocketAddr::new(ip, listener.port())
}

fn towards(outside: IpAddr) -> Option<IpAddr> {
    let any: IpAddr = match outside {
        IpAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
        IpAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
    };
    let socket = UdpSocket::bind((any, 0)).ok()?;
    socket.connect((outside, 9)).ok()?;
    let ip = socket.local_addr().ok()?.ip();
    (!ip.is_unspecified()).then_some(ip)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_always_one_that_can_be_entered() {
        for listener in ["0.0.0.0:1935", "[::]:1935"] {
            let address = this_machine(listener.parse().unwrap());
            assert!(!address.ip().is_unspecified(), "{address}");
            assert_eq!(address.port(), 1935);
        }
        let own: SocketAddr = "127.0.0.1:80".parse().unwrap();
        assert_eq!(this_machine(own), own);
    }
}
