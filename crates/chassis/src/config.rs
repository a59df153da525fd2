//! Configuration: defaults < file (TOML or YAML) < environment (`TENANTRY_SERVER__LISTEN`) < command line (`server.listen=…`).
//!
//! It is read whole before anything starts. All problems are reported at once, each with its key and where it came from.
//! A configuration struct is `#[serde(default, deny_unknown_fields)]` and implements [`Validate`], which also says what must be set
//! and has no default: of fields without `default`, serde tells only the first that is missing.

mod common;
mod load;
mod sources;

pub use common::{IdentityConfig, IdentityMode, LogFormat, ServerConfig, TelemetryConfig};
pub use load::load;
pub use sources::{Sources, parse_override};

/// Checks that types cannot make.
pub trait Validate {
    /// Notes everything that is wrong, not only the first.
    fn validate(&self, problems: &mut Problems);
}

/// Collects what [`Validate`] finds, under the keys of the section that is being checked.
#[derive(Debug, Default)]
pub struct Problems {
    section: Vec<String>,
    found: Vec<(String, String)>,
}

impl Problems {
    /// Something is wrong with this key of the present section. `message` completes "`key` …": "must not be 0".
    pub fn add(&mut self, key: &str, message: impl Into<String>) {
        let key = self.section.iter().map(String::as_str).chain([key]).collect::<Vec<_>>().join(".");
        self.found.push((key, message.into()));
    }

    /// [`Problems::add`] unless `holds`.
    pub fn check(&mut self, holds: bool, key: &str, message: impl Into<String>) {
        if !holds {
            self.add(key, message);
        }
    }

    /// Checks a section below the present one.
    pub fn within(&mut self, section: &str, checked: &impl Validate) {
        self.section.push(section.to_owned());
        checked.validate(self);
        self.section.pop();
    }
}

/// One thing that is wrong with the configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// `server.listen`; empty for a file that cannot be read.
    pub key: String,
    /// Where the value came from: `environment variable TENANTRY_SERVER__LISTEN`; `None` for what nobody set.
    pub source: Option<String>,
    /// What is wrong, and what to do.
    pub message: String,
}

impl std::fmt::Display for Problem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match (self.key.as_str(), &self.source) {
            ("", Some(source)) => write!(f, "{source}: {}", self.message),
            ("", None) => write!(f, "{}", self.message),
            (key, Some(source)) => write!(f, "`{key}` from {source}: {}", self.message),
            (key, None) => write!(f, "`{key}`: {}", self.message),
        }
    }
}

/// Everything that is wrong with the configuration; one line for each.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}", self.lines().join("\n"))]
pub struct ConfigError {
    /// In the order of the keys.
    pub problems: Vec<Problem>,
}

impl ConfigError {
    /// What to print.
    pub fn lines(&self) -> Vec<String> {
        self.problems.iter().map(Problem::to_string).collect()
    }
}
