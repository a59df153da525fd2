//! Access matrices: messages to values and back.

use api::rolecatalog::v1::{
    self as proto,
    access_matrix::{self as message, cell::Verdict},
};
use decision::{
    document::{ConditionUse, MapRule},
    matrix::{AccessMatrix, Cell, Column, Condition, Row},
    name::RoleName,
};
use prost::Message;
use service::{call::Call, fields::Fields};
use tonic::{Request, Status};

use super::{Parent, translate};
use crate::{
    role::{CustomRole, MAX_ROLES},
    role_model::Revision,
    status::Error,
};

/// Clients accept answers of 4 MiB.
const MAX_BYTES: usize = 4 * 1024 * 1024 - 64 * 1024;

/// Of what.
#[derive(Clone, Debug)]
pub(crate) struct Wanted {
    pub(crate) parent: Parent,
    pub(crate) model_revision: Option<u32>,
    /// Empty: all.
    pub(crate) roles: Vec<RoleName>,
}

pub(crate) fn read_get(request: &Request<proto::GetAccessMatrixRequest>) -> Result<(Call, Wanted), Status> {
    let call = Call::reading(request, "rolecatalog.v1.AccessMatrixService/GetAccessMatrix")?;
    let message = request.get_ref();
    let mut fields = Fields::default();
    let parent = fields.parse("parent", &message.parent, Parent::parse);
    let model_revision = Some(message.model_revision).filter(|number| *number > 0);
    if model_revision.is_some() && matches!(parent, Some(Parent::Organization(_))) {
        fields.wrong("model_revision", "is for role models only: an organization's tree is pinned to one; leave it out");
    }
    if message.roles.len() as u64 > MAX_ROLES {
        fields.wrong("roles", format!("has more than {MAX_ROLES} entries; ask for fewer"));
    }
    let mut roles = Vec::new();
    for (at, role) in message.roles.iter().take(MAX_ROLES as usize).enumerate() {
        let path = format!("roles[{at}]");
        let Some(name) = fields.parse(&path, role, RoleName::parse) else { continue };
        if roles.contains(&name) {
            fields.wrong(&path, "is there twice; leave one out");
        }
        roles.push(name);
    }
    let wanted = parent.map(|parent| Wanted { parent, model_revision, roles });
    Ok((call, fields.finish(wanted)?))
}

/// As it is answered.
pub(crate) fn write(revision: &Revision, customs: &[CustomRole], matrix: AccessMatrix, head: String) -> Result<proto::AccessMatrix, Error> {
    let title = |role: &RoleName| {
        let custom = customs.iter().find(|one| one.name.as_str() == role.as_str()).map(|one| (&one.title, true));
        let system = || revision.document.roles.iter().find(|one| one.id == role.id()).map(|one| (&one.title, false));
        custom.or_else(system).map_or((String::new(), false), |(title, custom)| (title.clone(), custom))
    };
    let columns = matrix.columns.into_iter().map(|Column { role, held_at, component_map }| {
        let (title, custom) = title(&role);
        message::Column { role: role.to_string(), title, held_at, custom, component_map: map_text(component_map).to_owned() }
    });
    let mut sections = Vec::new();
    for section in matrix.sections {
        let rows = section.rows.into_iter().map(|row| write_row(revision, row)).collect::<Result<_, _>>()?;
        sections.push(message::Section { id: section.id, title: section.title, rows });
    }
    Ok(proto::AccessMatrix {
        role_model: revision.name().to_string(),
        model_revision: revision.number,
        columns: columns.collect(),
        sections,
        revision: head,
    })
}

/// The same, if it can be answered.
pub(crate) fn fits(matrix: proto::AccessMatrix) -> Result<proto::AccessMatrix, Status> {
    if matrix.encoded_len() <= MAX_BYTES {
        return Ok(matrix);
    }
    Fields::one("roles", "the matrix is larger than an answer may be; ask for some of the roles")
}

fn write_row(revision: &Revision, row: Row) -> Result<message::Row, Error> {
    let cells = row.cells.into_iter().map(|cell| write_cell(revision, cell)).collect::<Result<_, _>>()?;
    Ok(message::Row { id: row.id, title: row.title, permissions: row.permissions, cells })
}

fn write_cell(revision: &Revision, cell: Cell) -> Result<message::Cell, Error> {
    let verdict = match &cell {
        Cell::Allow => Verdict::Allow,
        Cell::Conditional(_) => Verdict::Conditional,
        Cell::Deny => Verdict::Deny,
        Cell::None => Verdict::None,
        Cell::NotApplicable => Verdict::Na,
    };
    let conditions = match cell {
        Cell::Conditional(conditions) => conditions,
        Cell::Allow | Cell::Deny | Cell::None | Cell::NotApplicable => Vec::new(),
    };
    let conditions = conditions.into_iter().map(|one| write_condition(revision, one)).collect::<Result<_, _>>()?;
    Ok(message::Cell { verdict: verdict.into(), conditions })
}

fn write_condition(revision: &Revision, Condition { permission, condition }: Condition) -> Result<message::Condition, Error> {
    let title = |used: &ConditionUse| {
        let found = revision.document.conditions.iter().find(|one| one.id == used.id);
        found.map(|one| one.title.clone()).unwrap_or_default()
    };
    let title = title(&condition);
    let condition = translate(&condition).map_err(Error::Unwritable)?;
    Ok(message::Condition { permission, condition: Some(condition), title })
}

fn map_text(rule: MapRule) -> &'static str {
    match rule {
        MapRule::Forbidden => "forbidden",
        MapRule::Optional => "optional",
        MapRule::Required => "required",
    }
}
