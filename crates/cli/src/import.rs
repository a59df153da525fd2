//! `tenantry import`: files of rows, as often as it takes until each row was answered.

mod progress;

use std::{
    path::{Path, PathBuf},
    process::ExitCode,
    time::Duration,
};

use api::directory::v1::{ImportOptions, ImportRequest, ImportResponse, ImportRow, import_request::Message, import_response::Outcome};
use clap::Args;
use client::session::Session;
use indicatif::{ProgressBar, ProgressStyle};
use tokio::{
    sync::mpsc,
    time::{Instant, sleep},
};
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Code, Status};

use self::progress::{Counts, Progress};
use crate::{
    Failure,
    address::{Address, OnBehalfOf, refusal},
    rows::{Format, Line},
};

/// Rows that were read and not answered.
const AHEAD: usize = 2_000;
/// Between attempts.
const FIRST_PAUSE: Duration = Duration::from_millis(200);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);
/// Ended by Ctrl-C, as shells say it.
const INTERRUPTED: u8 = 130;

/// Applies files, one after the other. What was answered is remembered beside each file, so that the same command goes on where it was
/// interrupted; what was refused is reported beside it.
#[derive(Args)]
pub(crate) struct Import {
    /// NDJSON, a row a line: `{"user": {"name": "users/ann", "email": "ann@example.com"}}`; or CSV, one kind a file, with a heading: `users.csv` with
    /// `name,email,display_name,kind`, `organizations.csv` (`name,display_name,kind,website,location,parent,role_model`), `workspaces.csv`
    /// (`name,display_name`), `accounts.csv` (`name,display_name,workspace`), `members.csv` (`name`), `role_bindings.csv`
    /// (`name,principal,role,node,components,condition,expire_time,sponsor`), `groups.csv` (`name,display_name`), `group_members.csv` (`group,member`).
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// What a CSV file is of, if its name does not say it: `users`.
    #[arg(long, value_name = "KIND")]
    kind: Option<String>,
    /// Say what would become of each row, and change nothing.
    #[arg(long)]
    dry_run: bool,
    /// Begin again with the first row of each file.
    #[arg(long)]
    restart: bool,
    /// Where to report the refused rows of a file; left out: beside it, as `FILE.refused.csv`.
    #[arg(long, value_name = "FILE")]
    report: Option<PathBuf>,
    /// How long to try to reach the directory without getting any further.
    #[arg(long, default_value_t = 120, value_name = "SECONDS")]
    patience: u64,
    #[command(flatten)]
    who: OnBehalfOf,
    #[command(flatten)]
    address: Address,
}

/// How a file, or an attempt at it, ended.
enum Ended {
    /// Every row was answered.
    Whole,
    /// By Ctrl-C.
    Interrupted,
    /// The stream.
    Lost(Status),
}

impl Import {
    pub(crate) async fn run(self) -> Result<ExitCode, Failure> {
        if self.report.is_some() && self.files.len() > 1 {
            return Err(Failure::usage("`--report` is for one file; each of several has its own report beside it"));
        }
        let format = Format::new()?;
        let session = self.who.session(&self.address)?;
        let mut refused = 0;
        for file in &self.files {
            let (counts, ended) = self.import(&format, &session, file).await?;
            say(&format!("tenantry: {}: {}", file.display(), counts.text(self.dry_run)));
            refused += counts.refused;
            if matches!(ended, Ended::Interrupted) {
                say("tenantry: interrupted; the same command goes on from here");
                return Ok(INTERRUPTED.into());
            }
        }
        Ok(if refused > 0 { ExitCode::from(1) } else { ExitCode::SUCCESS })
    }

    async fn import(&self, format: &Format, session: &Session, file: &Path) -> Result<(Counts, Ended), Failure> {
        let report = self.report.clone().unwrap_or_else(|| beside(file, "refused.csv"));
        // A dry run leaves no trace for the real one.
        let checkpoint = (!self.dry_run).then(|| beside(file, "checkpoint"));
        let mut progress = Progress::open(file, report, checkpoint, self.restart)?;
        if progress.row() > 0 {
            say(&format!("tenantry: {}: going on after row {}", file.display(), progress.row()));
        }
        let size = file.metadata().map(|metadata| metadata.len()).unwrap_or_default();
        // Draws on a terminal only.
        let bar = ProgressBar::new(size).with_style(style()?);
        let (mut reached, mut pause, mut since) = (progress.row(), FIRST_PAUSE, Instant::now());
        let ended = loop {
            match self.attempt(format, session, file, &mut progress, &bar).await? {
                Ended::Lost(status) if !passes(&status) => {
                    progress.save()?;
                    return Err(refusal(&status, &self.address.of_directory()));
                }
                Ended::Lost(status) => {
                    progress.save()?;
                    if progress.row() > reached {
                        (reached, pause, since) = (progress.row(), FIRST_PAUSE, Instant::now());
                    }
                    if since.elapsed() > Duration::from_secs(self.patience) {
                        return Err(refusal(&status, &self.address.of_directory()));
                    }
                    bar.set_message("waiting for the directory");
                    tokio::select! {
                        () = sleep(pause) => {}
                        _ = tokio::signal::ctrl_c() => break Ended::Interrupted,
                    }
                    pause = (pause * 2).min(LONGEST_PAUSE);
                }
                ended => break ended,
            }
        };
        bar.finish_and_clear();
        let counts = match ended {
            Ended::Whole => progress.finish()?,
            Ended::Interrupted | Ended::Lost(_) => progress.save()?,
        };
        Ok((counts, ended))
    }

    /// One stream: rows from where the answers ended.
    async fn attempt(
        &self,
        format: &Format,
        session: &Session,
        file: &Path,
        progress: &mut Progress,
        bar: &ProgressBar,
    ) -> Result<Ended, Failure> {
        let lines = format.lines(file, self.kind.as_deref())?;
        let after = progress.row();
        let (requests, sending) = mpsc::channel(AHEAD);
        let (read, mut expected) = mpsc::channel(AHEAD);
        let options = ImportOptions { validate_only: self.dry_run };
        let _ = requests.send(ImportRequest { message: Some(Message::Options(options)) }).await;
        // Ends with the file, or when nobody wants the rows any more.
        let reading = tokio::task::spawn_blocking(move || send_rows(lines, after, &read, &requests));
        let answers = tokio::select! {
            answers = async { session.import().import(ReceiverStream::new(sending)).await } => answers,
            _ = tokio::signal::ctrl_c() => return Ok(Ended::Interrupted),
        };
        let mut answers = match answers {
            Ok(answers) => answers.into_inner(),
            Err(status) => return Ok(Ended::Lost(status)),
        };
        bar.set_message("");
        loop {
            let next = async {
                let Some(sent) = expected.recv().await else { return Ok(None) };
                let answer = match sent.unreadable {
                    Some(message) => ImportResponse {
                        number: sent.number,
                        outcome: Outcome::Refused.into(),
                        reason: "INVALID_FIELD".to_owned(),
                        message,
                        ..ImportResponse::default()
                    },
                    None => answers.message().await?.ok_or_else(|| Status::unavailable("the stream ended"))?,
                };
                if answer.number != sent.number {
                    return Err(Status::internal(format!("row {} was answered where {} was to be", answer.number, sent.number)));
                }
                Ok(Some((sent.end, answer)))
            };
            let next = tokio::select! {
                next = next => next,
                _ = tokio::signal::ctrl_c() => return Ok(Ended::Interrupted),
            };
            match next {
                Ok(Some((end, answer))) => {
                    bar.set_position(end);
                    progress.answered(&answer)?;
                }
                Ok(None) => return reading.await.map_err(Failure::software)?.map(|()| Ended::Whole),
                Err(status) => return Ok(Ended::Lost(status)),
            }
        }
    }
}

/// A row that is to be answered.
struct Sent {
    number: u64,
    end: u64,
    unreadable: Option<String>,
}

fn send_rows(
    lines: Box<dyn Iterator<Item = Result<Line, Failure>> + Send>,
    after: u64,
    read: &mpsc::Sender<Sent>,
    requests: &mpsc::Sender<ImportRequest>,
) -> Result<(), Failure> {
    for line in lines {
        let Line { number, end, row } = line?;
        if number <= after {
            continue;
        }
        let (row, unreadable): (Option<ImportRow>, _) = match row {
            Ok(row) => (Some(row), None),
            Err(message) => (None, Some(message)),
        };
        if read.blocking_send(Sent { number, end, unreadable }).is_err() {
            return Ok(());
        }
        let request = row.map(|row| ImportRequest { message: Some(Message::Row(row)) });
        if request.is_some_and(|request| requests.blocking_send(request).is_err()) {
            return Ok(());
        }
    }
    Ok(())
}

/// Whether another attempt may go better.
fn passes(status: &Status) -> bool {
    // The transport's own faults come as the last three.
    matches!(
        status.code(),
        Code::Unavailable
            | Code::DeadlineExceeded
            | Code::ResourceExhausted
            | Code::Aborted
            | Code::Unknown
            | Code::Cancelled
            | Code::Internal
    )
}

fn beside(file: &Path, extension: &str) -> PathBuf {
    let mut name = file.as_os_str().to_owned();
    name.push(".");
    name.push(extension);
    name.into()
}

fn style() -> Result<ProgressStyle, Failure> {
    ProgressStyle::with_template("{wide_bar} {percent:>3} %  {elapsed_precise}, {eta} left  {msg}").map_err(Failure::software)
}

fn say(text: &str) {
    eprintln!("{text}");
}
