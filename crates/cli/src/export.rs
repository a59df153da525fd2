//! `tenantry export`: rows that `tenantry import` reads.

use std::{
    io::{BufWriter, Error, ErrorKind, Write as _},
    process::ExitCode,
};

use api::directory::v1::ExportRequest;
use clap::Args;

use crate::{
    Failure,
    address::{Address, OnBehalfOf, refusal},
    ask::absolute,
    rows::Format,
};

/// Writes NDJSON to standard output.
#[derive(Args)]
pub(crate) struct Export {
    /// Of an organization: `organizations/acme` or `acme`; left out: everything.
    organization: Option<String>,
    #[command(flatten)]
    who: OnBehalfOf,
    #[command(flatten)]
    address: Address,
}

impl Export {
    pub(crate) async fn run(self) -> Result<ExitCode, Failure> {
        let format = Format::new()?;
        let parent = self.organization.as_deref().map(|name| absolute("organizations/", name)).unwrap_or_default();
        let refused = |status| refusal(&status, &self.address.of_directory());
        let mut rows = self.who.session(&self.address)?.import().export(ExportRequest { parent }).await.map_err(refused)?.into_inner();
        let mut out = BufWriter::new(std::io::stdout().lock());
        while let Some(answer) = rows.message().await.map_err(refused)? {
            let Some(mut row) = answer.row else { continue };
            row.number = 0;
            // A cut-off export must not look like a whole one, but to who reads no further.
            match writeln!(out, "{}", format.write(&row)?) {
                Err(error) if has_left(&error) => return Ok(ExitCode::SUCCESS),
                written => written.map_err(Failure::software)?,
            }
        }
        match out.flush() {
            Err(error) if !has_left(&error) => Err(Failure::software(error)),
            Ok(()) | Err(_) => Ok(ExitCode::SUCCESS),
        }
    }
}

/// Whoever reads has seen enough.
fn has_left(error: &Error) -> bool {
    error.kind() == ErrorKind::BrokenPipe
}
