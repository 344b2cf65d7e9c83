//! The proofs that docs/HLS.md names are there.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

const CHECKER: &str = "tests/support/llhls";
const GOLDEN: &str = "src/model/hls/golden";

struct Document {
    root: PathBuf,
    text: String,
    /// Name of a file of tests → the file.
    files: BTreeMap<String, String>,
    /// The proofs of each rule, as they are written.
    proofs: Vec<(String, String)>,
}

impl Document {
    fn read() -> Self {
        let root = std::env::var("CARGO_MANIFEST_DIR").unwrap();
        let root = PathBuf::from(root);
        let text = std::fs::read_to_string(root.join("docs/HLS.md")).unwrap();
        let (mut files, mut proofs) = (BTreeMap::new(), Vec::new());
        for line in text.lines().filter(|line| line.starts_with("| ")) {
            let cells: Vec<&str> = line.split('|').map(str::trim).collect();
            let [_, first, second, third, fourth, _] = cells[..] else {
                panic!("four cells expected: {line}");
            };
            let unquoted = |cell: &str| cell.trim_matches('`').to_owned();
            if second.ends_with(".rs`") {
                files.insert(unquoted(first), unquoted(second));
                files.insert(unquoted(third), unquoted(fourth));
            } else if first.starts_with(|letter: char| letter.is_ascii_digit() || letter == 'B') {
                proofs.push((format!("{first}: {second}"), fourth.to_owned()));
            }
        }
        files.remove("");
        Self {
            root,
            text,
            files,
            proofs,
        }
    }

    fn source(&self, file: &str) -> String {
        let source = std::fs::read_to_string(self.root.join(file));
        source.unwrap_or_else(|error| panic!("{file}: {error}"))
    }

    /// The proofs of all rules, without backticks.
    fn named(&self) -> BTreeSet<&str> {
        let cells = self.proofs.iter();
        cells
            .flat_map(|(_, cell)| cell.split('`').skip(1).step_by(2))
            .collect()
    }
}

/// Whether `source` has a test of this name.
fn has_test(source: &str, function: &str) -> bool {
    let Some((before, _)) = source.split_once(&format!("fn {function}(")) else {
        return false;
    };
    // The attributes stand after the function before.
    let attributes = before.rsplit("fn ").next().unwrap_or_default();
    attributes.contains("#[test]") || attributes.contains("#[tokio::test")
}

/// The sections that a file of the checker has as texts.
fn sections(path: &Path) -> BTreeSet<String> {
    let source = std::fs::read_to_string(path).unwrap();
    let number = |text: &&str| {
        let digits = text.bytes().all(|it| it.is_ascii_digit() || it == b'.');
        let ends = [text.chars().next(), text.chars().next_back()];
        let digit = |end: &Option<char>| end.is_some_and(|it| it.is_ascii_digit());
        *text == "B.1" || (digits && ends.iter().all(digit))
    };
    // Quotes as characters are not told from those around texts, but no number stands between two texts.
    let texts = source.split('"');
    texts.filter(number).map(str::to_owned).collect()
}

/// Those of all files in a folder of the checker.
fn sections_in(folder: &Path, of: impl Fn(&Path) -> bool) -> BTreeSet<String> {
    let entries = std::fs::read_dir(folder).unwrap();
    let files = entries.map(|entry| entry.unwrap().path());
    let files = files.filter(|path| path.is_file() && of(path));
    files.flat_map(|path| sections(&path)).collect()
}

#[test]
fn every_rule_of_hls_has_a_proof_that_exists() {
    let document = Document::read();
    assert!(document.proofs.len() > 80, "{}", document.proofs.len());
    for (rule, cell) in &document.proofs {
        assert!(
            cell.contains('`') || cell == "departs",
            "no proof of {rule}"
        );
    }
    let mut used = BTreeSet::new();
    for proof in document.named() {
        if let Some(name) = proof.strip_prefix("golden ") {
            let file = document.root.join(GOLDEN).join(format!("{name}.m3u8"));
            assert!(file.exists(), "no golden text {name}");
        } else if let Some((file, function)) = proof.split_once("::") {
            let path = document.files.get(file);
            let path = path.unwrap_or_else(|| panic!("docs/HLS.md does not say what {file} is"));
            let source = document.source(path);
            assert!(has_test(&source, function), "{path} has no test {function}");
            used.insert(file.to_owned());
        } else {
            assert!(proof.starts_with("check "), "{proof} is no proof");
        }
    }
    let files: BTreeSet<String> = document.files.keys().cloned().collect();
    assert_eq!(files, used, "files and those that are used");
}

/// The checker's rules are those that the document names, and its own tests break every section.
#[test]
fn the_checker_of_hls_has_the_rules_that_are_named() {
    let document = Document::read();
    let named = document.named().into_iter();
    let named: BTreeSet<String> = named
        .filter_map(|proof| proof.strip_prefix("check "))
        .map(str::to_owned)
        .collect();
    let folder = document.root.join(CHECKER);
    let is_tests = |path: &Path| path.ends_with("tests.rs");
    let rules = sections_in(&folder, |path| !is_tests(path));
    let mut broken = sections_in(&folder, is_tests);
    broken.extend(sections_in(&folder.join("tests"), |_| true));
    assert_eq!(
        rules, named,
        "rules of the checker, and those of docs/HLS.md"
    );
    let unbroken: Vec<_> = rules.difference(&broken).collect();
    assert!(unbroken.is_empty(), "no test breaks {unbroken:?}");
}

#[test]
fn every_departure_from_hls_is_explained() {
    let document = Document::read();
    let tables = document.text.lines().filter(|line| line.starts_with('|'));
    let numbers: BTreeSet<&str> = tables
        .flat_map(|line| line.split('[').skip(1))
        .filter_map(|rest| rest.split_once(']'))
        .map(|(number, _)| number)
        .collect();
    let (_, after) = document.text.split_once("## Where weir departs\n").unwrap();
    let (list, _) = after.split_once("\n## ").unwrap();
    let items = list.lines().filter_map(|line| line.split_once(". **"));
    let items = items.map(|(number, _)| number);
    let digits = |text: &&str| text.bytes().all(|it| it.is_ascii_digit());
    let items: BTreeSet<&str> = items.filter(digits).collect();
    assert_eq!(numbers, items);
}
