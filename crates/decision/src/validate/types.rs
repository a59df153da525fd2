//! Types, their attributes, and components.

use super::{Findings, known::Known, listed};
use crate::{
    document::{Document, Level, TypeRule},
    name::{RESERVED_COLLECTIONS, is_collection, is_id, is_identifier},
    reserved::{self, CONTAINERS},
};

pub(super) fn check(document: &Document, _known: &Known<'_>, findings: &mut Findings) {
    findings.repeated("types", ".id", "type", document.types.iter().map(|rule| rule.id.as_str()));
    let leaves = || document.types.iter().filter(|rule| !CONTAINERS.contains(&rule.id.as_str()));
    for (index, rule) in document.types.iter().enumerate() {
        let at = format!("types[{index}]");
        if !is_id(&rule.id) && !is_identifier(&rule.id) {
            findings.report(format!("{at}.id"), format!("`{}` is not an id like `campaign`; use 1 to 63 of a-z, 0-9, - and _", rule.id));
        }
        if CONTAINERS.contains(&rule.id.as_str()) {
            container(&at, rule, findings);
        } else {
            leaf(&at, rule, findings);
            if leaves().take_while(|earlier| !std::ptr::eq(*earlier, rule)).any(|earlier| earlier.collection == rule.collection) {
                findings.report(
                    format!("{at}.collection"),
                    format!("another type already has the collection `{}`; choose another", rule.collection),
                );
            }
        }
        findings.repeated(&format!("{at}.attributes"), ".id", "attribute", rule.attributes.iter().map(|attribute| attribute.id.as_str()));
        for (n, attribute) in rule.attributes.iter().enumerate() {
            if !is_identifier(&attribute.id) {
                findings.report(
                    format!("{at}.attributes[{n}].id"),
                    format!("`{}` is not an id like `live`; begin with a letter, then a-z, 0-9 and _", attribute.id),
                );
            }
        }
    }
    components(document, findings);
}

fn container(at: &str, rule: &TypeRule, findings: &mut Findings) {
    if !rule.collection.is_empty() {
        findings.report(format!("{at}.collection"), format!("the collection of `{}` is fixed; leave it out", rule.id));
    }
    if !rule.parents.is_empty() {
        findings.report(format!("{at}.parents"), format!("the parents of `{}` are fixed; leave them out", rule.id));
    }
}

fn leaf(at: &str, rule: &TypeRule, findings: &mut Findings) {
    if !is_collection(&rule.collection) {
        findings.report(
            format!("{at}.collection"),
            format!("`{}` is not a collection like `campaigns`; begin with a small letter, then letters and digits", rule.collection),
        );
    } else if RESERVED_COLLECTIONS.contains(&rule.collection.as_str()) {
        findings.report(format!("{at}.collection"), format!("the collection `{}` is reserved; choose another", rule.collection));
    }
    if rule.parents.is_empty() {
        findings.report(format!("{at}.parents"), format!("`{}` has no parents; list some of {}", rule.id, listed(CONTAINERS)));
    }
    for (n, parent) in rule.parents.iter().enumerate() {
        if !CONTAINERS.contains(&parent.as_str()) {
            findings.report(
                format!("{at}.parents[{n}]"),
                format!("`{parent}` cannot be a parent, only containers can; use {}", listed(CONTAINERS)),
            );
        }
    }
    findings.repeated(&format!("{at}.parents"), "", "parent", rule.parents.iter().map(String::as_str));
}

fn components(document: &Document, findings: &mut Findings) {
    findings.repeated("components", ".id", "component", document.components.iter().map(|component| component.id.as_str()));
    for (index, component) in document.components.iter().enumerate() {
        let at = format!("components[{index}]");
        if !is_identifier(&component.id) {
            findings.report(
                format!("{at}.id"),
                format!("`{}` is not an id like `campaigns`; begin with a letter, then a-z, 0-9 and _", component.id),
            );
        }
        if reserved::is_component(&component.id) {
            findings.report(
                format!("{at}.id"),
                format!("`{}` is a reserved component, which every model has; leave it out or rename it", component.id),
            );
        }
        let levels = component.levels.as_slice();
        if !matches!(levels, [] | [Level::View] | [Level::Edit] | [Level::View, Level::Edit]) {
            findings
                .report(format!("{at}.levels"), "levels must be `view`, `edit` or both, `view` before `edit`; `none` need not be listed");
        }
    }
}
