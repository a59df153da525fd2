//! Running installations of the real binary: as processes, on loopback, on free ports, each with a store of its own.

use std::{
    env,
    fs::File,
    io::{BufRead, BufReader},
    net::{Ipv4Addr, TcpListener},
    path::{Path, PathBuf},
    process::{Child, ChildStdout, Command, Stdio},
    sync::{OnceLock, mpsc},
    thread,
    time::{Duration, Instant},
};

use client::session::{Session, channel};
use sqlx::{Connection, PgConnection};
use tempfile::TempDir;

/// How long a process may take until it is ready, on a machine that is busy with other tests.
const READY_WITHIN: Duration = Duration::from_secs(60);
/// How long a process may take to end after it was told to.
const END_WITHIN: Duration = Duration::from_secs(30);
/// The user who acts for the platform.
pub const PLATFORM: &str = "users/platform";

/// The binary `tenantry`, built as these tests were.
pub fn binary() -> &'static Path {
    static BINARY: OnceLock<PathBuf> = OnceLock::new();
    BINARY.get_or_init(|| {
        // …/target/debug/deps/test-0123
        let test = env::current_exe().expect("the test's own path");
        let folder = test.parent().and_then(Path::parent).expect("a target folder");
        let mut build = Command::new(env!("CARGO"));
        build.args(["build", "--quiet", "--workspace", "--bin", "tenantry"]).current_dir(env!("CARGO_MANIFEST_DIR"));
        if folder.ends_with("release") {
            build.arg("--release");
        }
        build.env("CARGO_TARGET_DIR", folder.parent().expect("a target folder"));
        assert!(build.status().expect("cargo runs").success(), "`tenantry` does not build");
        folder.join("tenantry")
    })
}

/// A command of the binary, without what this process has in its environment about Tenantry.
pub fn tenantry() -> Command {
    let mut command = Command::new(binary());
    for (name, _) in env::vars_os() {
        if name.to_string_lossy().starts_with("TENANTRY_") {
            command.env_remove(name);
        }
    }
    command
}

/// A running `tenantry serve`. Killed when dropped.
pub struct Process {
    child: Child,
    log: PathBuf,
    /// `http://127.0.0.1:40123`.
    pub address: String,
}

impl Process {
    /// Starts `tenantry serve` with these arguments and waits until it says that it is ready. `log` gets its stderr.
    pub fn serve(arguments: &[&str], log: &Path) -> Result<Self, String> {
        let file = File::options().create(true).append(true).open(log).map_err(|error| error.to_string())?;
        let mut command = tenantry();
        command.arg("serve").args(arguments);
        // How long a call takes on a busy machine is not what any test is about.
        let settings = ["telemetry.log=info", "server.drain_pause_ms=0", "server.default_deadline_ms=60000"];
        command.args(settings.iter().flat_map(|setting| ["--set", setting]));
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(file).spawn().map_err(|error| error.to_string())?;
        let stdout = child.stdout.take().ok_or("no stdout")?;
        let mut process = Self { child, log: log.to_owned(), address: String::new() };
        match ready(stdout) {
            Some(address) => {
                process.address = address;
                Ok(process)
            }
            None => Err(format!("`tenantry serve {}` did not become ready:\n{}", arguments.join(" "), process.log())),
        }
    }

    /// What it has logged.
    pub fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// Ends it without warning, as `kill -9`.
    pub fn kill(mut self) {
        self.child.kill().expect("the process can be killed");
        self.child.wait().expect("the process ends");
    }

    /// Tells it to stop, and waits until it has; true if it ended in good order.
    pub fn stop(mut self) -> bool {
        let told = Command::new("kill").args(["-TERM", &self.child.id().to_string()]).status().expect("`kill` runs");
        assert!(told.success());
        let end = Instant::now() + END_WITHIN;
        while Instant::now() < end {
            if let Some(status) = self.child.try_wait().expect("the process can be waited for") {
                return status.success();
            }
            thread::sleep(Duration::from_millis(10));
        }
        false
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Reads until the line with the address; what comes later is read too, so that the process never waits for a reader.
fn ready(stdout: ChildStdout) -> Option<String> {
    let (say, said) = mpsc::channel();
    thread::spawn(move || {
        for line in BufReader::new(stdout).lines().map_while(Result::ok) {
            if let Some((_, address)) = line.split_once(" ready at ") {
                let _ = say.send(address.trim().to_owned());
            }
        }
    });
    said.recv_timeout(READY_WITHIN).ok()
}

/// Where an installation keeps its data.
pub enum Store {
    /// A folder.
    Sqlite,
    /// A database of its own in the cluster that `TENANTRY_TEST_POSTGRES_URL` names.
    Postgres(String),
}

impl Store {
    /// A new database. Panics with what to do where there is no PostgreSQL.
    pub async fn postgres() -> Self {
        let cluster = env::var("TENANTRY_TEST_POSTGRES_URL")
            .expect("TENANTRY_TEST_POSTGRES_URL is not set: run the tests with `make test`, or under `tests/with-postgres`");
        let name = format!("test_{}", uuid::Uuid::new_v4().simple());
        let mut connection = PgConnection::connect(&cluster).await.expect("the PostgreSQL of TENANTRY_TEST_POSTGRES_URL answers");
        // The name is ours and made of letters and digits.
        sqlx::query(sqlx::AssertSqlSafe(format!("CREATE DATABASE {name}")))
            .execute(&mut connection)
            .await
            .expect("a database can be created");
        let (server, _) = cluster.rsplit_once('/').expect("a URL with a database");
        Self::Postgres(format!("{server}/{name}"))
    }
}

/// Where an installation's database is.
#[derive(Clone, Debug)]
pub enum Place {
    /// This file.
    Sqlite(PathBuf),
    /// At this URL.
    Postgres(String),
}

/// Which services share a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Layout {
    /// All three.
    One,
    /// Directory and role catalog; authz alone.
    AuthzApart,
    /// Each alone. Not on SQLite.
    Three,
}

/// Running services and a session with them.
pub struct Installation {
    folder: TempDir,
    layout: Layout,
    store: Store,
    settings: Vec<String>,
    ports: [u16; 3],
    processes: Vec<Process>,
    session: Option<Session>,
}

/// A loopback port that nobody has right now.
fn free_port() -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
    listener.local_addr().expect("an address").port()
}

impl Installation {
    /// Starts one on a new store.
    pub fn start(layout: Layout, store: Store) -> Self {
        Self::start_with(layout, store, &[])
    }

    /// The same with other settings of the processes that have the store: `store.max_connections=64`.
    pub fn start_with(layout: Layout, store: Store, settings: &[&str]) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let settings = settings.iter().map(|setting| (*setting).to_owned()).collect();
        let mut installation = Self { folder, layout, store, settings, ports: [0; 3], processes: Vec::new(), session: None };
        // Services find each other by address, so ports are chosen first; somebody else may take one before it is bound.
        for attempt in 1.. {
            installation.ports = [free_port(), free_port(), free_port()];
            match installation.run() {
                Ok(()) => break,
                Err(message) if attempt == 5 => panic!("{message}"),
                Err(_) => installation.processes.clear(),
            }
        }
        installation
    }

    fn run(&mut self) -> Result<(), String> {
        let [directory, role_catalog, authz] = self.ports;
        let local = |port: u16| format!("127.0.0.1:{port}");
        let url = |port: u16| format!("http://127.0.0.1:{port}");
        let permits = format!("peers.authz={}", url(authz));
        let feed = format!("peers.feed={}", url(directory));
        let store = match &self.store {
            Store::Sqlite => format!("store.url=sqlite://{}", self.folder.path().join("tenantry.db").display()),
            Store::Postgres(url) => format!("store.url={url}"),
        };
        let mut keeping = vec!["--set", &store, "--set", "store.max_connections=12"];
        keeping.extend(self.settings.iter().flat_map(|setting| ["--set", setting]));
        let log = |name: &str| self.folder.path().join(format!("{name}.log"));
        let at_directory = local(directory);
        let at_catalog = local(role_catalog);
        let at_authz = local(authz);
        let mut serve = |arguments: &[&str], name: &str| Process::serve(arguments, &log(name)).map(|process| self.processes.push(process));
        let session = match self.layout {
            Layout::One => {
                serve(&[&["all", "--listen", &at_directory], &keeping[..]].concat(), "all")?;
                Session::at(&url(directory)).map_err(|error| error.to_string())?
            }
            Layout::AuthzApart => {
                keeping.extend(["--set", &permits]);
                serve(&[&["directory", "role-catalog", "--listen", &at_directory], &keeping[..]].concat(), "directory")?;
                serve(&["authz", "--listen", &at_authz, "--set", &feed], "authz")?;
                let writes = channel(&url(directory)).map_err(|error| error.to_string())?;
                Session::new(writes.clone(), writes, channel(&url(authz)).map_err(|error| error.to_string())?)
            }
            Layout::Three => {
                keeping.extend(["--set", &permits]);
                serve(&[&["directory", "--listen", &at_directory], &keeping[..]].concat(), "directory")?;
                serve(&[&["role-catalog", "--listen", &at_catalog], &keeping[..]].concat(), "role-catalog")?;
                serve(&["authz", "--listen", &at_authz, "--set", &feed], "authz")?;
                let to = |port: u16| channel(&url(port)).map_err(|error| error.to_string());
                Session::new(to(directory)?, to(role_catalog)?, to(authz)?)
            }
        };
        self.session = Some(session);
        Ok(())
    }

    /// A session on nobody's behalf.
    pub fn session(&self) -> Session {
        self.session.clone().expect("a running installation")
    }

    /// A session on a user's behalf.
    pub fn on_behalf_of(&self, user: &str) -> Session {
        self.session().on_behalf_of(user).expect("a user's name")
    }

    /// A session on behalf of the platform.
    pub fn platform(&self) -> Session {
        self.on_behalf_of(PLATFORM)
    }

    /// Where its database is.
    pub fn place(&self) -> Place {
        match &self.store {
            Store::Sqlite => Place::Sqlite(self.folder.path().join("tenantry.db")),
            Store::Postgres(url) => Place::Postgres(url.clone()),
        }
    }

    /// The first process' address: all services of [`Layout::One`].
    pub fn address(&self) -> &str {
        &self.processes[0].address
    }

    /// Every process' address.
    pub fn addresses(&self) -> Vec<String> {
        self.processes.iter().map(|process| process.address.clone()).collect()
    }

    /// Kills every process without warning.
    pub fn kill(&mut self) {
        for process in self.processes.drain(..) {
            process.kill();
        }
    }

    /// Kills the process at this index without warning.
    pub fn kill_one(&mut self, at: usize) {
        self.processes.remove(at).kill();
    }

    /// Tells every process to stop; true if all ended in good order.
    pub fn stop(&mut self) -> bool {
        // Every one is told, whatever the others did.
        let ended: Vec<bool> = self.processes.drain(..).rev().map(Process::stop).collect();
        ended.into_iter().all(|fine| fine)
    }

    /// Starts the processes again on the same store, at the same addresses.
    pub fn restart(&mut self) {
        self.processes.clear();
        self.run().expect("it starts again");
    }

    /// Where its files are: its logs, and its data on SQLite.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// What all processes have logged.
    pub fn log(&self) -> String {
        self.processes.iter().map(Process::log).collect()
    }
}
