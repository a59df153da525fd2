//! Rosters and pages of running services, against what a corpus expects of them.

use std::collections::BTreeSet;

use api::directory::v1::*;
use decision::{
    corpus::{RosterRole, RosterRow, WriteOutcome},
    world::{node_name, role_name, user_name},
};

use super::{Running, full, reason, said, text};

/// So that there are several.
const PAGE: i32 = 2;

/// A row: who, their organization role, and what they hold.
type Row = (String, String, BTreeSet<(String, String, String)>);

/// The roster of a node, as a list and as CSV.
pub(super) async fn roster(
    running: &Running,
    actor: &str,
    node: &str,
    search: &str,
    expect: &[RosterRow],
    refused: Option<&str>,
) -> Result<WriteOutcome, String> {
    let session = running.installation.on_behalf_of(actor);
    let parent = node_name(node, None).map_err(text)?;
    let organization = parent.organization();
    let model = running.world.model_of(organization.id()).ok_or("the world has no such organization")?;
    let filter = if search.is_empty() { String::new() } else { format!("display_name = \"{search}*\"") };
    let mut request = ListParticipantsRequest { parent: parent.to_string(), filter: filter.clone(), page_size: PAGE, ..Default::default() };
    let mut found: Vec<Row> = Vec::new();
    loop {
        let page = match session.rosters().list_participants(request.clone()).await {
            Ok(page) => page.into_inner(),
            Err(status) if refused == Some(reason(&status).as_str()) => return Ok(Ok(())),
            Err(status) => return Err(said(status)),
        };
        found.extend(page.participants.into_iter().map(|row| {
            let held = |role: &HeldRole| (role.role.clone(), role.node.clone(), word(role));
            (row.participant, row.organization_role, row.roles.iter().map(held).collect())
        }));
        if page.next_page_token.is_empty() {
            break;
        }
        request.page_token = page.next_page_token;
    }
    let name = |role: &str| role_name(role, model, &organization).map(|role| role.to_string()).map_err(text);
    let held = |held: &RosterRole| Ok::<_, String>((name(&held.role)?, full(&held.node), held.source.clone()));
    let mut expected: Vec<Row> = Vec::new();
    for row in expect {
        let organization_role = row.organization_role.as_deref().map(name).transpose()?.unwrap_or_default();
        let roles = row.roles.iter().map(held).collect::<Result<_, _>>()?;
        expected.push((user_name(&row.user).map_err(text)?.to_string(), organization_role, roles));
    }
    if found != expected || refused.is_some() {
        return Ok(Err(format!("the roster is {found:?}")));
    }
    let request = ExportParticipantsRequest { parent: parent.to_string(), filter, ..Default::default() };
    let mut parts = session.rosters().export_participants(request).await.map_err(said)?.into_inner();
    let mut csv = Vec::new();
    while let Some(part) = parts.message().await.map_err(said)? {
        csv.extend(part.csv);
    }
    let (participant, role, node, source) = ("participant", "role", "node", "source");
    let rows = cells(&csv, &[participant, "organization_role", role, node, source])?;
    let expected = expected.iter().flat_map(|(user, own, roles)| {
        roles.iter().map(move |(role, node, source)| [user, own, role, node, source].map(ToOwned::to_owned).to_vec())
    });
    Ok(same(rows, expected.collect()))
}

/// Where a user can go, as a list and as CSV.
pub(super) async fn places(
    running: &Running,
    user: &str,
    permission: Option<&str>,
    expect: &BTreeSet<String>,
) -> Result<WriteOutcome, String> {
    let rosters = || running.installation.platform().rosters();
    let user = user_name(user).map_err(text)?.to_string();
    let (mut found, mut page_token) = (BTreeSet::new(), String::new());
    loop {
        let (places, next) = match permission {
            None => {
                let request = ListUserWorkspacesRequest { user: user.clone(), page_size: PAGE, page_token };
                let page = rosters().list_user_workspaces(request).await.map_err(said)?.into_inner();
                (page.workspaces, page.next_page_token)
            }
            Some(permission) => {
                let permission = permission.to_owned();
                let request = ListUserCustomersRequest { user: user.clone(), permission, page_size: PAGE, page_token };
                let page = rosters().list_user_customers(request).await.map_err(said)?.into_inner();
                (page.customers, page.next_page_token)
            }
        };
        found.extend(places.into_iter().map(|place| place.node));
        if next.is_empty() {
            break;
        }
        page_token = next;
    }
    let expected: BTreeSet<String> = expect.iter().map(|name| full(name)).collect();
    if found != expected {
        return Ok(Err(format!("the places are {found:?}")));
    }
    let mut csv = Vec::new();
    match permission {
        None => {
            let mut parts = rosters().export_user_workspaces(ExportUserWorkspacesRequest { user }).await.map_err(said)?.into_inner();
            while let Some(part) = parts.message().await.map_err(said)? {
                csv.extend(part.csv);
            }
        }
        Some(permission) => {
            let request = ExportUserCustomersRequest { user, permission: permission.to_owned() };
            let mut parts = rosters().export_user_customers(request).await.map_err(said)?.into_inner();
            while let Some(part) = parts.message().await.map_err(said)? {
                csv.extend(part.csv);
            }
        }
    }
    Ok(same(cells(&csv, &["node"])?, expected.into_iter().map(|name| vec![name]).collect()))
}

fn word(role: &HeldRole) -> String {
    role.source().as_str_name().trim_start_matches("SOURCE_").to_lowercase()
}

/// Some columns of all rows of a CSV file with a header.
fn cells(csv: &[u8], columns: &[&str]) -> Result<BTreeSet<Vec<String>>, String> {
    let mut reader = csv::Reader::from_reader(csv);
    let header = reader.headers().map_err(text)?.clone();
    let places = columns.iter().map(|column| header.iter().position(|known| known == *column));
    let places: Vec<usize> = places.collect::<Option<_>>().ok_or_else(|| format!("the header is {header:?}"))?;
    let row = |record: csv::StringRecord| places.iter().map(|at| record.get(*at).unwrap_or_default().to_owned()).collect();
    reader.records().map(|record| record.map(row).map_err(text)).collect()
}

fn same(found: BTreeSet<Vec<String>>, expected: BTreeSet<Vec<String>>) -> WriteOutcome {
    if found == expected { Ok(()) } else { Err(format!("the CSV has {found:?}")) }
}
