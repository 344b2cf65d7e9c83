//! The library of templates: shipped ones and the user's own.

use std::collections::BTreeMap;
use std::path::Path;

use rust_embed::RustEmbed;

use super::build::{Chain, Values, build};
use super::error::Error;
use super::file::{Body, Kind, Opening, SHIPPED, Template};
use crate::model::encoder::TemplateName;

/// Largest template file that is read, in bytes.
const FILE_BYTES_MAX: u64 = 64 * 1024;

#[derive(RustEmbed)]
#[folder = "pipelines/"]
struct Shipped;

/// Every usable template, by name.
#[derive(Debug, Clone, Default)]
pub struct Library {
    templates: BTreeMap<String, Template>,
    openings: Vec<Opening>,
}

impl Library {
    /// Loads the shipped templates and those in `folder`; also returns the mistakes of the latter.
    pub fn load(folder: Option<&Path>) -> (Self, Vec<Error>) {
        let mut library = Self::default();
        let mut errors = Vec::new();
        for path in Shipped::iter() {
            let Some(file) = Shipped::get(&path) else {
                continue;
            };
            let text = String::from_utf8_lossy(&file.data).into_owned();
            library.add(
                Path::new(path.as_ref()),
                format!("{SHIPPED}{path}"),
                text,
                &mut errors,
            );
        }
        if let Some(folder) = folder {
            library.add_folder(folder, 0, &mut errors);
        }
        (library, errors)
    }

    fn add(&mut self, path: &Path, origin: String, text: String, errors: &mut Vec<Error>) {
        let name = path.file_stem().unwrap_or_default().to_string_lossy();
        match Template::parse(&name, origin, text) {
            Ok(template) => {
                self.openings.push(template.body.sandbox.clone());
                self.templates.insert(name.into_owned(), template);
            }
            Err(error) => errors.push(error),
        }
    }

    fn add_folder(&mut self, folder: &Path, depth: usize, errors: &mut Vec<Error>) {
        const DEPTH_MAX: usize = 2;
        let Ok(entries) = std::fs::read_dir(folder) else {
            return;
        };
        for path in entries.flatten().map(|entry| entry.path()) {
            if path.is_dir() && depth < DEPTH_MAX {
                self.add_folder(&path, depth + 1, errors);
            } else if path.extension().is_some_and(|ending| ending == "toml") {
                match read_bounded(&path) {
                    Ok(text) => self.add(&path, path.display().to_string(), text, errors),
                    Err(message) => errors.push(Error::Invalid {
                        place: path.display().to_string(),
                        message,
                    }),
                }
            }
        }
    }

    /// Templates of a kind, in the order of their names.
    pub fn of_kind(&self, kind: Kind) -> impl Iterator<Item = &Template> {
        self.templates.values().filter(move |t| t.body.kind == kind)
    }

    /// The template called `name`.
    pub fn get(&self, name: &TemplateName) -> Option<&Template> {
        self.templates.get(name.as_str())
    }

    /// What the templates need of the machine's files, also those that the user's own replace.
    pub fn openings(&self) -> impl Iterator<Item = &Opening> {
        self.openings.iter()
    }

    /// Every template.
    pub fn iter(&self) -> impl Iterator<Item = &Template> {
        self.templates.values()
    }

    /// Builds the first template of a kind that this machine can build.
    ///
    /// # Errors
    /// The last reason when no template can be built.
    pub fn build_first(
        &self,
        wanted: impl Fn(&Body) -> bool,
        values: &Values,
    ) -> Result<Chain, Error> {
        let mut last = Error::build("pipelines", "no template of this kind");
        for template in self.templates.values().filter(|t| wanted(&t.body)) {
            match build(template, values) {
                Ok(chain) => return Ok(chain),
                Err(error) => last = error,
            }
        }
        Err(last)
    }

    /// Builds the first usable template of `kind`.
    ///
    /// # Errors
    /// As [`Library::build_first`].
    pub fn build_kind(&self, kind: Kind, values: &Values) -> Result<Chain, Error> {
        self.build_first(|body| body.kind == kind, values)
    }
}

fn read_bounded(path: &Path) -> Result<String, String> {
    let length = std::fs::metadata(path).map_err(|e| e.to_string())?.len();
    if length > FILE_BYTES_MAX {
        return Err(format!(
            "is {length} bytes long; at most {FILE_BYTES_MAX} are read"
        ));
    }
    std::fs::read_to_string(path).map_err(|e| e.to_string())
}
