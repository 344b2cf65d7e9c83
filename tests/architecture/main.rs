//! What each module may use stands in a table of ARCHITECTURE.md; here the table is held against
//! the source, and the source is searched for import cycles. docs/HLS.md is held against the tests that
//! it names.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

mod cycles;
mod hls;
mod imports;
mod table;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use imports::Source;
use table::Table;

/// Crates that only one module may touch, and that module.
const WALLS: [(&[&str], &str); 3] = [
    (
        &[
            "gst",
            "gst_app",
            "gst_base",
            "gst_video",
            "gstfmp4",
            "gsthlssink3",
        ],
        "worker/media",
    ),
    (&["warp"], "daemon/http"),
    (&["postcard"], "wire"),
];

/// What the pure modules must do without: runtimes, sockets, files and the machine's clock.
const IMPURE: [&str; 9] = [
    "gst",
    "gio",
    "tokio",
    "warp",
    "hyper",
    "rustix",
    "std::net",
    "std::fs",
    "std::process",
];

fn weir() -> (Source, Table) {
    let root = std::env::var("CARGO_MANIFEST_DIR").unwrap();
    let root = Path::new(&root);
    let text = std::fs::read_to_string(root.join("ARCHITECTURE.md")).unwrap();
    (Source::read(&root.join("src")), Table::parse(&text))
}

/// The row of every file that has code of its own.
fn rows<'a>(source: &'a Source, table: &'a Table) -> BTreeMap<&'a str, &'a str> {
    let files = source.files.values().filter(|file| !file.only_declares);
    files
        .map(|file| {
            let row = table.row_of(&file.module);
            let row = row.unwrap_or_else(|| panic!("no row has {}; add one", file.name));
            (file.name.as_str(), row)
        })
        .collect()
}

#[test]
fn every_import_is_in_the_table() {
    let (source, table) = weir();
    let rows = rows(&source, &table);
    let mut forbidden = Vec::new();
    let mut used = BTreeSet::new();
    for import in &source.imports {
        let (Some(&from), Some(&to)) = (rows.get(&*import.from), rows.get(&*import.to)) else {
            continue;
        };
        if from == to {
            continue;
        }
        used.insert((from, to));
        if !table.allows(from, to) {
            let place = format!("src/{}:{}", import.from, import.line);
            forbidden.push(format!(
                "{place}: `{from}` may not use `{to}` ({})",
                import.path
            ));
        }
    }
    assert!(
        forbidden.is_empty(),
        "ARCHITECTURE.md forbids:\n{}",
        forbidden.join("\n")
    );
    let unused: Vec<_> = table
        .allowances()
        .filter(|pair| !used.contains(pair))
        .collect();
    assert!(
        unused.is_empty(),
        "ARCHITECTURE.md allows what nothing uses: {unused:?}"
    );
}

#[test]
fn the_table_is_the_tree() {
    let (source, table) = weir();
    rows(&source, &table);
    for row in table.rows() {
        let exists = source.files.values().any(|file| file.module == row);
        assert!(
            exists,
            "ARCHITECTURE.md has a row `{row}`, but src has no such module"
        );
    }
}

#[test]
fn no_module_is_in_a_cycle() {
    let (_, table) = weir();
    let cycles = cycles::all(table.allowances());
    assert!(
        cycles.is_empty(),
        "modules that use each other:\n{}",
        cycles.join("\n")
    );
}

#[test]
fn no_file_is_in_a_cycle() {
    let (source, _) = weir();
    let imports = source.imports.iter();
    let cycles = cycles::all(imports.map(|import| (&*import.from, &*import.to)));
    assert!(
        cycles.is_empty(),
        "files that use each other:\n{}",
        cycles.join("\n")
    );
}

#[test]
fn foreign_crates_stay_behind_their_walls() {
    let (source, table) = weir();
    let rows = rows(&source, &table);
    let mut through = Vec::new();
    for import in &source.foreign {
        let Some(&row) = rows.get(&*import.from) else {
            continue;
        };
        let place = format!("src/{}:{}", import.from, import.line);
        for (crates, home) in WALLS {
            if crates.contains(&&*import.to) && row != home {
                through.push(format!("{place}: only `{home}` may use `{}`", import.to));
            }
        }
        let starts =
            |name: &&str| import.path == **name || import.path.starts_with(&format!("{name}::"));
        if row.starts_with("model") && IMPURE.iter().any(starts) {
            through.push(format!(
                "{place}: `{row}` is pure, yet uses `{}`",
                import.path
            ));
        }
    }
    assert!(through.is_empty(), "{}", through.join("\n"));
}
