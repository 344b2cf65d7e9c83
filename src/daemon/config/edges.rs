//! Reads `[[edge]]`: the caches that viewers are sent to.

use super::document::{Table, Value};
use super::problem::{Place, Problem};
use super::reader::{At, Section, Wrong};
use super::rungs::{title, unique};
use super::values;
use crate::base::cors::{NoOrigin, WebOrigin};
use crate::model::steering::Edge;

const KEYS: &[&str] = &["name", "address", "weight"];
/// Maximum number of edges: every multivariant playlist lists all of them.
const EDGES_MAX: usize = 16;
const WEIGHT_MAX: usize = 100;

/// Reads the edges.
pub(super) fn read(tables: Vec<(&Table, Place)>, problems: &mut Vec<Problem>) -> Vec<Edge> {
    if let Some((_, place)) = tables.get(EDGES_MAX) {
        let label = format!("expected at most {EDGES_MAX} edges");
        problems.push(Problem::at(
            place.clone(),
            "there are too many edges",
            label,
        ));
    }
    let (names, edges): (Vec<_>, Vec<_>) = tables
        .into_iter()
        .take(EDGES_MAX)
        .filter_map(|(table, place)| edge(table, place, problems))
        .unzip();
    unique(names.iter(), "edge", problems);
    edges
}

/// An edge and its name; `None` if it lacks something.
fn edge(table: &Table, place: Place, problems: &mut Vec<Problem>) -> Option<(At<String>, Edge)> {
    let section = Section::open(table, place, title("edge", table), KEYS, problems);
    let name = section.required("name", "name = \"a\"", values::name, problems);
    let example = "address = \"https://a.example.org\"";
    let address = section.required("address", example, address, problems);
    let weight = section.get_or("weight", 1, values::count(1..=WEIGHT_MAX), problems);
    let (name, address) = (name?, address?);
    let edge = Edge {
        name: name.value.clone(),
        address: address.value,
        weight: u32::try_from(weight.value).unwrap_or(1),
    };
    Some((name, edge))
}

/// Scheme, host and port, as browsers spell them: they stand in playlists and in what pages may load.
fn address(value: &Value) -> Result<String, Wrong> {
    let text = values::text(value)?;
    WebOrigin::parse(&text).map(|origin| origin.to_string()).map_err(|error| match error {
        NoOrigin::Spelling(sent) => {
            let label = "expected scheme, host and port alone, as browsers spell them";
            Wrong::new(label).help(Some(format!("write {sent:?}")))
        }
        NoOrigin::NotASite => Wrong::new(
            "expected the address by which viewers reach the edge, such as \"https://a.example.org\"",
        ),
    })
}
