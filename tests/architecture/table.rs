//! The table "may use" of ARCHITECTURE.md.

use std::collections::{BTreeMap, BTreeSet};

/// Module → what it may use. Modules are written as paths under `src`: `daemon/session`.
pub struct Table {
    rows: BTreeMap<String, BTreeSet<String>>,
    /// Rows that may use every other.
    top: BTreeSet<String>,
}

impl Table {
    /// The rows below the header `| module | is | may use |`.
    pub fn parse(text: &str) -> Self {
        let lines = text
            .lines()
            .skip_while(|line| *line != "| module | is | may use |");
        let (mut rows, mut top) = (BTreeMap::new(), BTreeSet::new());
        for line in lines.skip(2).take_while(|line| line.starts_with('|')) {
            let cells: Vec<_> = line.split('|').map(str::trim).collect();
            let [_, module, _, may_use, _] = cells[..] else {
                panic!("a row of three cells expected: {line}");
            };
            let modules = names(module);
            assert_eq!(modules.len(), 1, "one module per row: {line}");
            if may_use == "all" {
                top.extend(modules.iter().cloned());
            } else {
                assert!(may_use == "nothing" || !names(may_use).is_empty(), "{line}");
            }
            rows.extend(modules.into_iter().map(|name| (name, names(may_use))));
        }
        assert!(!rows.is_empty(), "ARCHITECTURE.md has no table of modules");
        let known = |name: &String| assert!(rows.contains_key(name), "`{name}` has no row");
        rows.values().flatten().for_each(known);
        Self { rows, top }
    }

    /// The row that a module belongs to: the longest that its path begins with.
    pub fn row_of(&self, module: &str) -> Option<&str> {
        let within = |row: &&String| {
            let rest = module.strip_prefix(row.as_str());
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        };
        let rows = self.rows.keys().filter(within);
        rows.max_by_key(|row| row.len()).map(String::as_str)
    }

    /// Whether `from` may use `to`.
    pub fn allows(&self, from: &str, to: &str) -> bool {
        self.is_top(from) || self.rows[from].contains(to)
    }

    /// Whether the row may use every other.
    pub fn is_top(&self, row: &str) -> bool {
        self.top.contains(row)
    }

    /// All rows.
    pub fn rows(&self) -> impl Iterator<Item = &str> {
        self.rows.keys().map(String::as_str)
    }

    /// Every pair (module, what it may use) that the table spells out.
    pub fn allowances(&self) -> impl Iterator<Item = (&str, &str)> {
        let pairs = |(from, to): (_, _)| (String::as_str(from), String::as_str(to));
        let rows = self.rows.iter();
        rows.flat_map(|(from, to)| to.iter().map(move |to| (from, to)))
            .map(pairs)
    }
}

/// The names in backticks.
fn names(cell: &str) -> BTreeSet<String> {
    cell.split('`')
        .skip(1)
        .step_by(2)
        .map(str::to_owned)
        .collect()
}
