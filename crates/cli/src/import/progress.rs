//! How far the import of a file has come: kept in a file beside it, with the report of the refused rows.

use std::{
    fs::{self, File, OpenOptions},
    io::{Read, Seek, SeekFrom, Write},
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use api::directory::v1::{ImportResponse, import_response::Outcome};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::Failure;

/// What is lost at most by a kill; the rows are then sent again, and are there already.
const SAVE_EVERY: Duration = Duration::from_secs(1);

/// What became of the rows so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Counts {
    pub(super) done: u64,
    pub(super) unchanged: u64,
    pub(super) refused: u64,
    pub(super) depends: u64,
}

impl Counts {
    pub(super) fn text(self, dry_run: bool) -> String {
        let Self { done, unchanged, refused, depends } = self;
        match dry_run {
            false => format!("{done} done, {unchanged} unchanged, {refused} refused"),
            true => {
                format!("{done} would be done, {unchanged} unchanged, {refused} refused, {depends} depend on others; nothing was written")
            }
        }
    }
}

/// What is written down.
#[derive(Debug, Default, PartialEq, Serialize, Deserialize)]
struct Checkpoint {
    /// Of the file, so that no other one is gone on with.
    sha256: String,
    /// The last row that was answered.
    row: u64,
    counts: Counts,
    /// How long the report was.
    report_bytes: u64,
}

pub(super) struct Progress {
    checkpoint: Checkpoint,
    path: Option<PathBuf>,
    report: csv::Writer<File>,
    report_path: PathBuf,
    saved: Instant,
}

impl Progress {
    /// Goes on where this very file was left, or begins.
    pub(super) fn open(file: &Path, report_path: PathBuf, path: Option<PathBuf>, restart: bool) -> Result<Self, Failure> {
        let sha256 = hash(file).map_err(|error| Failure::usage(format!("cannot read `{}`: {error}", file.display())))?;
        let kept = path.as_deref().filter(|_| !restart).map(read).transpose()?.flatten();
        let checkpoint = match kept {
            Some(kept) if kept.sha256 != sha256 => {
                return Err(Failure::usage(format!(
                    "`{}` has changed since its import was interrupted; import it from the beginning with `--restart`",
                    file.display()
                )));
            }
            Some(kept) => kept,
            None => Checkpoint { sha256, ..Checkpoint::default() },
        };
        let cannot = |error: std::io::Error| Failure::usage(format!("cannot write `{}`: {error}", report_path.display()));
        let mut report = OpenOptions::new().create(true).write(true).truncate(false).open(&report_path).map_err(cannot)?;
        // What was reported after the checkpoint is reported again.
        report.set_len(checkpoint.report_bytes).map_err(cannot)?;
        report.seek(SeekFrom::End(0)).map_err(cannot)?;
        let mut report = csv::Writer::from_writer(report);
        if checkpoint.report_bytes == 0 {
            report.write_record(["row", "name", "field", "reason", "message"]).map_err(Failure::software)?;
        }
        Ok(Self { checkpoint, path, report, report_path, saved: Instant::now() })
    }

    /// The last row that was answered.
    pub(super) fn row(&self) -> u64 {
        self.checkpoint.row
    }

    pub(super) fn answered(&mut self, answer: &ImportResponse) -> Result<(), Failure> {
        let counts = &mut self.checkpoint.counts;
        match answer.outcome() {
            Outcome::Done => counts.done += 1,
            Outcome::Unchanged => counts.unchanged += 1,
            Outcome::Depends => counts.depends += 1,
            Outcome::Refused | Outcome::Unspecified => {
                counts.refused += 1;
                let ImportResponse { number, name, field, reason, message, .. } = answer;
                self.report.write_record([&number.to_string(), name, field, reason, message]).map_err(Failure::software)?;
            }
        }
        self.checkpoint.row = answer.number;
        if self.saved.elapsed() >= SAVE_EVERY {
            self.save()?;
        }
        Ok(())
    }

    /// Writes down how far it has come: the report first, then the checkpoint that says how long it is, as a whole or not at all.
    pub(super) fn save(&mut self) -> Result<Counts, Failure> {
        self.report.flush().map_err(Failure::software)?;
        let report = self.report.get_ref();
        self.checkpoint.report_bytes = report.metadata().map_err(Failure::software)?.len();
        if let Some(path) = &self.path {
            report.sync_data().map_err(Failure::software)?;
            let mut next = path.clone().into_os_string();
            next.push(".next");
            let mut file = File::create(&next).map_err(Failure::software)?;
            serde_json::to_writer(&mut file, &self.checkpoint).map_err(Failure::software)?;
            file.flush().and_then(|()| file.sync_data()).map_err(Failure::software)?;
            fs::rename(&next, path).map_err(Failure::software)?;
        }
        self.saved = Instant::now();
        Ok(self.checkpoint.counts)
    }

    /// Every row was answered: nothing is to be gone on with. A report without rows is no report.
    pub(super) fn finish(mut self) -> Result<Counts, Failure> {
        let counts = self.save()?;
        if let Some(path) = &self.path {
            fs::remove_file(path).map_err(Failure::software)?;
        }
        if counts.refused == 0 {
            fs::remove_file(&self.report_path).map_err(Failure::software)?;
        }
        Ok(counts)
    }
}

fn read(path: &Path) -> Result<Option<Checkpoint>, Failure> {
    let text = match fs::read(path) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(Failure::usage(format!("cannot read `{}`: {error}", path.display()))),
    };
    let damaged = |error| Failure::usage(format!("`{}` is damaged ({error}); import from the beginning with `--restart`", path.display()));
    serde_json::from_slice(&text).map(Some).map_err(damaged)
}

fn hash(file: &Path) -> std::io::Result<String> {
    let mut file = File::open(file)?;
    let mut hash = Sha256::new();
    let mut buffer = vec![0; 64 * 1024];
    loop {
        let read = file.read(&mut buffer)?;
        let Some(bytes) = buffer.get(..read).filter(|bytes| !bytes.is_empty()) else { break };
        hash.update(bytes);
    }
    Ok(hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect())
}
