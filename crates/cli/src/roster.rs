//! `tenantry roster`, `tenantry workspaces` and `tenantry customers`: pages of people and places, as tables or as CSV.

use std::{io::Write, process::ExitCode};

use api::directory::v1::{
    ExportParticipantsRequest, ExportUserCustomersRequest, ExportUserWorkspacesRequest, HeldRole, ListParticipantsRequest,
    ListUserCustomersRequest, ListUserWorkspacesRequest, Participant, Place, held_role::Source, participant::State,
};
use clap::Args;
use client::session::Session;
use tonic::{Status, Streaming};

use crate::{
    Failure,
    address::{Address, OnBehalfOf, refusal},
    ask::absolute,
    table::{print, table},
};

/// How many rows are asked for at once.
const PAGE: i32 = 500;

/// How to print, and whom to ask as.
#[derive(Args)]
struct Printing {
    /// As CSV (RFC 4180), instead of a table.
    #[arg(long)]
    csv: bool,
    #[command(flatten)]
    who: OnBehalfOf,
    #[command(flatten)]
    address: Address,
}

impl Printing {
    fn session(&self) -> Result<Session, Failure> {
        self.who.session(&self.address)
    }

    fn refused(&self, status: &Status) -> Failure {
        refusal(status, &self.address.of_directory())
    }

    /// Writes the parts of an export as they come.
    async fn copy<M>(&self, mut parts: Streaming<M>, csv: impl Fn(M) -> Vec<u8>) -> Result<ExitCode, Failure> {
        let mut out = std::io::stdout();
        while let Some(part) = parts.message().await.map_err(|status| self.refused(&status))? {
            if out.write_all(&csv(part)).is_err() {
                // Whoever reads has seen enough.
                return Ok(ExitCode::SUCCESS);
            }
        }
        let _ = out.flush();
        Ok(ExitCode::SUCCESS)
    }
}

/// Lists who participates in a node, and by what.
#[derive(Args)]
pub(crate) struct Roster {
    /// Where: `organizations/acme` or `acme`, `acme/workspaces/emea`, `acme/accounts/a1`.
    node: String,
    /// Only those whose name, or with an `@` whose e-mail address, begins like this.
    #[arg(long, value_name = "TEXT")]
    search: Option<String>,
    /// Only those who hold this role: `roleModels/m/roles/r` or `organizations/acme/roles/r`.
    #[arg(long, value_name = "ROLE")]
    role: Option<String>,
    /// Only those in this state: `active`, `suspended`, `guest` or `invited`.
    #[arg(long, value_name = "STATE", conflicts_with = "role")]
    state: Option<String>,
    /// Of an organization only those who participate in this workspace: `emea`.
    #[arg(long, value_name = "WORKSPACE")]
    workspace: Option<String>,
    #[command(flatten)]
    printing: Printing,
}

impl Roster {
    fn filter(&self, node: &str) -> String {
        let quoted = |text: &str| text.replace('\\', "\\\\").replace('"', "\\\"");
        let search = self.search.as_ref().map(|text| {
            let field = if text.contains('@') { "email" } else { "display_name" };
            format!("{field} = \"{}*\"", quoted(text))
        });
        let role = self.role.as_ref().map(|role| format!("role = \"{}\"", quoted(role)));
        let state = self.state.as_ref().map(|state| format!("state = \"STATE_{}\"", quoted(&state.to_uppercase())));
        let workspace = self.workspace.as_ref().map(|workspace| {
            let name =
                if workspace.contains('/') { absolute("organizations/", workspace) } else { format!("{node}/workspaces/{workspace}") };
            format!("workspace = \"{}\"", quoted(&name))
        });
        [workspace, role, state, search].into_iter().flatten().collect::<Vec<_>>().join(" AND ")
    }

    pub(crate) async fn run(self) -> Result<ExitCode, Failure> {
        let parent = absolute("organizations/", &self.node);
        let filter = self.filter(&parent);
        let (printing, mut rosters) = (&self.printing, self.printing.session()?.rosters());
        if printing.csv {
            let request = ExportParticipantsRequest { parent, filter, ..Default::default() };
            let parts = rosters.export_participants(request).await.map_err(|status| printing.refused(&status))?.into_inner();
            return printing.copy(parts, |part| part.csv).await;
        }
        let mut request = ListParticipantsRequest { parent, filter, page_size: PAGE, ..Default::default() };
        let mut rows = Vec::new();
        loop {
            let page = rosters.list_participants(request.clone()).await.map_err(|status| printing.refused(&status))?.into_inner();
            rows.extend(page.participants.iter().map(participant));
            if page.next_page_token.is_empty() {
                break;
            }
            request.page_token = page.next_page_token;
        }
        print(&table(["NAME", "E-MAIL", "STATE", "ORGANIZATION ROLE", "ROLES"], &rows));
        Ok(ExitCode::SUCCESS)
    }
}

/// Lists the workspaces that a user can access, across organizations.
#[derive(Args)]
pub(crate) struct Workspaces {
    /// Who: `users/ann` or `ann`.
    user: String,
    #[command(flatten)]
    printing: Printing,
}

impl Workspaces {
    pub(crate) async fn run(self) -> Result<ExitCode, Failure> {
        let user = absolute("users/", &self.user);
        let (printing, mut rosters) = (&self.printing, self.printing.session()?.rosters());
        if printing.csv {
            let parts = rosters.export_user_workspaces(ExportUserWorkspacesRequest { user }).await;
            return printing.copy(parts.map_err(|status| printing.refused(&status))?.into_inner(), |part| part.csv).await;
        }
        let mut request = ListUserWorkspacesRequest { user, page_size: PAGE, ..Default::default() };
        let mut rows = Vec::new();
        loop {
            let page = rosters.list_user_workspaces(request.clone()).await.map_err(|status| printing.refused(&status))?.into_inner();
            rows.extend(page.workspaces.iter().map(place));
            if page.next_page_token.is_empty() {
                break;
            }
            request.page_token = page.next_page_token;
        }
        print(&table(["WORKSPACE", "NAME", "ORGANIZATION", "ROLES"], &rows));
        Ok(ExitCode::SUCCESS)
    }
}

/// Lists the customers in which a user may do something.
#[derive(Args)]
pub(crate) struct Customers {
    /// Who: `users/ann` or `ann`.
    user: String,
    /// What they may do there.
    #[arg(long, value_name = "PERMISSION", default_value = "organization.get")]
    permission: String,
    #[command(flatten)]
    printing: Printing,
}

impl Customers {
    pub(crate) async fn run(self) -> Result<ExitCode, Failure> {
        let (user, permission) = (absolute("users/", &self.user), self.permission.clone());
        let (printing, mut rosters) = (&self.printing, self.printing.session()?.rosters());
        if printing.csv {
            let parts = rosters.export_user_customers(ExportUserCustomersRequest { user, permission }).await;
            return printing.copy(parts.map_err(|status| printing.refused(&status))?.into_inner(), |part| part.csv).await;
        }
        let mut request = ListUserCustomersRequest { user, permission, page_size: PAGE, ..Default::default() };
        let mut rows = Vec::new();
        loop {
            let page = rosters.list_user_customers(request.clone()).await.map_err(|status| printing.refused(&status))?.into_inner();
            rows.extend(page.customers.iter().map(place));
            if page.next_page_token.is_empty() {
                break;
            }
            request.page_token = page.next_page_token;
        }
        print(&table(["CUSTOMER", "NAME", "AGENCY", "ROLES"], &rows));
        Ok(ExitCode::SUCCESS)
    }
}

/// The last part of a name, which is what people know it by.
fn short(name: &str) -> &str {
    name.rsplit('/').next().unwrap_or(name)
}

fn held(role: &HeldRole) -> String {
    let how = match role.source() {
        Source::Direct | Source::Unspecified => String::new(),
        Source::Group => format!(" (group {})", short(&role.group)),
        Source::Sponsor => format!(" (by {})", short(&role.sponsor)),
        Source::Above => format!(" (from {})", short(&role.held_at)),
        Source::Implied => format!(" (as {})", short(&role.implied_by)),
        Source::Invitation => " (invited)".to_owned(),
    };
    format!("{} at {}{how}", short(&role.role), role.node.trim_start_matches("organizations/"))
}

fn roles(roles: &[HeldRole]) -> String {
    roles.iter().map(held).collect::<Vec<_>>().join("; ")
}

fn participant(row: &Participant) -> [String; 5] {
    let name = if row.display_name.is_empty() { &row.participant } else { &row.display_name };
    let state = match row.state() {
        State::Active if row.user_suspended => "suspended everywhere",
        State::Active => "active",
        State::Suspended => "suspended",
        State::Guest => "guest",
        State::Invited => "invited",
        State::Unspecified => "",
    };
    [name.clone(), row.email.clone(), state.to_owned(), short(&row.organization_role).to_owned(), roles(&row.roles)]
}

fn place(place: &Place) -> [String; 4] {
    let node = place.node.trim_start_matches("organizations/").to_owned();
    [node, place.display_name.clone(), place.organization_display_name.clone(), roles(&place.roles)]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_role_says_how_it_is_held() {
        let role = HeldRole {
            role: "roleModels/m/roles/admin".into(),
            node: "organizations/acme/workspaces/emea".into(),
            source: Source::Implied.into(),
            implied_by: "roleModels/m/roles/owner".into(),
            ..Default::default()
        };
        assert_eq!(held(&role), "admin at acme/workspaces/emea (as owner)");
    }
}
