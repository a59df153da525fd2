//! The conformance corpus as files: `tests/conformance/*.yaml`, each with the role model that ships.

use std::{
    fs,
    path::{Path, PathBuf},
};

use decision::{
    corpus::{Corpus, File},
    document::Document,
};

/// How many requirements each of the five systems has, by the letter of their ids.
pub const REQUIREMENTS: [(char, u32); 5] = [('A', 10), ('B', 9), ('C', 7), ('D', 7), ('E', 10)];

/// A corpus and the role model that it is about.
#[derive(Clone, Debug)]
pub struct Suite {
    /// The role model.
    pub document: Document,
    /// The scenarios.
    pub corpus: Corpus,
}

fn here() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("conformance")
}

fn read(path: &Path) -> Result<String, String> {
    fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))
}

/// A role model that ships, by its id.
///
/// # Errors
///
/// No such file, or what is wrong in it.
pub fn shipped_model(id: &str) -> Result<Document, String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("../crates/role-catalog/models/{id}.yaml"));
    serde_saphyr::from_str(&read(&path)?).map_err(|error| format!("{id}: {error}"))
}

/// Every corpus, in the order of the files' names.
///
/// # Errors
///
/// What is wrong in the first bad file.
pub fn suites() -> Result<Vec<Suite>, String> {
    let entries = fs::read_dir(here()).map_err(|error| error.to_string())?;
    let mut paths: Vec<PathBuf> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "yaml"));
    paths.sort();
    let mut suites = Vec::new();
    for path in paths {
        let file: File = serde_saphyr::from_str(&read(&path)?).map_err(|error| format!("{}: {error}", path.display()))?;
        let document = shipped_model(&file.model)?;
        let corpus = file.concrete(&document, |name| read(&here().join(name))).map_err(|error| format!("{}: {error}", path.display()))?;
        suites.push(Suite { document, corpus });
    }
    Ok(suites)
}
