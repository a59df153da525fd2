//! Where configuration comes from.

use std::{
    ffi::OsString,
    fs,
    path::{Path, PathBuf},
};

use figment::{
    Figment, Metadata, Profile, Provider,
    providers::{Format, Serialized, Toml},
    value::{Dict, Map, Value},
};
use serde::Serialize;

use super::Problem;

/// What a variable of ours begins with.
const PREFIX: &str = "TENANTRY_";
/// Names the configuration file where no flag does.
const FILE_VARIABLE: &str = "TENANTRY_CONFIG";

/// Where to read configuration from. Later layers win: defaults, file, environment, command line.
#[derive(Clone, Debug, Default)]
pub struct Sources {
    defaults: Figment,
    file: Option<PathBuf>,
    environment: Vec<(String, String)>,
    overrides: Vec<(String, String)>,
}

impl Sources {
    /// Nothing but what the configuration's type says by itself.
    pub fn new() -> Self {
        Self::default()
    }

    /// Values below all other layers. Needed where a main's default of a section differs from the section's own.
    pub fn defaults(mut self, defaults: &impl Serialize) -> Self {
        self.defaults = self.defaults.merge(Serialized::defaults(defaults));
        self
    }

    /// A file: TOML if it ends in `.toml`, YAML if in `.yaml` or `.yml`.
    pub fn file(mut self, path: impl Into<PathBuf>) -> Self {
        self.file = Some(path.into());
        self
    }

    /// Environment variables, usually `std::env::vars_os()`. `TENANTRY_SERVER__LISTEN` sets `server.listen`; `TENANTRY_CONFIG` names the
    /// file if [`Sources::file`] does not. Others, and those that Kubernetes makes for a Service named `tenantry…`, are ignored.
    pub fn environment(mut self, variables: impl IntoIterator<Item = (OsString, OsString)>) -> Self {
        for (name, value) in variables {
            if let (Ok(name), Ok(value)) = (name.into_string(), value.into_string())
                && name.starts_with(PREFIX)
                && !is_service_link(&name)
            {
                self.environment.push((name, value));
            }
        }
        self.environment.sort();
        self
    }

    /// Pairs from the command line: (`server.listen`, `127.0.0.1:0`). See [`parse_override`].
    pub fn overrides(mut self, pairs: impl IntoIterator<Item = (String, String)>) -> Self {
        self.overrides.extend(pairs);
        self
    }

    pub(super) fn read(&self) -> Layered {
        let mut layered = Layered { figment: self.defaults.clone(), texts: Map::new(), problems: Vec::new() };
        let named = self.environment.iter().find(|(name, _)| name == FILE_VARIABLE).map(|(_, path)| PathBuf::from(path));
        if let Some(path) = self.file.clone().or(named) {
            layered.add_file(&path);
        }
        for (name, value) in self.environment.iter().filter(|(name, _)| name != FILE_VARIABLE) {
            let key = name.trim_start_matches(PREFIX).to_ascii_lowercase().replace("__", ".");
            layered.add_text(&key, value, format!("environment variable {name}"));
        }
        for (key, value) in &self.overrides {
            layered.add_text(key, value, "the command line".to_owned());
        }
        layered
    }
}

/// Reads one `key=value` of the command line; for clap's `value_parser`.
pub fn parse_override(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((key, value)) if !key.is_empty() && key.split('.').all(|part| !part.is_empty()) => Ok((key.to_owned(), value.to_owned())),
        _ => Err(format!("`{text}` is not of the form `section.key=value`")),
    }
}

/// `TENANTRY_SERVICE_HOST`, `TENANTRY_AUTHZ_PORT_50051_TCP_ADDR`, …: Kubernetes sets them in every pod beside a Service of that name.
fn is_service_link(name: &str) -> bool {
    let of_service = ["_SERVICE_HOST", "_SERVICE_PORT", "_PORT"].iter().any(|end| name.ends_with(end)) && !name.contains("__");
    of_service || (name.contains("_SERVICE_PORT_") || name.contains("_TCP")) && !name.contains("__")
}

/// The layers on top of each other, and the texts among them as they were written.
pub(super) struct Layered {
    pub(super) figment: Figment,
    /// By key: environment and command line carry no types, so a text that looks like a number may have to be a text after all.
    pub(super) texts: Map<String, String>,
    pub(super) problems: Vec<Problem>,
}

impl Layered {
    fn add_file(&mut self, path: &Path) {
        let source = format!("file {}", path.display());
        match read_file(path) {
            Ok(values) => self.add(Layer { source, values }),
            Err(message) => self.problems.push(Problem { key: String::new(), source: Some(source), message }),
        }
    }

    fn add_text(&mut self, key: &str, text: &str, source: String) {
        let value = match text.parse::<Value>() {
            Ok(value) => value,
            Err(never) => match never {},
        };
        let mut parts = key.rsplit('.');
        let last = parts.next().unwrap_or_default().to_owned();
        let mut values = Dict::from([(last, value)]);
        for part in parts {
            values = Dict::from([(part.to_owned(), Value::from(values))]);
        }
        self.texts.insert(key.to_owned(), text.to_owned());
        self.add(Layer { source, values });
    }

    fn add(&mut self, layer: Layer) {
        self.figment = std::mem::take(&mut self.figment).merge(layer);
    }
}

fn read_file(path: &Path) -> Result<Dict, String> {
    let text = fs::read_to_string(path).map_err(|error| format!("cannot be read: {error}"))?;
    match path.extension().and_then(|extension| extension.to_str()) {
        Some("toml") => Toml::from_str(&text).map_err(|error| format!("is not TOML: {}", error.to_string().trim())),
        Some("yaml" | "yml") if text.trim().is_empty() => Ok(Dict::new()),
        Some("yaml" | "yml") => serde_saphyr::from_str(&text).map_err(|error| format!("is not YAML: {}", error.to_string().trim())),
        _ => Err("ends in neither `.toml` nor `.yaml`".to_owned()),
    }
}

struct Layer {
    source: String,
    values: Dict,
}

impl Provider for Layer {
    fn metadata(&self) -> Metadata {
        Metadata::named(self.source.clone())
    }

    fn data(&self) -> Result<Map<Profile, Dict>, figment::Error> {
        Ok(Map::from([(Profile::Default, self.values.clone())]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_kubernetes_sets_for_a_service_is_not_ours() {
        for name in [
            "TENANTRY_SERVICE_HOST",
            "TENANTRY_PORT",
            "TENANTRY_SERVICE_PORT_GRPC",
            "TENANTRY_AUTHZ_PORT_50051_TCP",
            "TENANTRY_PORT_1_TCP_ADDR",
        ] {
            assert!(is_service_link(name), "{name}");
        }
        for name in ["TENANTRY_SERVER__LISTEN", "TENANTRY_STORE__PORT", "TENANTRY_CONFIG", "TENANTRY_SERVRE__LISTEN"] {
            assert!(!is_service_link(name), "{name}");
        }
    }

    #[test]
    fn an_override_is_a_key_and_a_value() {
        assert_eq!(parse_override("a.b=c=d"), Ok(("a.b".into(), "c=d".into())));
        assert_eq!(parse_override("a="), Ok(("a".into(), String::new())));
        for wrong in ["", "a", "=b", "a..b=c", ".a=b"] {
            assert!(parse_override(wrong).is_err(), "{wrong}");
        }
    }
}
