//! From layers to a checked configuration, or to everything that is wrong with it.

use std::collections::BTreeSet;

use figment::{
    Figment, Profile, Provider,
    error::Kind,
    value::{Dict, Value},
};
use serde::de::DeserializeOwned;

use super::{ConfigError, Problem, Problems, Sources, Validate, sources::Layered};

/// Reads the configuration.
///
/// serde stops at the first error. To find them all, what was found wrong is taken out and the rest is read again, until it
/// reads or nothing is left to take out.
pub fn load<T: DeserializeOwned + Validate>(sources: Sources) -> Result<T, ConfigError> {
    let Layered { figment, texts, mut problems } = sources.read();
    let mut values = merged(&figment, &mut problems);
    let mut as_text = BTreeSet::new();
    let mut taken_out = BTreeSet::new();

    let read = loop {
        let error = match Value::from(values.clone()).deserialize::<T>() {
            Ok(read) => break Some(read),
            Err(error) => error,
        };
        let path = path_of(&error);
        let key = path.join(".");
        if let Some(text) = texts.get(&key)
            && !matches!(error.kind, Kind::UnknownField(..))
            && as_text.insert(key.clone())
            && replace(&mut values, &path, text)
        {
            continue;
        }
        let missing = matches!(error.kind, Kind::MissingField(_));
        // What is missing because it, or all around it, was taken out was reported then.
        if !(missing && taken_out.contains(&key)) {
            let source = if missing { None } else { source_of(&figment, &key) };
            problems.push(Problem { source, key: key.clone(), message: describe(&error.kind, &path) });
        }
        let whole = if missing { &path[..path.len().saturating_sub(1)] } else { &path[..] };
        if !take_out(&mut values, whole) {
            break None;
        }
        taken_out.insert(whole.join("."));
    };

    if let Some(read) = &read {
        let mut checked = Problems::default();
        read.validate(&mut checked);
        for (key, message) in checked.found {
            // A default that stands in for a refused value is not the author's.
            if !problems.iter().any(|problem| problem.key == key) {
                problems.push(Problem { source: source_of(&figment, &key), key, message });
            }
        }
    }
    problems.sort_by(|one, other| one.key.cmp(&other.key));
    match read {
        Some(read) if problems.is_empty() => Ok(read),
        _ => Err(ConfigError { problems }),
    }
}

fn merged(figment: &Figment, problems: &mut Vec<Problem>) -> Dict {
    match figment.data() {
        Ok(mut profiles) => profiles.remove(&Profile::Default).unwrap_or_default(),
        Err(error) => {
            problems.push(Problem { key: String::new(), source: None, message: error.to_string() });
            Dict::new()
        }
    }
}

/// The key that an error is about. Errors about a field's name stand at the section that has, or lacks, it.
fn path_of(error: &figment::Error) -> Vec<String> {
    let mut path = error.path.clone();
    let field = match &error.kind {
        Kind::UnknownField(name, _) => Some(name.as_str()),
        Kind::MissingField(name) => Some(name.as_ref()),
        _ => None,
    };
    if let Some(field) = field
        && path.last().is_none_or(|last| last != field)
    {
        path.push(field.to_owned());
    }
    path
}

fn source_of(figment: &Figment, key: &str) -> Option<String> {
    let mut key = key;
    loop {
        if let Ok(value) = figment.find_value(key) {
            return figment.get_metadata(value.tag()).map(|metadata| metadata.name.to_string());
        }
        key = key.rsplit_once('.')?.0;
    }
}

fn describe(kind: &Kind, path: &[String]) -> String {
    match kind {
        Kind::UnknownField(name, known) => match nearest(name, known) {
            Some(near) => format!("unknown key; did you mean `{near}`?"),
            None if known.is_empty() => "unknown key; there are none here".to_owned(),
            None => format!("unknown key; known are {}", list(known)),
        },
        Kind::MissingField(_) => {
            format!("is missing; set it in the file, or as TENANTRY_{}", path.join("__").to_ascii_uppercase())
        }
        Kind::UnknownVariant(value, known) => match nearest(value, known) {
            Some(near) => format!("`{value}` is none of {}; did you mean `{near}`?", list(known)),
            None => format!("`{value}` is none of {}", list(known)),
        },
        other => other.to_string(),
    }
}

fn list(names: &[&str]) -> String {
    names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}

fn nearest<'a>(name: &str, known: &[&'a str]) -> Option<&'a str> {
    let distance = |candidate: &&&str| strsim::damerau_levenshtein(name, candidate);
    known.iter().min_by_key(distance).filter(|near| distance(near) <= 1 + name.len() / 4).copied()
}

/// Puts the text there as a text; says whether anything changed.
fn replace(values: &mut Dict, path: &[String], text: &str) -> bool {
    let Some((last, above)) = path.split_last() else { return false };
    match section(values, above).and_then(|section| section.get_mut(last)) {
        Some(value) if !matches!(value, Value::String(..)) => {
            *value = Value::from(text.to_owned());
            true
        }
        _ => false,
    }
}

/// Takes out what is there, or the nearest thing around it; says whether anything was.
fn take_out(values: &mut Dict, path: &[String]) -> bool {
    for length in (1..=path.len()).rev() {
        if let Some((last, above)) = path[..length].split_last()
            && section(values, above).and_then(|section| section.remove(last)).is_some()
        {
            return true;
        }
    }
    false
}

fn section<'a>(values: &'a mut Dict, path: &[String]) -> Option<&'a mut Dict> {
    let mut section = values;
    for part in path {
        match section.get_mut(part)? {
            Value::Dict(_, below) => section = below,
            _ => return None,
        }
    }
    Some(section)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{IdentityConfig, LogFormat, ServerConfig, TelemetryConfig};
    use serde::{Deserialize, Serialize};
    use std::{fs, path::PathBuf};

    #[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
    #[serde(default, deny_unknown_fields)]
    struct Config {
        server: ServerConfig,
        telemetry: TelemetryConfig,
        identity: IdentityConfig,
        store: Store,
    }

    #[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
    #[serde(default, deny_unknown_fields)]
    struct Store {
        url: String,
        peers: Vec<String>,
    }

    impl Validate for Config {
        fn validate(&self, problems: &mut Problems) {
            problems.within("server", &self.server);
            problems.within("telemetry", &self.telemetry);
            problems.within("identity", &self.identity);
        }
    }

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Strict {
        must: Must,
        other: u16,
    }

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Must {
        url: String,
        size: u16,
    }

    impl Validate for Strict {
        fn validate(&self, _: &mut Problems) {}
    }

    fn environment(pairs: &[(&str, &str)]) -> Vec<(std::ffi::OsString, std::ffi::OsString)> {
        pairs.iter().map(|(name, value)| (name.into(), value.into())).collect()
    }

    fn file(name: &str, text: &str) -> (tempfile::TempDir, PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(name);
        fs::write(&path, text).unwrap();
        (folder, path)
    }

    #[test]
    fn nothing_said_is_the_default() {
        let config: Config = load(Sources::new()).unwrap();
        assert_eq!(config, Config::default());
    }

    #[test]
    fn later_layers_win_key_by_key() {
        let (_folder, path) = file("tenantry.toml", "[server]\nmax_calls = 2\nmax_streams = 2\nlisten = \"127.0.0.1:2\"\n");
        let mut defaults = Config::default();
        defaults.server.max_connections = 1;
        defaults.server.max_calls = 1;
        let config: Config = load(
            Sources::new()
                .defaults(&defaults)
                .file(path)
                .environment(environment(&[
                    ("TENANTRY_SERVER__MAX_STREAMS", "3"),
                    ("TENANTRY_SERVER__LISTEN", "127.0.0.1:3"),
                    ("PATH", "/"),
                ]))
                .overrides([("server.listen".into(), "[::1]:4".into())]),
        )
        .unwrap();
        assert_eq!((config.server.max_connections, config.server.max_calls, config.server.max_streams), (1, 2, 3));
        assert_eq!(config.server.listen, "[::1]:4".parse().unwrap());
    }

    #[test]
    fn yaml_is_read_as_toml_is_and_the_environment_may_name_the_file() {
        let (_folder, path) =
            file("tenantry.yaml", "telemetry:\n  format: json\n  otlp_endpoint: http://localhost:4317\nstore:\n  peers: [a, b]\n");
        let config: Config = load(Sources::new().environment([("TENANTRY_CONFIG".into(), path.into_os_string())])).unwrap();
        assert_eq!(config.telemetry.format, LogFormat::Json);
        assert_eq!(config.store.peers, ["a", "b"]);
    }

    #[test]
    fn a_text_may_look_like_anything_else() {
        let pairs = [("TENANTRY_STORE__URL", "42"), ("TENANTRY_STORE__PEERS", "[one, \"2\"]"), ("TENANTRY_TELEMETRY__TRACE_RATIO", "1")];
        let config: Config = load(Sources::new().environment(environment(&pairs))).unwrap();
        assert_eq!(config.store.url, "42");
        assert_eq!(config.store.peers, ["one", "2"]);
        let config: Config = load(Sources::new().overrides([("store.url".into(), "true".into())])).unwrap();
        assert_eq!(config.store.url, "true");
    }

    #[test]
    fn all_problems_are_told_at_once_with_their_source() {
        let (_folder, path) = file(
            "tenantry.yaml",
            "server:\n  lisen: 127.0.0.1:1\n  max_calls: many\n  drain_ms: 9999999999\nserve: 1\ntelemetry:\n  format: jsno\n",
        );
        let error = load::<Config>(
            Sources::new()
                .file(&path)
                .environment(environment(&[("TENANTRY_SERVER__LISTEN", "localhost"), ("TENANTRY_IDENTITY__PLATFORM_ACTOR", "platform")]))
                .overrides([("server.max_streams".into(), "0".into()), ("store".into(), "none".into())]),
        )
        .unwrap_err();
        let lines = error.lines();
        let file = format!("file {}", path.display());
        let expected = [
            ("identity.platform_actor", "environment variable TENANTRY_IDENTITY__PLATFORM_ACTOR", "not a user's name"),
            ("serve", &file, "did you mean `server`?"),
            ("server.drain_ms", &file, "must be at most"),
            ("server.lisen", &file, "did you mean `listen`?"),
            ("server.listen", "environment variable TENANTRY_SERVER__LISTEN", "invalid socket address"),
            ("server.max_calls", &file, "many"),
            ("server.max_streams", "the command line", "must be between"),
            ("store", "the command line", "none"),
            ("telemetry.format", &file, "did you mean `json`?"),
        ];
        assert_eq!(lines.len(), expected.len(), "{lines:#?}");
        for (line, (key, source, message)) in lines.iter().zip(expected) {
            assert!(line.starts_with(&format!("`{key}` from {source}: ")) && line.contains(message), "{line}");
        }
    }

    #[test]
    fn what_is_missing_is_told_beside_what_is_wrong() {
        let error =
            load::<Strict>(Sources::new().overrides([("must.size".into(), "big".into()), ("othr".into(), "1".into())])).unwrap_err();
        let keys: Vec<_> = error.problems.iter().map(|problem| problem.key.as_str()).collect();
        assert_eq!(keys, ["must.size", "must.url", "othr"], "{error}");
        assert!(error.to_string().contains("TENANTRY_MUST__URL"));

        let read: Strict = load(Sources::new().overrides([
            ("must.size".into(), "1".into()),
            ("must.url".into(), "2".into()),
            ("other".into(), "3".into()),
        ]))
        .unwrap();
        assert_eq!((read.must.size, read.must.url.as_str(), read.other), (1, "2", 3));
    }

    #[test]
    fn a_file_that_cannot_be_read_is_told_beside_the_rest() {
        for (name, text, message) in
            [("a.toml", "[", "is not TOML"), ("a.yaml", "a: [", "is not YAML"), ("a.json", "{}", "ends in neither")]
        {
            let (_folder, path) = file(name, text);
            let error = load::<Config>(Sources::new().file(path).overrides([("nothing".into(), "1".into())])).unwrap_err();
            assert_eq!(error.problems.len(), 2, "{error}");
            assert!(error.lines()[0].contains(message), "{error}");
        }
        let error = load::<Config>(Sources::new().file("/nonexistent/tenantry.toml")).unwrap_err();
        assert!(error.lines()[0].starts_with("file /nonexistent/tenantry.toml: cannot be read"));
    }

    #[test]
    fn an_empty_file_says_nothing() {
        for name in ["a.toml", "a.yaml"] {
            let (_folder, path) = file(name, "");
            assert_eq!(load::<Config>(Sources::new().file(path)).unwrap(), Config::default());
        }
    }
}
