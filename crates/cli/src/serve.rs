//! `tenantry serve`: one process with all three services, or some of them.

use std::{
    io::Write,
    path::{Path, PathBuf},
    process::ExitCode,
    time::Duration,
};

use api::feed::v1::feed_service_server::FeedServiceServer;
use authz::Authz;
use chassis::{Drain, Server, config::ServerConfig, identity::Identification, page::PageKey, server::Bound, signals, telemetry};
use clap::{Args, ValueEnum};
use client::{
    guard::Guard,
    session::{Session, channel},
};
use decision::name::UserName;
use directory::Directory;
use ledger::{Ledger, Retention, StoreConfig, feed::FeedServer};
use replica::{Clock, Replica};
use role_catalog::RoleCatalog;
use tokio::{sync::oneshot, task::JoinHandle};
use tonic::transport::Channel;

use crate::{
    Failure,
    config::{self, Config, Service},
    demo,
};

/// Expired bindings and partnerships count no more in any case; so often their records are ended too.
const SWEEP_EVERY: Duration = Duration::from_secs(10);
/// In which the configuration counts how long deleted nodes are kept.
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// What to run, and with which configuration.
#[derive(Args)]
pub(crate) struct Serve {
    /// The services of this process.
    #[arg(required = true, value_enum, value_name = "SERVICE")]
    services: Vec<Choice>,
    /// A configuration file, TOML or YAML; environment variables (TENANTRY_SERVER__LISTEN) and `--set` come before it.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Where SQLite keeps its file, unless `store.url` says otherwise; created if absent.
    #[arg(long, default_value = "data", value_name = "FOLDER")]
    data_dir: PathBuf,
    /// Short for `--set server.listen=…`; port 0 takes any free one.
    #[arg(long, value_name = "ADDRESS")]
    listen: Option<String>,
    /// One setting: `server.listen=127.0.0.1:50051`. May be repeated.
    #[arg(long = "set", value_name = "SECTION.KEY=VALUE")]
    overrides: Vec<String>,
    /// Also load the demo world, as `tenantry demo` does.
    #[arg(long)]
    demo: bool,
}

/// What can be asked for.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Choice {
    /// All three.
    All,
    /// Organizations, workspaces, accounts, users, role bindings.
    Directory,
    /// Role models and roles.
    RoleCatalog,
    /// Decisions.
    Authz,
}

fn chosen(choices: &[Choice]) -> Vec<Service> {
    let asked = |choice: Choice| choices.contains(&Choice::All) || choices.contains(&choice);
    [(Choice::Directory, Service::Directory), (Choice::RoleCatalog, Service::RoleCatalog), (Choice::Authz, Service::Authz)]
        .into_iter()
        .filter_map(|(choice, service)| asked(choice).then_some(service))
        .collect()
}

/// The name of the process in traces: that of its service, if it has one only.
fn process_name(services: &[Service]) -> &'static str {
    match services {
        [Service::Directory] => "tenantry-directory",
        [Service::RoleCatalog] => "tenantry-role-catalog",
        [Service::Authz] => "tenantry-authz",
        _ => "tenantry",
    }
}

impl Serve {
    pub(crate) async fn run(self) -> Result<ExitCode, Failure> {
        let services = chosen(&self.services);
        let mut overrides = self.overrides.clone();
        overrides.extend(self.listen.as_ref().map(|listen| format!("server.listen={listen}")));
        let config = config::read(self.config.as_deref(), &overrides, &services, &self.data_dir)?;
        if self.demo && services.len() < 3 {
            return Err(Failure::usage("`--demo` needs all three services in this process; else start them and run `tenantry demo`"));
        }
        let telemetry = telemetry::init(&config.telemetry, process_name(&services)).map_err(Failure::usage)?;
        let served = serve(&config, &services, self.demo).await;
        telemetry.shutdown().await;
        served.map(|()| ExitCode::SUCCESS)
    }
}

async fn serve(config: &Config, services: &[Service], with_demo: bool) -> Result<(), Failure> {
    let shutdown = signals::shutdown().map_err(Failure::software)?;
    let drain = Drain::new();
    let (inside, inside_channel) = Server::in_memory(inside_limits(&config.server), Identification::new(&config.identity));
    let outside = Server::new(config.server.clone(), Identification::new(&config.identity)).with_drain(drain.clone());
    // Before the store: without the address nothing is created, nor another version's tables changed.
    let outside = outside.listen().await.map_err(Failure::usage)?;

    let parts = Parts::open(config, services, &inside_channel, &drain).await?;
    let inside = parts.add_to(inside).bind().await.map_err(Failure::usage)?;
    let loaded = outside.readiness().wait_for("loaded");
    let outside = parts.add_to(outside);
    let readiness = outside.readiness();
    let outside = outside.bind().await.map_err(Failure::usage)?;
    let address = outside.address().map(|address| format!("http://{address}")).unwrap_or_default();

    // The services speak to each other by this one; it ends after the one that the world speaks to.
    let (end_inside, inside_ends) = oneshot::channel::<()>();
    let inside = spawn(inside, async move {
        let _ = inside_ends.await;
    });
    let (end_outside, outside_ends) = oneshot::channel::<()>();
    let outside = spawn(outside, async move {
        let _ = outside_ends.await;
    });

    let session = Session::new(inside_channel.clone(), inside_channel.clone(), inside_channel);
    let run = async {
        parts.ship_role_models().await?;
        parts.loaded().await;
        loaded.set(true);
        readiness.ready().await;
        if with_demo {
            let platform = session.on_behalf_of(&config.identity.platform_actor).map_err(Failure::usage)?;
            demo::load_all(&platform, &address).await?;
        }
        announce(&address, services, config, with_demo);
        parts.stopped().await
    };
    let outcome = tokio::select! {
        outcome = run => outcome,
        () = shutdown => Ok(()),
    };
    let _ = end_outside.send(());
    let _ = outside.await;
    let ledger = parts.ledger.clone();
    drop(parts);
    let _ = end_inside.send(());
    let _ = inside.await;
    if let Some(ledger) = ledger {
        ledger.close().await;
    }
    outcome
}

/// Between services of one process there is nobody to notice that it drains, and no reason to refuse.
fn inside_limits(config: &ServerConfig) -> ServerConfig {
    ServerConfig {
        drain_pause_ms: 0,
        drain_ms: 1_000,
        max_calls: 100_000,
        max_streams: 10_000,
        max_calls_per_connection: 10_000,
        reflection: false,
        ..config.clone()
    }
}

fn spawn(server: Bound, end: impl Future<Output = ()> + Send + 'static) -> JoinHandle<()> {
    tokio::spawn(server.serve(end))
}

/// The services of this process and what they stand on.
struct Parts {
    ledger: Option<Ledger>,
    feed: Option<FeedServer>,
    directory: Option<Directory>,
    role_catalog: Option<RoleCatalog>,
    replica: Option<Replica>,
    authz: Option<Authz>,
    background: Vec<JoinHandle<()>>,
}

impl Drop for Parts {
    fn drop(&mut self) {
        for task in &self.background {
            task.abort();
        }
    }
}

impl Parts {
    async fn open(config: &Config, services: &[Service], inside: &Channel, drain: &Drain) -> Result<Self, Failure> {
        let runs = |service: Service| services.contains(&service);
        let peer = |address: &Option<String>| match address {
            Some(address) => channel(address).map_err(Failure::usage),
            None => Ok(inside.clone()),
        };
        let mut parts =
            Self { ledger: None, feed: None, directory: None, role_catalog: None, replica: None, authz: None, background: Vec::new() };
        if runs(Service::Directory) || runs(Service::RoleCatalog) {
            let ledger = open_ledger(config).await?;
            let permits = if runs(Service::Authz) { inside.clone() } else { peer(&config.peers.authz)? };
            let pages = PageKey::new(ledger.secret("page-tokens").await.map_err(Failure::unavailable)?);
            if runs(Service::Directory) {
                let guard = Guard::new(permits.clone(), "services/directory");
                let directory = Directory::open(ledger.clone(), guard, pages.clone()).await.map_err(Failure::unavailable)?;
                let directory = directory.with_retention(DAY * config.directory.purge_after_days).until(drain.token());
                let (sweeping, until) = (directory.clone(), drain.token());
                parts.background.push(tokio::spawn(async move { sweeping.sweep_every(SWEEP_EVERY, until).await }));
                parts.directory = Some(directory);
            }
            if runs(Service::RoleCatalog) {
                let guard = Guard::new(permits, "services/role-catalog");
                parts.role_catalog = Some(RoleCatalog::open(ledger.clone(), guard, pages).await.map_err(Failure::unavailable)?);
            }
            let retained = ledger.clone();
            let token = drain.token();
            parts.background.push(tokio::spawn(async move { retained.keep_retention(token).await }));
            parts.feed = Some(FeedServer::new(ledger.clone(), drain.token()));
            parts.ledger = Some(ledger);
        }
        if runs(Service::Authz) {
            let feed = if parts.feed.is_some() { inside.clone() } else { peer(&config.peers.feed)? };
            let settings = replica::Settings {
                max_staleness: Duration::from_millis(config.authz.max_staleness_ms),
                ..replica::Settings::named("services/authz")
            };
            let replica = Replica::start(feed, Clock::system(), settings);
            let platform_actor = UserName::parse(&config.identity.platform_actor).map_err(Failure::usage)?;
            parts.authz = Some(Authz::new(replica.clone(), authz::Settings { platform_actor }));
            parts.replica = Some(replica);
        }
        Ok(parts)
    }

    fn add_to(&self, mut server: Server) -> Server {
        if let Some(feed) = &self.feed {
            server = server.add_service(FeedServiceServer::new(feed.clone()));
        }
        if let Some(directory) = &self.directory {
            server = directory.add_to(server);
        }
        if let Some(role_catalog) = &self.role_catalog {
            server = role_catalog.add_to(server);
        }
        if let Some(authz) = &self.authz {
            server = authz.add_to(server);
        }
        server
    }

    async fn ship_role_models(&self) -> Result<(), Failure> {
        match &self.role_catalog {
            Some(role_catalog) => role_catalog.ship_role_models().await.map_err(Failure::unavailable),
            None => Ok(()),
        }
    }

    async fn loaded(&self) {
        if let Some(replica) = &self.replica {
            replica.loaded().await;
        }
    }

    /// Ends only with a failure: what the replica read cannot be decided by.
    async fn stopped(&self) -> Result<(), Failure> {
        match &self.replica {
            Some(replica) => Err(Failure::software(replica.stopped().await)),
            None => std::future::pending().await,
        }
    }
}

async fn open_ledger(config: &Config) -> Result<Ledger, Failure> {
    let url = config.store.url.clone().unwrap_or_default();
    if let Some(folder) = config.store.file.as_deref().and_then(Path::parent) {
        std::fs::create_dir_all(folder).map_err(|error| Failure::usage(format!("cannot create `{}`: {error}", folder.display())))?;
    }
    let audit_age = Duration::from_secs(u64::from(config.store.audit_retention_days) * 24 * 3600);
    let retention = Retention { audit_age, ..Retention::default() };
    let store = StoreConfig { max_connections: config.store.max_connections, retention, ..StoreConfig::new(url) };
    Ledger::open(store).await.map_err(Failure::unavailable)
}

/// What a person who starts it wants to know: where it is, and what to try.
fn announce(address: &str, services: &[Service], config: &Config, with_demo: bool) {
    let names: Vec<&str> = services
        .iter()
        .map(|service| match service {
            Service::Directory => "directory",
            Service::RoleCatalog => "role-catalog",
            Service::Authz => "authz",
        })
        .collect();
    let mut text = format!("tenantry: {} ready at {address}\n", names.join(", "));
    if let Some(file) = &config.store.file {
        text.push_str(&format!("tenantry: data in {}\n", file.display()));
    } else if let Some(file) = config.store.url.as_deref().and_then(|url| url.strip_prefix("sqlite://")) {
        text.push_str(&format!("tenantry: data in {file}\n"));
    }
    if with_demo {
        text.push_str(&demo::commands(address));
    }
    // Nobody may be reading any more; that is no reason to stop.
    let mut out = std::io::stdout().lock();
    let _ = out.write_all(text.as_bytes());
    let _ = out.flush();
}
