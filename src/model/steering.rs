//! Which edge a viewer is sent to (Content Steering, RFC 8216bis section 7).

use sha2::{Digest, Sha256};

/// Viewers are divided into so many groups; all of a group get the same answer, so that a cache can give it.
pub const SEATS: u16 = 256;

/// A cache between viewers and this server. In playlists it is a pathway.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Edge {
    /// `PATHWAY-ID`, `[a-z0-9_-]{1,64}`.
    pub name: String,
    /// Scheme, host and port, as browsers name them: `https://a.example.org`.
    pub address: String,
    /// Its share of the viewers, beside that of others.
    pub weight: u32,
}

/// The seat of a viewer, by his id or address: always the same, whatever edges there are.
pub fn seat(viewer: &[u8]) -> u16 {
    let seat = hash(&[viewer]) % u64::from(SEATS);
    u16::try_from(seat).unwrap_or_default()
}

/// The edges in the order in which those of a seat use them (`PATHWAY-PRIORITY`).
///
/// Each edge draws a number that depends on its name and the seat alone, and the higher its weight, the
/// higher (weighted rendezvous hashing). So an edge that comes or goes moves none but those whom it gets or
/// had, and the others share the viewers of one that fails.
pub fn priority(edges: &[Edge], seat: u16) -> Vec<&str> {
    let mut drawn: Vec<(f64, &str)> = edges
        .iter()
        .map(|edge| (draw(edge, seat), edge.name.as_str()))
        .collect();
    drawn.sort_by(|(a, one), (b, other)| b.total_cmp(a).then(one.cmp(other)));
    drawn.into_iter().map(|(_, name)| name).collect()
}

fn draw(edge: &Edge, seat: u16) -> f64 {
    let drawn = hash(&[edge.name.as_bytes(), b"/", &seat.to_be_bytes()]);
    // Between 0 and 1, neither of them: 53 bits are what a float holds.
    let fraction = ((drawn >> 11) as f64 + 0.5) / (1_u64 << 53) as f64;
    -f64::from(edge.weight) / fraction.ln()
}

/// It must be the same in every version and on every machine: several may answer the same viewer.
fn hash(parts: &[&[u8]]) -> u64 {
    let mut hasher = Sha256::new();
    for part in parts {
        hasher.update(part);
    }
    let digest = hasher.finalize();
    let bytes = digest.iter().take(8);
    bytes.fold(0, |number, byte| (number << 8) | u64::from(*byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn edges(edges: &[(&str, u32)]) -> Vec<Edge> {
        let edge = |&(name, weight): &(&str, u32)| Edge {
            name: name.to_owned(),
            address: format!("https://{name}.example.org"),
            weight,
        };
        edges.iter().map(edge).collect()
    }

    fn firsts(edges: &[Edge]) -> Vec<&str> {
        (0..SEATS).map(|seat| priority(edges, seat)[0]).collect()
    }

    #[test]
    fn a_viewer_has_the_same_seat_for_ever() {
        // Numbers that another version must find again.
        assert_eq!(
            [seat(b"192.0.2.1"), seat(b"192.0.2.2"), seat(b"")],
            [91, 88, 20]
        );
        let mut taken: Vec<u16> = (0..10_000_u32).map(|n| seat(&n.to_be_bytes())).collect();
        taken.sort_unstable();
        taken.dedup();
        assert_eq!(taken.len(), usize::from(SEATS));
    }

    #[test]
    fn edges_share_viewers_by_their_weights() {
        for (all, name, expected) in [
            (edges(&[("a", 1), ("b", 1)]), "a", 128),
            (edges(&[("a", 1), ("b", 3)]), "b", 192),
            (edges(&[("a", 1), ("b", 1), ("c", 2)]), "c", 128),
            (edges(&[("a", 5)]), "a", 256),
        ] {
            let count = firsts(&all).iter().filter(|first| **first == name).count();
            assert!(
                count.abs_diff(expected) <= 24,
                "{name} of {all:?}: {count} of 256"
            );
        }
    }

    #[test]
    fn an_edge_that_goes_moves_none_but_its_own_viewers() {
        let all = edges(&[("a", 1), ("b", 2), ("c", 1)]);
        let fewer = edges(&[("c", 1), ("a", 1)]);
        let mut moved = [0, 0];
        for seat in 0..SEATS {
            let (before, after) = (priority(&all, seat), priority(&fewer, seat));
            assert_eq!(before.len(), 3);
            // Those that are left keep their order, whatever the order of the file.
            let left: Vec<&str> = before.iter().copied().filter(|name| *name != "b").collect();
            assert_eq!(after, left, "seat {seat}");
            if before[0] == "b" {
                moved[usize::from(after[0] == "c")] += 1;
            }
        }
        assert!(
            moved.iter().all(|count| *count > 30),
            "{moved:?}: both take over"
        );
        assert_eq!(priority(&[], 0), [""; 0]);
    }
}
