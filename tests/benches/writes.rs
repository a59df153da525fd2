//! What a durable write costs beside its transaction: 64 writers over 1,000 trees create accounts through the service, and the same transaction is
//! played to the same PostgreSQL with nothing in between, in turns, through pools of the same size.
//!
//! The transaction is not written down here: it is recorded. A proxy before the database keeps what the service's writing connection sends, from its first byte;
//! what it sent for its second write, with other names of the same length in it, is what is played. `make bench-writes` runs it.

use std::{
    env,
    io::{Error, ErrorKind},
    net::Ipv4Addr,
    process::ExitCode,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use api::directory::v1::*;
use client::session::Session;
use tests::installation::{Installation, Layout, Store};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::{Mutex as Lane, mpsc},
    task::JoinSet,
};

const TREES: usize = 1000;
const WRITERS: usize = 64;
/// Connections that the service writes by, and that the transaction is played by.
const POOL: usize = 12;
const ROUNDS: usize = 5;
const ROUND: Duration = Duration::from_secs(5);
/// The share of the bare transaction's rate that is wanted (DESIGN §9).
const GOAL: f64 = 0.5;

fn tree(number: usize) -> String {
    format!("t{number:06}")
}

/// Seven characters, never the same twice.
fn fresh(numbers: &AtomicUsize, letter: char) -> String {
    format!("{letter}{:06}", numbers.fetch_add(1, Ordering::Relaxed))
}

fn account(tree: &str, id: &str) -> CreateAccountRequest {
    CreateAccountRequest {
        parent: format!("organizations/{tree}"),
        account_id: id.to_owned(),
        account: Some(Account { display_name: "An account".into(), ..Default::default() }),
        ..Default::default()
    }
}

// The recording.

/// What clients have sent, by connection.
type Recorded = Arc<Mutex<Vec<Vec<u8>>>>;

/// Passes everything on to a database, and keeps what clients send.
async fn recorder(database: String) -> (u16, Recorded) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a port");
    let port = listener.local_addr().expect("an address").port();
    let recorded = Recorded::default();
    let kept = recorded.clone();
    tokio::spawn(async move {
        while let Ok((client, _)) = listener.accept().await {
            let server = TcpStream::connect(&database).await.expect("the database");
            let at = {
                let mut kept = kept.lock().expect("nobody panics");
                kept.push(Vec::new());
                kept.len() - 1
            };
            let kept = kept.clone();
            tokio::spawn(async move {
                let (mut from_client, mut to_client) = client.into_split();
                let (mut from_server, mut to_server) = server.into_split();
                let back = tokio::spawn(async move { tokio::io::copy(&mut from_server, &mut to_client).await });
                let mut buffer = vec![0; 64 * 1024];
                while let Ok(read) = from_client.read(&mut buffer).await {
                    if read == 0 || to_server.write_all(&buffer[..read]).await.is_err() {
                        break;
                    }
                    kept.lock().expect("nobody panics")[at].extend_from_slice(&buffer[..read]);
                }
                back.abort();
            });
        }
    });
    (port, recorded)
}

/// A message of a client: its type (0 for the first of all, which has none) and where it ends.
fn message(bytes: &[u8], first: bool) -> Option<(u8, usize)> {
    let (kind, at) = if first { (0, 0) } else { (*bytes.first()?, 1) };
    let length = u32::from_be_bytes(bytes.get(at..at + 4)?.try_into().ok()?);
    Some((kind, at + usize::try_from(length).ok()?))
}

/// What is sent before an answer is waited for.
type Exchange = Vec<u8>;

/// A connection's beginning, then one transaction after the other.
struct Script {
    start: Vec<Exchange>,
    transactions: Vec<Vec<Exchange>>,
}

fn script(mut bytes: &[u8]) -> Script {
    const ASKS_FOR_TLS: &[u8] = &[0, 0, 0, 8, 4, 210, 22, 47];
    let mut script = Script { start: Vec::new(), transactions: Vec::new() };
    let (mut exchange, mut first, mut inside) = (Vec::new(), true, false);
    // A client first asks whether it may speak TLS here; it may not, and whoever plays this does not ask.
    bytes = bytes.strip_prefix(ASKS_FOR_TLS).unwrap_or(bytes);
    while let Some((kind, end)) = message(bytes, first)
        && let Some(whole) = bytes.get(..end)
    {
        exchange.extend_from_slice(whole);
        // A sync and a plain query end an exchange; so does the first message, as nobody wants a password here.
        if matches!(kind, b'S' | b'Q') || first {
            let text = String::from_utf8_lossy(&exchange).into_owned();
            if kind == b'Q' && text.contains("BEGIN") {
                script.transactions.push(Vec::new());
                inside = true;
            }
            let whole = std::mem::take(&mut exchange);
            match script.transactions.last_mut() {
                Some(transaction) if inside => transaction.push(whole),
                // A ping, between transactions.
                Some(_) => {}
                None => script.start.push(whole),
            }
            if kind == b'Q' && (text.contains("COMMIT") || text.contains("ROLLBACK")) {
                inside = false;
            }
        }
        bytes = &bytes[end..];
        first = false;
    }
    script
}

/// The script of the connection that wrote these, and which of its transactions did.
struct Recording {
    script: Script,
    warm: usize,
    played: usize,
    of: (String, String),
}

fn contains(exchanges: &[Exchange], text: &str) -> bool {
    exchanges.iter().any(|bytes| bytes.windows(text.len()).any(|window| window == text.as_bytes()))
}

async fn record(url: &str) -> Recording {
    let (server, database) = url.trim_start_matches("postgres://").rsplit_once('/').expect("a URL with a database");
    let (user, address) = server.split_once('@').unwrap_or(("postgres", server));
    let (port, recorded) = recorder(address.to_owned()).await;
    let through = Store::Postgres(format!("postgres://{user}@127.0.0.1:{port}/{database}"));
    let installation = Installation::start_with(Layout::One, through, &["store.max_connections=1"]);
    let platform = installation.platform();
    let (trees, accounts) = ([tree(1), tree(2)], ["r000001", "r000002"]);
    for (tree, account_id) in trees.iter().zip(accounts) {
        platform.accounts().create_account(account(tree, account_id)).await.expect("a write to record");
    }
    drop(installation);
    let connections = recorded.lock().expect("nobody panics").clone();
    let scripts = connections.iter().map(|bytes| script(bytes));
    let named = |script: &Script, id: &str| script.transactions.iter().position(|exchanges| contains(exchanges, id));
    let (script, warm, played) = scripts
        .filter_map(|script| Some((named(&script, accounts[0])?, named(&script, accounts[1])?, script)))
        .map(|(a, b, s)| (s, a, b))
        .next()
        .expect("a connection that wrote both");
    Recording { script, warm, played, of: (trees[1].clone(), accounts[1].to_owned()) }
}

// The playing.

/// A connection that the transaction is played by.
struct Player {
    stream: TcpStream,
    answer: Vec<u8>,
}

impl Player {
    /// Begins as the recorded connection began, up to and with the first write, under a name of its own.
    async fn start(recording: &Recording, address: &str, account: &str) -> Self {
        let stream = TcpStream::connect(address).await.expect("the database");
        stream.set_nodelay(true).expect("an option");
        let mut player = Self { stream, answer: Vec::new() };
        for exchange in &recording.script.start {
            player.exchange(exchange).await.expect("a beginning");
        }
        for exchange in &recording.script.transactions[recording.warm] {
            player.exchange(&renamed(exchange, &[("r000001", account)])).await.expect("a first write");
        }
        player
    }

    /// Sends, and waits until the server is ready for more.
    async fn exchange(&mut self, bytes: &[u8]) -> Result<(), Error> {
        self.stream.write_all(bytes).await?;
        let mut failed = None;
        loop {
            let mut at = 0;
            while let Some((kind, end)) = message(&self.answer[at..], false) {
                if self.answer.len() < at + end {
                    break;
                }
                if kind == b'E' {
                    failed = Some(String::from_utf8_lossy(&self.answer[at..at + end]).into_owned());
                }
                at += end;
                if kind == b'Z' {
                    self.answer.drain(..at);
                    return failed.map_or(Ok(()), |text| Err(Error::other(text)));
                }
            }
            self.answer.drain(..at);
            let mut buffer = [0; 16 * 1024];
            let read = self.stream.read(&mut buffer).await?;
            if read == 0 {
                return Err(Error::from(ErrorKind::UnexpectedEof));
            }
            self.answer.extend_from_slice(&buffer[..read]);
        }
    }

    async fn play(&mut self, exchanges: &[Exchange], names: &[(&str, &str)]) -> Result<(), Error> {
        for exchange in exchanges {
            if let Err(error) = self.exchange(&renamed(exchange, names)).await {
                let mut rollback = vec![b'Q'];
                rollback.extend_from_slice(&13_u32.to_be_bytes());
                rollback.extend_from_slice(b"ROLLBACK\0");
                self.exchange(&rollback).await?;
                return Err(error);
            }
        }
        Ok(())
    }
}

/// With other names of the same length.
fn renamed(bytes: &[u8], names: &[(&str, &str)]) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    for (from, to) in names {
        assert_eq!(from.len(), to.len());
        let (from, to) = (from.as_bytes(), to.as_bytes());
        let mut at = 0;
        while at + from.len() <= bytes.len() {
            if bytes[at..].starts_with(from) {
                bytes[at..at + to.len()].copy_from_slice(to);
                at += to.len();
            } else {
                at += 1;
            }
        }
    }
    bytes
}

// The rounds.

#[derive(Default)]
struct Count {
    done: usize,
    refused: usize,
    times: Vec<Duration>,
}

impl Count {
    fn add(&mut self, other: Self) {
        self.done += other.done;
        self.refused += other.refused;
        self.times.extend(other.times);
    }

    fn rate(&self) -> f64 {
        self.done as f64 / ROUND.as_secs_f64()
    }

    fn percentile(&mut self, share: f64) -> f64 {
        self.times.sort();
        let at = (self.times.len() as f64 * share) as usize;
        self.times.get(at.min(self.times.len().saturating_sub(1))).map_or(0.0, |time| time.as_secs_f64() * 1000.0)
    }
}

/// Somewhere among the trees, not the same for two writers at a time.
fn next_tree(writer: usize, step: usize) -> String {
    tree((writer * 15 + step * 7919) % TREES)
}

async fn through_the_service(platform: &Session, numbers: &Arc<AtomicUsize>) -> Count {
    let mut writers = JoinSet::new();
    let until = Instant::now() + ROUND;
    for writer in 0..WRITERS {
        let (platform, numbers) = (platform.clone(), numbers.clone());
        writers.spawn(async move {
            let mut count = Count::default();
            for step in 0.. {
                let began = Instant::now();
                if began >= until {
                    break;
                }
                let request = account(&next_tree(writer, step), &fresh(&numbers, 'a'));
                match platform.accounts().create_account(request).await {
                    Ok(_) => count.done += 1,
                    Err(_) => count.refused += 1,
                }
                count.times.push(began.elapsed());
            }
            count
        });
    }
    let mut all = Count::default();
    writers.join_all().await.into_iter().for_each(|count| all.add(count));
    all
}

async fn with_nothing_between(recording: &Arc<Recording>, pool: &Pool, numbers: &Arc<AtomicUsize>) -> Count {
    let mut writers = JoinSet::new();
    let until = Instant::now() + ROUND;
    for writer in 0..WRITERS {
        let (recording, pool, numbers) = (recording.clone(), pool.clone(), numbers.clone());
        writers.spawn(async move {
            let mut count = Count::default();
            for step in 0.. {
                let began = Instant::now();
                if began >= until {
                    break;
                }
                let mut player = pool.take().await;
                let (tree, account) = (next_tree(writer, step), fresh(&numbers, 'b'));
                let names = [(recording.of.0.as_str(), tree.as_str()), (recording.of.1.as_str(), account.as_str())];
                match player.play(&recording.script.transactions[recording.played], &names).await {
                    Ok(()) => count.done += 1,
                    Err(_) => count.refused += 1,
                }
                pool.give_back(player);
                count.times.push(began.elapsed());
            }
            count
        });
    }
    let mut all = Count::default();
    writers.join_all().await.into_iter().for_each(|count| all.add(count));
    all
}

/// Connections, first come, first served.
#[derive(Clone)]
struct Pool {
    back: mpsc::UnboundedSender<Player>,
    idle: Arc<Lane<mpsc::UnboundedReceiver<Player>>>,
}

impl Pool {
    fn new() -> Self {
        let (back, idle) = mpsc::unbounded_channel();
        Self { back, idle: Arc::new(Lane::new(idle)) }
    }

    async fn take(&self) -> Player {
        self.idle.lock().await.recv().await.expect("a connection")
    }

    fn give_back(&self, player: Player) {
        let _ = self.back.send(player);
    }
}

async fn bench() -> ExitCode {
    let Store::Postgres(url) = Store::postgres().await else { unreachable!("it is PostgreSQL") };
    let pool_size = format!("store.max_connections={POOL}");
    let start = || Installation::start_with(Layout::One, Store::Postgres(url.clone()), &[&pool_size]);
    let installation = start();
    let platform = installation.platform();
    println!("making {TREES} trees");
    for number in 0..TREES {
        // No role of this model is required, so that an organization needs nobody.
        let organization = Organization { display_name: tree(number), role_model: "roleModels/agency".into(), ..Default::default() };
        let request = CreateOrganizationRequest { organization_id: tree(number), organization: Some(organization), ..Default::default() };
        platform.organizations().create_organization(request).await.expect("a tree");
    }
    drop(installation);

    let recording = Arc::new(record(&url).await);
    let played = &recording.script.transactions[recording.played];
    println!("the transaction: {} round trips, {} bytes sent", played.len(), played.iter().map(Vec::len).sum::<usize>());
    if env::var_os("TENANTRY_BENCH_SHOW").is_some() {
        for exchange in &recording.script.transactions[recording.warm] {
            let text: String = String::from_utf8_lossy(exchange).chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
            println!("  {}", text.chars().take(300).collect::<String>());
        }
    }
    let address = url.split('@').nth(1).and_then(|rest| rest.split('/').next()).expect("an address").to_owned();

    let installation = start();
    let platform = installation.platform();
    let numbers = Arc::new(AtomicUsize::new(0));
    let pool = Pool::new();
    for _ in 0..POOL {
        pool.give_back(Player::start(&recording, &address, &fresh(&numbers, 'b')).await);
    }
    // Everything is warm before anything counts.
    through_the_service(&platform, &numbers).await;
    with_nothing_between(&recording, &pool, &numbers).await;

    let (mut rates, mut bare_rates, mut ratios) = (Vec::new(), Vec::new(), Vec::new());
    for round in 1..=ROUNDS {
        let mut service = through_the_service(&platform, &numbers).await;
        let mut bare = with_nothing_between(&recording, &pool, &numbers).await;
        let ratio = service.rate() / bare.rate();
        println!(
            "round {round}: service {:7.0}/s (p50 {:.1} ms, p99 {:.1} ms, {} refused)   bare {:7.0}/s (p50 {:.1} ms, p99 {:.1} ms, {} refused)   {:.0} %",
            service.rate(),
            service.percentile(0.5),
            service.percentile(0.99),
            service.refused,
            bare.rate(),
            bare.percentile(0.5),
            bare.percentile(0.99),
            bare.refused,
            ratio * 100.0
        );
        rates.push(service.rate());
        bare_rates.push(bare.rate());
        ratios.push(ratio);
    }
    // Of the rounds: one after the other has the machine in one state, so a ratio is of one round.
    let [ours, peer, ratio] = [rates, bare_rates, ratios].map(|mut values| {
        values.sort_by(f64::total_cmp);
        values[ROUNDS / 2]
    });
    let met = ratio >= GOAL;
    println!("name             ours    peer  unit      ratio  goal  met");
    println!("durable writes {ours:6.0}  {peer:6.0}  writes/s   {ratio:.2}  {GOAL:.2}  {}", if met { "yes" } else { "no" });
    if met { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn main() -> ExitCode {
    // `cargo test` builds and runs benchmarks too, unoptimized, to see that they work; that is not worth a minute.
    if !env::args().any(|argument| argument == "--bench") {
        return ExitCode::SUCCESS;
    }
    tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime").block_on(bench())
}
