//! Which file of `src` refers to which other: every path in its code, tests apart.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use proc_macro2::{Ident, TokenStream, TokenTree};
use syn::visit::{self, Visit};
use syn::{Attribute, Item, ItemMod, ItemUse, Macro, UseTree};

/// A file with code.
pub struct File {
    /// Path below `src`: `daemon/session/cell.rs`.
    pub name: String,
    /// Its module, written as a path: `daemon/session/cell`; empty for `lib.rs`.
    pub module: String,
    /// It has nothing but `mod` items.
    pub only_declares: bool,
}

/// One reference from a file to another, or to another crate.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Import {
    /// The name of the file that refers.
    pub from: String,
    /// The name of the file, or of the crate, that it refers to.
    pub to: String,
    /// The line of the reference.
    pub line: usize,
    /// What is referred to.
    pub path: String,
}

/// The whole of `src`.
pub struct Source {
    /// By module.
    pub files: BTreeMap<String, File>,
    /// References to other files.
    pub imports: BTreeSet<Import>,
    /// References to other crates.
    pub foreign: BTreeSet<Import>,
}

impl Source {
    /// Reads `lib.rs`, `main.rs` and every module they declare.
    pub fn read(src: &Path) -> Self {
        let mut texts = Vec::new();
        collect(src, "lib.rs", "", &mut texts);
        collect(src, "main.rs", "main", &mut texts);
        Self::of(texts)
    }

    fn of(texts: Vec<(File, syn::File)>) -> Self {
        let mut source = Self {
            files: BTreeMap::new(),
            imports: BTreeSet::new(),
            foreign: BTreeSet::new(),
        };
        let modules = texts
            .iter()
            .map(|(file, _)| (file.module.clone(), file.name.clone()));
        let modules: BTreeMap<_, _> = modules.collect();
        for (file, code) in texts {
            let mut found = References::in_module(&file.module);
            found.visit_file(&code);
            for (path, line) in found.resolved() {
                source.add(&file.name, &modules, path, line);
            }
            source.files.insert(file.module.clone(), file);
        }
        source
    }

    fn add(&mut self, from: &str, modules: &BTreeMap<String, String>, path: Place, line: usize) {
        let (segments, imports) = match &path {
            Place::Ours(segments) => (segments, &mut self.imports),
            Place::Foreign(segments) => (segments, &mut self.foreign),
        };
        let to = match &path {
            Place::Foreign(_) => segments.first().cloned(),
            // The longest prefix that is a file; what follows are items in it.
            Place::Ours(_) => (0..=segments.len())
                .rev()
                .find_map(|n| modules.get(&segments[..n].join("/")).cloned()),
        };
        if let Some(to) = to.filter(|to| to != from) {
            let (from, path) = (from.to_owned(), segments.join("::"));
            imports.insert(Import {
                from,
                to,
                line,
                path,
            });
        }
    }
}

/// Parses the file `name` of module `module` and those that it declares.
fn collect(src: &Path, name: &str, module: &str, into: &mut Vec<(File, syn::File)>) {
    let text = std::fs::read_to_string(src.join(name)).unwrap();
    let code = syn::parse_file(&text).unwrap_or_else(|error| panic!("src/{name}: {error}"));
    let declared = |item: &Item| matches!(item, Item::Mod(module) if module.content.is_none());
    let only_declares = code.items.iter().all(declared);
    for item in &code.items {
        if let Item::Mod(child) = item
            && child.content.is_none()
            && !is_test(&child.attrs)
        {
            let child = join(module, &child.ident.to_string());
            let names = [format!("{child}.rs"), format!("{child}/mod.rs")];
            let name = names.iter().find(|name| src.join(name).exists());
            collect(
                src,
                name.unwrap_or_else(|| panic!("no file of {child}")),
                &child,
                into,
            );
        }
    }
    let (name, module) = (name.to_owned(), module.to_owned());
    into.push((
        File {
            name,
            module,
            only_declares,
        },
        code,
    ));
}

fn join(module: &str, child: &str) -> String {
    if module.is_empty() {
        child.to_owned()
    } else {
        format!("{module}/{child}")
    }
}

/// `#[cfg(test)]`, `#[cfg(any(test, …))]` or `#[test]`.
fn is_test(attributes: &[Attribute]) -> bool {
    attributes.iter().any(|attribute| {
        let cfg = attribute
            .meta
            .require_list()
            .ok()
            .filter(|list| list.path.is_ident("cfg"));
        let words = cfg.map(|list| list.tokens.to_string()).unwrap_or_default();
        let mut words = words.split(|c: char| !c.is_alphanumeric());
        attribute.path().is_ident("test") || words.any(|word| word == "test")
    })
}

/// A path with its beginning resolved.
enum Place {
    /// Within the crate, from its root.
    Ours(Vec<String>),
    /// Into another crate.
    Foreign(Vec<String>),
}

/// The paths of one file, as written.
struct References {
    module: Vec<String>,
    /// Modules declared in this file.
    children: BTreeSet<String>,
    /// What a `use` gave a name, by that name.
    names: BTreeMap<String, Vec<String>>,
    paths: Vec<Reference>,
}

/// A path as written.
struct Reference {
    /// The module that it stands in.
    module: Vec<String>,
    path: Vec<String>,
    line: usize,
}

impl References {
    fn in_module(module: &str) -> Self {
        Self {
            module: module
                .split('/')
                .filter(|part| !part.is_empty())
                .map(str::to_owned)
                .collect(),
            children: BTreeSet::new(),
            names: BTreeMap::new(),
            paths: Vec::new(),
        }
    }

    /// Every path from the crate's root or into another crate; names of the file itself are left
    /// out.
    fn resolved(&self) -> impl Iterator<Item = (Place, usize)> {
        let paths = self.paths.iter();
        paths.filter_map(|found| Some((self.resolve(&found.module, &found.path, 0)?, found.line)))
    }

    fn resolve(&self, module: &[String], path: &[String], depth: usize) -> Option<Place> {
        let (first, rest) = path.split_first()?;
        let ours = |start: &[String], rest: &[String]| Some(Place::Ours([start, rest].concat()));
        match first.as_str() {
            "crate" | "weir" => ours(&[], rest),
            "self" => ours(module, rest),
            "super" => {
                let supers = path.iter().take_while(|part| *part == "super").count();
                ours(&module[..module.len() - supers], &path[supers..])
            }
            child if self.children.contains(child) => ours(&self.module, path),
            name => match self.names.get(name) {
                Some(full) if depth < 8 && full[0] != name => {
                    self.resolve(module, &[full, rest].concat(), depth + 1)
                }
                // A type of this file or of the prelude, unless it is written as a crate is.
                _ if name.starts_with(char::is_uppercase) || rest.is_empty() => None,
                _ => Some(Place::Foreign(path.to_vec())),
            },
        }
    }

    fn use_tree(&mut self, tree: &UseTree, before: &[String]) {
        let with = |ident: &Ident| [before, &[ident.to_string()]].concat();
        match tree {
            UseTree::Path(path) => self.use_tree(&path.tree, &with(&path.ident)),
            UseTree::Group(group) => group
                .items
                .iter()
                .for_each(|tree| self.use_tree(tree, before)),
            UseTree::Name(name) if name.ident == "self" => {
                let ident = before.last().unwrap().clone();
                self.used(ident, before.to_vec(), name.ident.span().start().line);
            }
            UseTree::Name(name) => {
                let line = name.ident.span().start().line;
                self.used(name.ident.to_string(), with(&name.ident), line);
            }
            UseTree::Rename(rename) => {
                let line = rename.ident.span().start().line;
                self.used(rename.rename.to_string(), with(&rename.ident), line);
            }
            UseTree::Glob(glob) => {
                let line = glob.star_token.spans[0].start().line;
                self.found(before.to_vec(), line);
            }
        }
    }

    fn used(&mut self, name: String, path: Vec<String>, line: usize) {
        self.names.insert(name, path.clone());
        self.found(path, line);
    }

    fn found(&mut self, path: Vec<String>, line: usize) {
        let module = self.module.clone();
        self.paths.push(Reference { module, path, line });
    }

    /// Paths in the arguments of a macro, which `syn` does not parse.
    fn tokens(&mut self, tokens: TokenStream) {
        let (mut path, mut line, mut colons) = (Vec::new(), 0, 0);
        for token in tokens {
            match token {
                TokenTree::Ident(ident) if colons == 2 && !path.is_empty() => {
                    path.push(ident.to_string());
                    colons = 0;
                }
                TokenTree::Ident(ident) => {
                    self.flush(&mut path, line);
                    (path, line) = (vec![ident.to_string()], ident.span().start().line);
                    colons = 0;
                }
                TokenTree::Punct(punct) if punct.as_char() == ':' => colons += 1,
                other => {
                    self.flush(&mut path, line);
                    colons = 0;
                    if let TokenTree::Group(group) = other {
                        self.tokens(group.stream());
                    }
                }
            }
        }
        self.flush(&mut path, line);
    }

    fn flush(&mut self, path: &mut Vec<String>, line: usize) {
        let path = std::mem::take(path);
        if path.len() > 1 {
            self.found(path, line);
        }
    }
}

impl<'ast> Visit<'ast> for References {
    fn visit_item(&mut self, item: &'ast Item) {
        let attributes: &[Attribute] = match item {
            Item::Const(item) => &item.attrs,
            Item::Enum(item) => &item.attrs,
            Item::Fn(item) => &item.attrs,
            Item::Impl(item) => &item.attrs,
            Item::Mod(item) => &item.attrs,
            Item::Struct(item) => &item.attrs,
            Item::Use(item) => &item.attrs,
            _ => &[],
        };
        if !is_test(attributes) {
            visit::visit_item(self, item);
        }
    }

    fn visit_impl_item_fn(&mut self, method: &'ast syn::ImplItemFn) {
        if !is_test(&method.attrs) {
            visit::visit_impl_item_fn(self, method);
        }
    }

    fn visit_item_mod(&mut self, module: &'ast ItemMod) {
        let name = module.ident.to_string();
        if module.content.is_some() {
            self.module.push(name);
            visit::visit_item_mod(self, module);
            self.module.pop();
        } else {
            self.children.insert(name);
        }
    }

    fn visit_item_use(&mut self, item: &'ast ItemUse) {
        self.use_tree(&item.tree, &[]);
    }

    fn visit_path(&mut self, path: &'ast syn::Path) {
        let segments: Vec<_> = path
            .segments
            .iter()
            .map(|part| part.ident.to_string())
            .collect();
        if segments.len() > 1 {
            let line = path.segments[0].ident.span().start().line;
            self.found(segments, line);
        }
        visit::visit_path(self, path);
    }

    fn visit_macro(&mut self, invocation: &'ast Macro) {
        self.tokens(invocation.tokens.clone());
        visit::visit_macro(self, invocation);
    }
}
