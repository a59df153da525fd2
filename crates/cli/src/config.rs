//! The configuration of `tenantry serve`.

use std::{
    ffi::OsStr,
    path::{Path, PathBuf},
};

use chassis::{
    config::{ConfigError, IdentityConfig, Problems, ServerConfig, Sources, TelemetryConfig, Validate, load, parse_override},
    identity::Identification,
};
use serde::{Deserialize, Serialize};

use crate::{Failure, address};

/// A service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Service {
    /// Who is there.
    Directory,
    /// What a role can do.
    RoleCatalog,
    /// Who may.
    Authz,
}

/// Everything that can be configured, section by section.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Config {
    /// Where to listen, and how much to take on.
    pub(crate) server: ServerConfig,
    /// Logs and traces.
    pub(crate) telemetry: TelemetryConfig,
    /// How callers prove who they are.
    pub(crate) identity: IdentityConfig,
    /// Where the directory and the role catalog keep their data.
    pub(crate) store: StoreSection,
    /// Where the services are that run in other processes.
    pub(crate) peers: Peers,
    /// How long the directory keeps what is deleted.
    pub(crate) directory: DirectorySection,
    /// How authz decides.
    pub(crate) authz: AuthzSection,
}

/// `store`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct StoreSection {
    /// `postgres://user@host/database` or `sqlite:///path/file.db`. Left out: SQLite under the data directory.
    pub(crate) url: Option<String>,
    /// Connections to PostgreSQL for writes; as many again for reads.
    pub(crate) max_connections: u32,
    /// How long the audit trail is kept.
    pub(crate) audit_retention_days: u32,
    /// The SQLite file under the data directory, where `url` was left out.
    #[serde(skip)]
    pub(crate) file: Option<PathBuf>,
}

impl Default for StoreSection {
    fn default() -> Self {
        Self { url: None, max_connections: 16, audit_retention_days: 400, file: None }
    }
}

/// `peers`: `http://host:port` each.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Peers {
    /// Who serves the feed: a directory's or a role catalog's address. For authz in a process of its own.
    pub(crate) feed: Option<String>,
    /// Who gives permits. For a directory or role catalog without authz in its process.
    pub(crate) authz: Option<String>,
}

/// `directory`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct DirectorySection {
    /// A deleted organization, workspace or account can be undeleted for so long; then what hangs on it ends.
    pub(crate) purge_after_days: u32,
}

impl Default for DirectorySection {
    fn default() -> Self {
        Self { purge_after_days: 30 }
    }
}

/// `authz`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct AuthzSection {
    /// A replica that last knew itself current longer ago than this refuses to decide.
    pub(crate) max_staleness_ms: u64,
}

impl Default for AuthzSection {
    fn default() -> Self {
        Self { max_staleness_ms: 60_000 }
    }
}

impl Validate for Config {
    fn validate(&self, problems: &mut Problems) {
        problems.within("server", &self.server);
        problems.within("telemetry", &self.telemetry);
        problems.within("identity", &self.identity);
        problems.within("store", &self.store);
        problems.within("peers", &self.peers);
        problems.within("directory", &self.directory);
        problems.within("authz", &self.authz);
    }
}

impl Validate for StoreSection {
    fn validate(&self, problems: &mut Problems) {
        if let Some(url) = &self.url {
            let known = ["postgres://", "postgresql://", "sqlite://"].iter().any(|scheme| url.starts_with(scheme));
            problems.check(known, "url", "must begin with `postgres://` or `sqlite://`");
        }
        problems.check((1..=1_000).contains(&self.max_connections), "max_connections", "must be between 1 and 1000");
        problems.check((1..=36_500).contains(&self.audit_retention_days), "audit_retention_days", "must be between 1 and 36500");
    }
}

impl Validate for Peers {
    fn validate(&self, problems: &mut Problems) {
        for (key, address) in [("feed", &self.feed), ("authz", &self.authz)] {
            if let Some(address) = address {
                let fits = client::session::channel(address).is_ok() && address.starts_with("http://");
                problems.check(fits, key, format!("`{address}` is not an address; for example `http://directory:50051`"));
            }
        }
    }
}

impl Validate for DirectorySection {
    fn validate(&self, problems: &mut Problems) {
        problems.check((1..=3_650).contains(&self.purge_after_days), "purge_after_days", "must be between 1 and 3650");
    }
}

impl Validate for AuthzSection {
    fn validate(&self, problems: &mut Problems) {
        problems.check((500..=3_600_000).contains(&self.max_staleness_ms), "max_staleness_ms", "must be between 500 and 3600000");
    }
}

/// Reads the configuration and checks that it fits the services that are to run in this process.
pub(crate) fn read(file: Option<&Path>, overrides: &[String], services: &[Service], data_dir: &Path) -> Result<Config, Failure> {
    let mut pairs = Vec::new();
    for text in overrides {
        pairs.push(parse_override(text).map_err(Failure::usage)?);
    }
    let mut sources = Sources::new().environment(std::env::vars_os().filter(|(name, _)| is_setting(name))).overrides(pairs);
    if let Some(file) = file {
        sources = sources.file(file);
    }
    let mut config: Config = load(sources).map_err(|error: ConfigError| Failure::usage(error))?;

    let runs = |service: Service| services.contains(&service);
    let writes = runs(Service::Directory) || runs(Service::RoleCatalog);
    let mut wrong = Vec::new();
    if let Err(exposed) = Identification::new(&config.identity).allow(Some(config.server.listen)) {
        return Err(Failure::usage(exposed));
    }
    if writes && config.store.url.is_none() {
        let path = std::path::absolute(data_dir.join("tenantry.db")).map_err(Failure::usage)?;
        config.store.url = Some(sqlite_url(&path));
        config.store.file = Some(path);
    }
    let on_sqlite = config.store.url.as_deref().is_some_and(|url| url.starts_with("sqlite://"));
    if writes && on_sqlite && !(runs(Service::Directory) && runs(Service::RoleCatalog)) {
        wrong.push("`store.url`: on SQLite the directory and the role catalog share one process (`tenantry serve directory role-catalog`); for processes of their own set it to a `postgres://…` URL");
    }
    if writes && !runs(Service::Authz) && config.peers.authz.is_none() {
        wrong.push("`peers.authz`: the directory and the role catalog ask authz for permits; set it to authz's address, or run authz in the same process");
    }
    if !writes && config.peers.feed.is_none() {
        wrong.push("`peers.feed`: authz follows the feed of a directory or role catalog; set it to the address of one");
    }
    if wrong.is_empty() { Ok(config) } else { Err(Failure::usage(wrong.join("\n"))) }
}

/// Other commands' variables, and those of the tests, are not `serve`'s configuration.
fn is_setting(variable: &OsStr) -> bool {
    let name = variable.to_string_lossy();
    !address::VARIABLES.contains(&&*name) && !name.starts_with("TENANTRY_TEST_") && !name.starts_with("TENANTRY_ORACLE_")
}

/// A file's URL, as sqlx reads it: what is no letter, digit or harmless sign is a percent sign and two hex digits.
fn sqlite_url(path: &Path) -> String {
    let mut url = "sqlite://".to_owned();
    for byte in path.as_os_str().as_encoded_bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'/' | b'.' | b'-' | b'_' | b'~' => url.push(char::from(*byte)),
            other => url.push_str(&format!("%{other:02X}")),
        }
    }
    url
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_of_tests_and_of_other_commands_are_no_settings() {
        for name in ["TENANTRY_ADDRESS", "TENANTRY_AUTHZ_ADDRESS", "TENANTRY_TEST_POSTGRES_URL", "TENANTRY_ORACLE_CASES"] {
            assert!(!is_setting(OsStr::new(name)), "{name}");
        }
        for name in ["TENANTRY_SERVER__LISTEN", "TENANTRY_CONFIG", "TENANTRY_SERVRE__LISTEN"] {
            assert!(is_setting(OsStr::new(name)), "{name}");
        }
    }

    #[test]
    fn a_path_with_signs_that_urls_use_stays_that_path() {
        assert_eq!(sqlite_url(Path::new("/data/tenantry.db")), "sqlite:///data/tenantry.db");
        assert_eq!(sqlite_url(Path::new("/a b?c%20/ä.db")), "sqlite:///a%20b%3Fc%2520/%C3%A4.db");
    }
}
