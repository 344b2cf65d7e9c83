//! Who keeps a place, and who must go.

use super::*;

fn at(text: &str) -> IpAddr {
    text.parse().unwrap()
}

/// Takes a place and asks.
fn busy(places: &Arc<Places>, address: &str) -> Result<Place, Full> {
    let (place, evicted) = places.take(at(address), Holder::Client)?;
    assert_eq!(evicted, None);
    place.asked();
    Ok(place)
}

fn take(places: &Arc<Places>, address: &str) -> (Place, Option<Evicted>) {
    places.take(at(address), Holder::Client).unwrap()
}

#[test]
fn bounds_hold_and_places_come_back() {
    let places = Places::new(3, 2);
    let first = busy(&places, "10.0.0.1").unwrap();
    let _second = busy(&places, "::ffff:10.0.0.1").unwrap();
    assert_eq!(busy(&places, "10.0.0.1").unwrap_err(), Full::PerAddress);
    let _third = busy(&places, "10.0.0.2").unwrap();
    assert_eq!(busy(&places, "10.0.0.3").unwrap_err(), Full::Total);
    drop(first);
    let _fourth = busy(&places, "10.0.0.1").unwrap();
}

#[test]
fn an_ipv6_network_is_one_peer_and_no_peer_is_kept() {
    let places = Places::new(9, 1);
    let one = busy(&places, "2001:db8::1").unwrap();
    assert_eq!(busy(&places, "2001:db8::2").unwrap_err(), Full::PerAddress);
    let other = busy(&places, "2001:db8:0:1::1").unwrap();
    drop((one, other));
    assert_eq!(places.census().peers, 0);
    assert!(places.lock().members.is_empty());
}

#[test]
fn who_has_asked_nothing_goes_first_then_who_is_idle() {
    let places = Places::new(3, 9);
    let (idle, _) = take(&places, "10.0.0.1");
    idle.asked();
    idle.rests();
    let working = busy(&places, "10.0.0.1").unwrap();
    let (silent, _) = take(&places, "10.0.0.2");
    let (third, evicted) = take(&places, "10.0.0.3");
    assert_eq!(evicted, Some(Evicted::Silent));
    assert!(silent.evicted().is_cancelled() && !idle.evicted().is_cancelled());
    third.asked();
    let (fourth, evicted) = take(&places, "10.0.0.3");
    assert_eq!(evicted, Some(Evicted::Idle));
    assert!(idle.evicted().is_cancelled());
    fourth.asked();
    // What happens to a connection after its eviction changes nothing.
    idle.asked();
    idle.rests();
    drop(silent);
    let full = places.take(at("10.0.0.4"), Holder::Client).unwrap_err();
    assert_eq!(full, Full::Total);
    assert!(!working.evicted().is_cancelled());
    assert_eq!(places.census().connections, 3);
}

#[test]
fn who_has_asked_again_begins_anew_at_the_end() {
    let places = Places::new(3, 9);
    let all: Vec<_> = (1..4)
        .map(|n| busy(&places, &format!("10.0.0.{n}")).unwrap())
        .collect();
    all.iter().for_each(Place::rests);
    let closed = || all.iter().map(|place| place.evicted().is_cancelled());
    let fourth = busy_in_place(&places, "10.0.0.4");
    assert!(closed().eq([true, false, false]));
    all[1].asked();
    let census = places.census();
    assert_eq!((census.silent, census.idle), (0, 1));
    all[1].rests();
    let fifth = busy_in_place(&places, "10.0.0.5");
    assert!(closed().eq([true, false, true]));
    all[1].asked();
    let full = places.take(at("10.0.0.6"), Holder::Client).unwrap_err();
    assert_eq!(full, Full::Total);
    all[1].rests();
    let sixth = busy_in_place(&places, "10.0.0.6");
    assert!(closed().eq([true, true, true]));
    drop((fourth, fifth, sixth));
    let state = places.lock();
    assert!(state.queues.values().all(|queue| queue.ids.is_empty()));
}

/// Takes the place of one that is idle, and asks.
fn busy_in_place(places: &Arc<Places>, address: &str) -> Place {
    let (place, evicted) = take(places, address);
    assert_eq!(evicted, Some(Evicted::Idle));
    place.asked();
    place
}

#[test]
fn a_flood_pushes_out_itself() {
    let places = Places::new(100, 50);
    let (viewer, _) = take(&places, "192.0.2.1");
    let (other, _) = take(&places, "2001:db8:1::1");
    let networks = (0..1000_u16).map(|n| format!("2001:db8:0:{n:x}::1"));
    let flood: Vec<_> = networks.map(|network| take(&places, &network).0).collect();
    let hosts: Vec<_> = (0..1000).map(|_| take(&places, "192.0.2.2").0).collect();
    for place in [&viewer, &other] {
        assert!(!place.evicted().is_cancelled());
    }
    let left = |all: &[Place]| all.iter().filter(|p| !p.evicted().is_cancelled()).count();
    // Among equals, the newcomer stays.
    assert_eq!((left(&flood), left(&hosts)), (48, 50));
    let census = places.census();
    assert_eq!((census.connections, census.silent), (100, 100));
}

#[test]
fn an_address_closes_its_own_silent_connection() {
    let places = Places::new(9, 2);
    let (first, _) = take(&places, "10.0.0.1");
    let (other, _) = take(&places, "10.0.0.2");
    let _second = busy(&places, "10.0.0.1").unwrap();
    let (_third, evicted) = take(&places, "10.0.0.1");
    assert_eq!(evicted, Some(Evicted::Silent));
    assert!(first.evicted().is_cancelled() && !other.evicted().is_cancelled());
}

#[test]
fn a_proxy_has_any_number_until_it_names_its_clients() {
    let places = Places::new(9, 2);
    let proxied = |_| places.take(at("10.0.0.1"), Holder::Proxy).unwrap().0;
    let proxied: Vec<_> = (0..4).map(proxied).collect();
    // A client's connection is closed before a proxy's.
    let full: Vec<_> = (2..7)
        .map(|n| take(&places, &format!("10.0.0.{n}")).0)
        .collect();
    let (_last, evicted) = take(&places, "10.0.0.9");
    assert_eq!(evicted, Some(Evicted::Silent));
    assert!(full[0].evicted().is_cancelled());
    drop(full);
    for place in &proxied[..2] {
        assert_eq!(place.speaks_for(at("192.0.2.1"), Holder::Client), Ok(None));
        place.asked();
    }
    assert_eq!(
        proxied[2].speaks_for(at("192.0.2.1"), Holder::Client),
        Err(Full::PerAddress)
    );
    assert_eq!(
        proxied[3].speaks_for(at("192.0.2.2"), Holder::Client),
        Ok(None)
    );
    drop(proxied);
    assert_eq!(places.census().connections, 1);
}
