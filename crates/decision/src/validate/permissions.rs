//! Permissions: what they belong to, apply to, need and imply.

use super::{
    Findings,
    circles::circles,
    known::{Known, ORGANIZATION, component_of},
};
use crate::{
    document::{Document, Level, Permission},
    name::is_identifier,
    reserved,
};

pub(super) fn check(document: &Document, known: &Known<'_>, findings: &mut Findings) {
    findings.repeated("permissions", ".id", "permission", document.permissions.iter().map(|permission| permission.id.as_str()));
    for (index, permission) in document.permissions.iter().enumerate() {
        let at = format!("permissions[{index}]");
        let well_formed =
            permission.id.split_once('.').is_some_and(|(component, action)| is_identifier(component) && is_identifier(action));
        if well_formed {
            component(&at, permission, known, findings);
        } else {
            findings.report(
                format!("{at}.id"),
                format!("`{}` is not a permission like `campaigns.run_actual`; write its component, a dot and its action", permission.id),
            );
        }
        types(&at, permission, known, findings);
        findings.kinds(&format!("{at}.kinds"), &permission.kinds);
        needs(&at, permission, known, findings);
        implies(&at, permission, known, findings);
    }
    let edges: Vec<(&str, Vec<&str>)> =
        document.permissions.iter().map(|p| (p.id.as_str(), p.implies.iter().map(String::as_str).collect())).collect();
    for (index, way) in circles(&edges) {
        findings.report(format!("permissions[{index}].implies"), format!("permissions imply each other in a circle: {way}; take one out"));
    }
}

fn component(at: &str, permission: &Permission, known: &Known<'_>, findings: &mut Findings) {
    if let Some(reserved) = reserved::permission(&permission.id) {
        // `edit` is also what a level left out reads as, so it cannot be told from one that was not given.
        if permission.level != reserved.level && permission.level != Level::default() {
            findings
                .report(format!("{at}.level"), format!("the level of the reserved permission `{}` is fixed; leave it out", permission.id));
        }
        return;
    }
    let (component, level) = (component_of(&permission.id), permission.level);
    if !known.has_component(component) {
        findings.unknown(format!("{at}.id"), "component", component, known.component_names());
    } else if !known.levels(component).contains(&level) {
        findings.report(
            format!("{at}.level"),
            format!("the component `{component}` has no level `{}`; use one of its levels or add it there", word(level)),
        );
    }
}

fn types(at: &str, permission: &Permission, known: &Known<'_>, findings: &mut Findings) {
    if permission.types.is_empty() && reserved::permission(&permission.id).is_none() {
        findings
            .report(format!("{at}.types"), format!("`{}` applies to nothing; list the types of node that it applies to", permission.id));
    }
    for (n, id) in permission.types.iter().enumerate() {
        if !known.types.contains_key(id.as_str()) {
            findings.unknown(format!("{at}.types[{n}]"), "type", id, known.type_names());
        }
    }
    findings.repeated(&format!("{at}.types"), "", "type", permission.types.iter().map(String::as_str));
}

fn needs(at: &str, permission: &Permission, known: &Known<'_>, findings: &mut Findings) {
    let list = &permission.needs.organization_has;
    for (n, id) in list.iter().enumerate() {
        let at = format!("{at}.needs.organization_has[{n}]");
        match known.roles.get(id.as_str()) {
            None => findings.unknown(at, "role", id, known.role_names()),
            Some(role) if role.held_at != ORGANIZATION => {
                findings.report(at, format!("`{id}` is not held at organizations; name roles that are"));
            }
            Some(_) => {}
        }
    }
    findings.repeated(&format!("{at}.needs.organization_has"), "", "role", list.iter().map(String::as_str));
}

fn implies(at: &str, permission: &Permission, known: &Known<'_>, findings: &mut Findings) {
    let Some(own) = known.permissions.get(permission.id.as_str()) else { return };
    for (n, id) in permission.implies.iter().enumerate() {
        let at = format!("{at}.implies[{n}]");
        match known.permissions.get(id.as_str()) {
            None => findings.unknown(at, "permission", id, known.permission_names()),
            Some(implied) if implied.nobody => {
                findings.report(at, format!("`{id}` exists for nobody, so nothing can give it; leave it out"));
            }
            Some(implied) if implied.types.intersect(own.types).is_empty() => findings.report(
                at,
                format!("`{id}` applies to no type that `{}` applies to, so it would never be given; leave it out", permission.id),
            ),
            Some(_) => {}
        }
    }
    findings.repeated(&format!("{at}.implies"), "", "permission", permission.implies.iter().map(String::as_str));
}

/// The word in documents.
pub(super) fn word(level: Level) -> &'static str {
    match level {
        Level::None => "none",
        Level::View => "view",
        Level::Edit => "edit",
    }
}
