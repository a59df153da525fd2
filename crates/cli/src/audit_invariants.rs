//! `tenantry audit-invariants`: what must never be, looked for in all rows.

use std::{io::Write as _, process::ExitCode};

use api::directory::v1::{AuditInvariantsRequest, InvariantViolation};
use clap::Args;

use crate::{
    Failure,
    address::{Address, OnBehalfOf, refusal},
};

/// Rows that are looked at in one call.
const PAGE: i32 = 1000;

/// Looks for violations.
#[derive(Args)]
pub(crate) struct AuditInvariants {
    #[command(flatten)]
    who: OnBehalfOf,
    #[command(flatten)]
    address: Address,
}

impl AuditInvariants {
    pub(crate) async fn run(self) -> Result<ExitCode, Failure> {
        let session = self.who.session(&self.address)?;
        let (mut found, mut examined) = (0, 0);
        let mut page_token = String::new();
        loop {
            let request = AuditInvariantsRequest { page_size: PAGE, page_token };
            let answer = session.invariants().audit_invariants(request).await;
            let answer = answer.map_err(|status| refusal(&status, &self.address.of_directory()))?.into_inner();
            found += answer.violations.len();
            examined += answer.examined;
            say(&answer.violations.iter().map(line).collect::<String>());
            page_token = answer.next_page_token;
            if page_token.is_empty() {
                break;
            }
        }
        match found {
            0 => say(&format!("no violations in {examined} rows\n")),
            1 => say(&format!("1 violation in {examined} rows\n")),
            more => say(&format!("{more} violations in {examined} rows\n")),
        }
        Ok(if found == 0 { ExitCode::SUCCESS } else { ExitCode::from(1) })
    }
}

/// Nobody may be reading any more; that is no reason to fail.
fn say(text: &str) {
    let _ = std::io::stdout().lock().write_all(text.as_bytes());
}

fn line(violation: &InvariantViolation) -> String {
    let kind = violation.kind().as_str_name().trim_start_matches("KIND_");
    format!("{kind}  {}: {}\n", violation.resource, violation.description)
}

#[cfg(test)]
mod tests {
    use api::directory::v1::invariant_violation::Kind;

    use super::*;

    #[test]
    fn a_violation_is_one_line() {
        let violation = InvariantViolation { kind: Kind::Seats.into(), resource: "organizations/acme".into(), description: "why".into() };
        assert_eq!(line(&violation), "SEATS  organizations/acme: why\n");
    }
}
