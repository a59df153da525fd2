//! What the role catalog shows of roles: the list of an organization's, and its access matrix.

use std::collections::BTreeSet;

use api::rolecatalog::v1::{
    GetAccessMatrixRequest, ListRolesRequest, Role,
    access_matrix::{Cell, cell::Verdict},
};
use decision::{
    corpus::{Lines, RoleList, ShownMatrix},
    world::{node_name, user_name},
};
use tonic::Code;

use super::{Running, said, text};

/// So that there are several pages.
const PAGE: i32 = 2;

/// The list, page by page, in the order of the roles' names.
pub(super) async fn list(running: &Running, list: &RoleList) -> Result<Option<BTreeSet<String>>, String> {
    let session = running.installation.on_behalf_of(&user_name(&list.actor).map_err(text)?.to_string());
    let parent = node_name(&list.organization, None).map_err(text)?.to_string();
    let held_at = list.held_at.clone().unwrap_or_default();
    let mut request = ListRolesRequest { parent: parent.clone(), held_at, page_size: PAGE, ..Default::default() };
    let mut found: Vec<Role> = Vec::new();
    loop {
        let page = match session.roles().list_roles(request.clone()).await {
            Ok(page) => page.into_inner(),
            Err(status) if status.code() == Code::PermissionDenied => return Ok(None),
            Err(status) => return Err(said(status)),
        };
        found.extend(page.roles);
        if page.next_page_token.is_empty() {
            break;
        }
        request.page_token = page.next_page_token;
    }
    if !found.is_sorted_by(|one, next| one.name < next.name) {
        return Err("the roles are not in the order of their names".to_owned());
    }
    let short = |role: &Role| {
        let (owner, id) = role.name.split_once("/roles/").ok_or_else(|| format!("`{}` is no role", role.name))?;
        match (owner == parent, role.custom, &role.system) {
            (true, true, None) => Ok(format!("roles/{id}")),
            (false, false, Some(_)) => Ok(id.to_owned()),
            _ => Err(format!("`{}` says that it is another kind of role", role.name)),
        }
    };
    found.iter().map(short).collect::<Result<_, _>>().map(Some)
}

/// The matrix, in the shape in which it was published.
pub(super) async fn matrix(running: &Running, matrix: &ShownMatrix) -> Result<Lines, String> {
    let session = running.installation.on_behalf_of(&user_name(&matrix.actor).map_err(text)?.to_string());
    let parent = node_name(&matrix.organization, None).map_err(text)?.to_string();
    let request = GetAccessMatrixRequest { parent, ..Default::default() };
    let shown = session.access_matrices().get_access_matrix(request).await.map_err(said)?.into_inner();
    let roles = shown.columns.iter().map(|column| column.role.rsplit('/').next().unwrap_or_default().to_owned());
    let mut lines = vec![["section", "action"].map(str::to_owned).into_iter().chain(roles).collect::<Vec<_>>()];
    for section in shown.sections {
        for row in section.rows {
            let cells = row.cells.iter().map(word).collect();
            lines.push([vec![section.id.clone(), row.id], cells].concat());
        }
    }
    Ok(lines)
}

/// A conditional cell is ALLOW there (D3).
fn word(cell: &Cell) -> String {
    match cell.verdict() {
        Verdict::Allow | Verdict::Conditional => "ALLOW",
        Verdict::Deny => "DENY",
        Verdict::None => "NONE",
        Verdict::Na => "NA",
        Verdict::Unspecified => "",
    }
    .to_owned()
}
