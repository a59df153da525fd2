//! Sections, rows and columns that people are shown.

use std::collections::{BTreeMap, BTreeSet};

use super::{Findings, known::Known};
use crate::{document::Document, name::is_id};

pub(super) fn check(document: &Document, known: &Known<'_>, findings: &mut Findings) {
    let display = &document.display;
    findings.repeated("display.sections", ".id", "section", display.sections.iter().map(|section| section.id.as_str()));
    for (index, section) in display.sections.iter().enumerate() {
        let at = format!("display.sections[{index}]");
        slug(&at, &section.id, findings);
        findings.kinds(&format!("{at}.kinds"), &section.kinds);
        findings.repeated(&format!("{at}.rows"), ".id", "row", section.rows.iter().map(|row| row.id.as_str()));
        for (n, row) in section.rows.iter().enumerate() {
            let at = format!("{at}.rows[{n}]");
            slug(&at, &row.id, findings);
            if row.permissions.is_empty() {
                findings.report(format!("{at}.permissions"), format!("the row `{}` stands for nothing; list its permissions", row.id));
            }
            for (n, id) in row.permissions.iter().enumerate() {
                if !known.permissions.contains_key(id.as_str()) {
                    findings.unknown(format!("{at}.permissions[{n}]"), "permission", id, known.permission_names());
                }
            }
        }
    }
    findings.repeated("display.roles", "", "role", display.roles.iter().map(String::as_str));
    for (n, id) in display.roles.iter().enumerate() {
        if !known.roles.contains_key(id.as_str()) {
            findings.unknown(format!("display.roles[{n}]"), "role", id, known.role_names());
        }
    }
    let shown: BTreeMap<&str, BTreeSet<&str>> =
        display.sections.iter().map(|section| (section.id.as_str(), section.rows.iter().map(|row| row.id.as_str()).collect())).collect();
    for (role, rows) in &display.denied {
        let at = format!("display.denied.{role}");
        if !known.roles.contains_key(role.as_str()) {
            findings.unknown(at.as_str(), "role", role, known.role_names());
        }
        for (n, row) in rows.iter().enumerate() {
            denied_row(&format!("{at}[{n}]"), row, &shown, findings);
        }
    }
}

fn slug(at: &str, id: &str, findings: &mut Findings) {
    if !is_id(id) {
        findings.report(format!("{at}.id"), format!("`{id}` is not a slug like `run-test`; use 1 to 63 of a-z, 0-9 and -"));
    }
}

/// `section/row` or `section/*`.
fn denied_row(at: &str, denied: &str, shown: &BTreeMap<&str, BTreeSet<&str>>, findings: &mut Findings) {
    let Some((section, row)) = denied.split_once('/') else {
        return findings.report(at, format!("`{denied}` is not a row; write `section/row`, or `section/*` for all of a section"));
    };
    let Some(rows) = shown.get(section) else {
        return findings.unknown(at, "section", section, shown.keys().copied());
    };
    if row != "*" && !rows.contains(row) {
        findings.unknown(at, "row", row, rows.iter().copied());
    }
}
