//! What each role of a role model gives, as people read it: sections of actions by roles.
//!
//! A cell says what a role gives by itself, somewhere at or below the node that it is held at: not what gates, ceilings and component maps leave of it in one
//! place. That is a decision.

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

use crate::{
    containment::{ProposedRole, each_given},
    document::{self, ConditionUse, Document, MapRule},
    model::{Permission, PermissionIndex, RoleModel},
    name::RoleName,
    record::{CustomRole, OrganizationKind},
};

/// Sections of actions by roles.
#[derive(Clone, Debug, PartialEq)]
pub struct AccessMatrix {
    /// The roles, as they were asked for.
    pub columns: Vec<Column>,
    /// The sections that the kind of organization sees, in the order of the display.
    pub sections: Vec<Section>,
}

/// A role.
#[derive(Clone, Debug, PartialEq)]
pub struct Column {
    /// Its name.
    pub role: RoleName,
    /// The type of node that it is held at.
    pub held_at: String,
    /// Whether each binding cuts what it gives by a component map.
    pub component_map: MapRule,
}

/// A section.
#[derive(Clone, Debug, PartialEq)]
pub struct Section {
    /// Slug.
    pub id: String,
    /// What people call it.
    pub title: String,
    /// Its actions.
    pub rows: Vec<Row>,
}

/// An action.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    /// Slug.
    pub id: String,
    /// What people call it.
    pub title: String,
    /// The permissions that it stands for: it is given where all are.
    pub permissions: Vec<String>,
    /// One for each column.
    pub cells: Vec<Cell>,
}

/// Whether a role gives an action.
#[derive(Clone, Debug, PartialEq)]
pub enum Cell {
    /// It does.
    Allow,
    /// It does where, for each permission that is among these, one of its conditions holds.
    Conditional(Vec<Condition>),
    /// It does not, and the role model says so on purpose. There is no veto: another role may give it.
    Deny,
    /// It does not, or some of the action's permissions only.
    None,
    /// The action exists for nobody, or not for this kind of organization.
    NotApplicable,
}

/// A condition in a cell.
#[derive(Clone, Debug, PartialEq)]
pub struct Condition {
    /// The permission that is given under it.
    pub permission: String,
    /// Which, with its parameters.
    pub condition: ConditionUse,
}

/// A role that a matrix is to have.
#[derive(Clone, Copy, Debug)]
pub enum MatrixRole<'r> {
    /// One of the role model's, by its id.
    System(&'r str),
    /// One of an organization.
    Custom(&'r CustomRole),
}

/// The role model's own, in the order in which its display has them.
pub fn displayed(document: &Document) -> Vec<MatrixRole<'_>> {
    let all = document.roles.iter().map(|role| role.id.as_str());
    let listed = document.display.roles.iter().map(String::as_str);
    if document.display.roles.is_empty() { all.map(MatrixRole::System).collect() } else { listed.map(MatrixRole::System).collect() }
}

/// What a role gives: of each permission the conditions, one of which must hold; none: without any.
type Given = BTreeMap<PermissionIndex, Vec<ConditionUse>>;

impl AccessMatrix {
    /// Of some roles of a role model, as an organization of a kind sees it; without a kind, with all sections and permissions.
    pub fn of(model: &RoleModel, kind: Option<OrganizationKind>, roles: &[MatrixRole<'_>]) -> Self {
        let display = &model.document().display;
        let roles: Vec<(Column, Given, BTreeSet<&str>)> = roles
            .iter()
            .filter_map(|role| match role {
                MatrixRole::System(id) => {
                    let index = model.role(id)?;
                    let role = model.document().roles.get(usize::from(index))?;
                    let name = RoleName::system(model.id(), id)?;
                    let column = Column { role: name, held_at: role.held_at.clone(), component_map: role.component_map };
                    Some((column, given(model, kind, ProposedRole::System(index)), denied(display, id)))
                }
                MatrixRole::Custom(role) => {
                    let (name, held_at) = (role.name.clone(), role.held_at.clone());
                    let column = Column { role: name, held_at, component_map: model.custom_component_map() };
                    Some((column, given(model, kind, ProposedRole::Custom(role)), BTreeSet::new()))
                }
            })
            .collect();
        let row = |section: &document::Section, row: &document::Row| {
            let permissions: Vec<(PermissionIndex, &Permission)> = row
                .permissions
                .iter()
                .filter_map(|id| model.permission(id))
                .filter_map(|index| Some((index, model.permissions().get(usize::from(index))?)))
                .collect();
            let exists = permissions.iter().all(|(_, permission)| is_there(permission, kind));
            let slug = format!("{}/{}", section.id, row.id);
            let all = format!("{}/*", section.id);
            let cells = roles.iter().map(|(_, given, denied)| match cell(&permissions, given) {
                _ if !exists => Cell::NotApplicable,
                Cell::None if denied.contains(slug.as_str()) || denied.contains(all.as_str()) => Cell::Deny,
                cell => cell,
            });
            Row { id: row.id.clone(), title: row.title.clone(), permissions: row.permissions.clone(), cells: cells.collect() }
        };
        let sections = display.sections.iter().filter(|section| {
            kind.is_none_or(|kind| section.kinds.is_empty() || section.kinds.iter().any(|listed| listed == kind.as_str()))
        });
        let sections = sections.map(|section| Section {
            id: section.id.clone(),
            title: section.title.clone(),
            rows: section.rows.iter().map(|one| row(section, one)).collect(),
        });
        Self { sections: sections.collect(), columns: roles.iter().map(|(column, ..)| column.clone()).collect() }
    }
}

fn denied<'d>(display: &'d document::Display, role: &str) -> BTreeSet<&'d str> {
    display.denied.get(role).into_iter().flatten().map(String::as_str).collect()
}

fn is_there(permission: &Permission, kind: Option<OrganizationKind>) -> bool {
    !permission.nobody && kind.is_none_or(|kind| permission.is_for(kind))
}

fn cell(permissions: &[(PermissionIndex, &Permission)], given: &Given) -> Cell {
    let mut conditions = Vec::new();
    for (index, permission) in permissions {
        let Some(under) = given.get(index) else { return Cell::None };
        conditions.extend(under.iter().map(|condition| Condition { permission: permission.id.clone(), condition: condition.clone() }));
    }
    if conditions.is_empty() { Cell::Allow } else { Cell::Conditional(conditions) }
}

/// What a role gives, itself or by a permission that implies another, where both are there.
fn given(model: &RoleModel, kind: Option<OrganizationKind>, role: ProposedRole<'_>) -> Given {
    let mut given = Given::new();
    let permission = |index: PermissionIndex| model.permissions().get(usize::from(index)).filter(|one| is_there(one, kind));
    each_given(model, role, &mut |index, condition| {
        if permission(index).is_some() {
            add(&mut given, index, condition.map(std::slice::from_ref).unwrap_or_default());
        }
    });
    // Until nothing more comes of it: each round goes one implication further, and at most through all.
    for _ in model.permissions() {
        let before = given.clone();
        for (implied, index) in model.permissions().iter().zip(0..).filter(|(implied, _)| is_there(implied, kind)) {
            for implying in &implied.implied_by {
                if let Some(conditions) = before.get(implying) {
                    add(&mut given, index, conditions);
                }
            }
        }
        if given == before {
            break;
        }
    }
    given
}

/// One more way in which a permission is given: what is given without a condition needs none any more.
fn add(given: &mut Given, permission: PermissionIndex, conditions: &[ConditionUse]) {
    match given.get_mut(&permission) {
        None => drop(given.insert(permission, conditions.to_vec())),
        Some(known) if known.is_empty() => {}
        Some(known) if conditions.is_empty() => known.clear(),
        Some(known) => {
            for condition in conditions {
                if !known.contains(condition) {
                    known.push(condition.clone());
                }
            }
        }
    }
}
