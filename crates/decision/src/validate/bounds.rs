//! How large a document may be: judged before anything that costs more than to count.

use super::Findings;
use crate::document::{Document, Grant};

/// Most entries of each of the document's lists.
const TYPES: usize = 128;
const COMPONENTS: usize = 256;
const PERMISSIONS: usize = 2048;
const CONDITIONS: usize = 256;
const ROLES: usize = 256;
const SECTIONS: usize = 128;
const ROWS: usize = 256;
/// Most grants of a role, and of all roles together.
const GRANTS: usize = 128;
const ALL_GRANTS: usize = 2048;
/// Most references of one entry: what it implies, requires, needs, lists of attributes and parameters.
const REFERENCES: usize = 100;
/// Most references of one list of permissions, and entries of a map of components.
const LONG_LIST: usize = 1024;
/// Most references in all lists together.
const ALL_REFERENCES: usize = 100_000;

/// Reports every list that is longer than it may be. Whether there is none.
pub(super) fn check(document: &Document, findings: &mut Findings) -> bool {
    let mut count = Count { findings, references: 0, within: true };
    count.list("types", document.types.len(), TYPES);
    count.list("components", document.components.len(), COMPONENTS);
    count.list("permissions", document.permissions.len(), PERMISSIONS);
    count.list("conditions", document.conditions.len(), CONDITIONS);
    count.list("roles", document.roles.len(), ROLES);
    count.list("display.sections", document.display.sections.len(), SECTIONS);
    count.list("display.roles", document.display.roles.len(), ROLES);
    count.list("display.denied", document.display.denied.len(), ROLES);
    if !count.within {
        return false;
    }
    entries(document, &mut count);
    let grants = document.roles.iter().map(|role| role.grants.len()).sum();
    count.list("roles", grants, ALL_GRANTS);
    if count.references > ALL_REFERENCES {
        let message =
            format!("{} references in all lists together are more than the {ALL_REFERENCES} that a role model may have", count.references);
        count.report("permissions", format!("{message}; shorten some lists"));
    }
    count.within
}

fn entries(document: &Document, count: &mut Count<'_>) {
    for (n, rule) in document.types.iter().enumerate() {
        count.of(|| format!("types[{n}].parents"), rule.parents.len(), REFERENCES);
        count.of(|| format!("types[{n}].attributes"), rule.attributes.len(), REFERENCES);
    }
    for (n, component) in document.components.iter().enumerate() {
        count.of(|| format!("components[{n}].levels"), component.levels.len(), REFERENCES);
    }
    for (n, permission) in document.permissions.iter().enumerate() {
        count.of(|| format!("permissions[{n}].types"), permission.types.len(), TYPES + 3);
        count.of(|| format!("permissions[{n}].kinds"), permission.kinds.len(), REFERENCES);
        count.of(|| format!("permissions[{n}].implies"), permission.implies.len(), REFERENCES);
        count.of(|| format!("permissions[{n}].needs.organization_has"), permission.needs.organization_has.len(), REFERENCES);
    }
    for (n, condition) in document.conditions.iter().enumerate() {
        count.of(|| format!("conditions[{n}].attributes"), condition.attributes.len(), REFERENCES);
        count.of(|| format!("conditions[{n}].parameters"), condition.parameters.len(), REFERENCES);
    }
    for (n, role) in document.roles.iter().enumerate() {
        count.of(|| format!("roles[{n}].principals"), role.principals.len(), REFERENCES);
        count.of(|| format!("roles[{n}].upward"), role.upward.len(), REFERENCES);
        count.of(|| format!("roles[{n}].implies"), role.implies.len(), REFERENCES);
        count.of(|| format!("roles[{n}].requires"), role.requires.len(), REFERENCES);
        count.of(|| format!("roles[{n}].grants"), role.grants.len(), GRANTS);
        for (m, grant) in role.grants.iter().enumerate() {
            grant_lists(&|| format!("roles[{n}].grants[{m}]"), grant, count);
        }
    }
    if let Some(custom) = &document.custom_roles {
        count.of(|| "custom_roles.held_at".to_owned(), custom.held_at.len(), TYPES + 3);
        count.of(|| "custom_roles.principals".to_owned(), custom.principals.len(), REFERENCES);
    }
    count.of(|| "membership.organization_roles".to_owned(), document.membership.organization_roles.len(), ROLES);
    for (n, section) in document.display.sections.iter().enumerate() {
        count.of(|| format!("display.sections[{n}].kinds"), section.kinds.len(), REFERENCES);
        count.of(|| format!("display.sections[{n}].rows"), section.rows.len(), ROWS);
        for (m, row) in section.rows.iter().enumerate() {
            count.of(|| format!("display.sections[{n}].rows[{m}].permissions"), row.permissions.len(), REFERENCES);
        }
    }
    for (role, rows) in &document.display.denied {
        count.of(|| format!("display.denied.{role}"), rows.len(), LONG_LIST);
    }
}

fn grant_lists(at: &dyn Fn() -> String, grant: &Grant, count: &mut Count<'_>) {
    count.of(|| format!("{}.permissions", at()), grant.permissions.len(), LONG_LIST);
    count.of(|| format!("{}.components", at()), grant.components.len(), LONG_LIST);
    count.of(|| format!("{}.types", at()), grant.types.len(), TYPES + 3);
    if let Some(everything) = &grant.everything {
        count.of(|| format!("{}.everything.except", at()), everything.except.len(), LONG_LIST);
    }
    if let Some(used) = &grant.condition {
        count.of(|| format!("{}.condition.params", at()), used.params.len(), REFERENCES);
    }
}

struct Count<'f> {
    findings: &'f mut Findings,
    references: usize,
    within: bool,
}

impl Count<'_> {
    fn report(&mut self, path: impl Into<String>, message: String) {
        self.within = false;
        self.findings.report(path, message);
    }

    fn list(&mut self, path: &str, length: usize, most: usize) {
        if length > most {
            self.report(path, format!("{length} entries are more than the {most} that a role model may have; split or merge some"));
        }
    }

    fn of(&mut self, path: impl FnOnce() -> String, length: usize, most: usize) {
        self.references += length;
        if length > most {
            self.report(path(), format!("{length} entries are more than the {most} that this list may have; leave some out"));
        }
    }
}
