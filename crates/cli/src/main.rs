//! The one binary: runs the services, and asks them from a terminal. Knows their addresses and their configuration; no rule.

mod address;
mod ask;
mod audit;
mod audit_invariants;
mod config;
mod demo;
mod export;
mod import;
mod matrix;
mod roster;
mod rows;
mod serve;
mod table;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Organizations, roles, and who may do what: Tenantry's services and their command line.
#[derive(Parser)]
#[command(name = "tenantry", version, max_term_width = 110)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Run services: all three at one address, or some.
    Serve(serve::Serve),
    /// Ask whether a user may do something; exits with 0 for yes, 1 for no, 2 for conditional.
    Check(ask::Check),
    /// Ask why a user may or may not do something; exits as `check` does.
    Explain(ask::Explain),
    /// List who changed what.
    Audit(audit::Audit),
    /// Apply rows of organizations, users, role bindings and so on from files; exits with 1 if any was refused.
    Import(import::Import),
    /// Write everything, or an organization, as rows that `import` reads.
    Export(export::Export),
    /// List who participates in an organization, workspace or account, and by what.
    Roster(roster::Roster),
    /// List the workspaces that a user can access, across organizations.
    Workspaces(roster::Workspaces),
    /// List the customer organizations in which a user may do something.
    Customers(roster::Customers),
    /// Show what each role gives, of a role model or in an organization.
    Matrix(matrix::Matrix),
    /// Load the demo world: for each of the five role models an organization or agency with users for every role.
    Demo(demo::Demo),
    /// Look for violations of the invariants in all rows, for the platform; exits with 0 if there are none, 1 if there are.
    AuditInvariants(audit_invariants::AuditInvariants),
}

/// Exit codes beside those of `check`, after sysexits.h.
mod exit {
    /// The command line or the configuration is wrong; nothing was started.
    pub(crate) const USAGE: u8 = 64;
    /// A service could not be reached, or refused the call.
    pub(crate) const UNAVAILABLE: u8 = 69;
    /// Something that should not happen.
    pub(crate) const SOFTWARE: u8 = 70;
}

/// Why a command failed: what to print, and the exit code.
#[derive(Debug)]
struct Failure {
    message: String,
    code: u8,
}

impl Failure {
    fn usage(message: impl ToString) -> Self {
        Self { message: message.to_string(), code: exit::USAGE }
    }

    fn unavailable(message: impl ToString) -> Self {
        Self { message: message.to_string(), code: exit::UNAVAILABLE }
    }

    fn software(message: impl ToString) -> Self {
        Self { message: message.to_string(), code: exit::SOFTWARE }
    }
}

fn main() -> ExitCode {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => {
            // Help and version are asked for; anything else is a mistake.
            let code = if error.use_stderr() { exit::USAGE } else { 0 };
            let _ = error.print();
            return code.into();
        }
    };
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("tenantry: cannot start: {error}");
            return exit::SOFTWARE.into();
        }
    };
    let done = runtime.block_on(async {
        match arguments.command {
            Command::Serve(serve) => serve.run().await,
            Command::Check(check) => check.run().await,
            Command::Explain(explain) => explain.run().await,
            Command::Audit(audit) => audit.run().await,
            Command::Import(import) => import.run().await,
            Command::Export(export) => export.run().await,
            Command::Roster(roster) => roster.run().await,
            Command::Workspaces(workspaces) => workspaces.run().await,
            Command::Customers(customers) => customers.run().await,
            Command::Matrix(matrix) => matrix.run().await,
            Command::Demo(demo) => demo.run().await,
            Command::AuditInvariants(audit) => audit.run().await,
        }
    });
    match done {
        Ok(code) => code,
        Err(failure) => {
            eprintln!("tenantry: {}", failure.message);
            failure.code.into()
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn no_command_has_two_arguments_of_one_name_or_misses_what_it_refers_to() {
        Arguments::command().debug_assert();
    }
}
