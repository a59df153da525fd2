//! Named conditions, and what is given where they are used.

use std::collections::BTreeMap;

use super::{Findings, known::Known};
use crate::{
    condition,
    document::{Condition, ConditionUse, Document, ValueType},
    name::{is_id, is_identifier},
    reserved::CONTAINERS,
};

pub(super) fn check(document: &Document, known: &Known<'_>, findings: &mut Findings) {
    findings.repeated("conditions", ".id", "condition", document.conditions.iter().map(|condition| condition.id.as_str()));
    for (index, condition) in document.conditions.iter().enumerate() {
        let at = format!("conditions[{index}]");
        if !is_id(&condition.id) {
            findings.report(format!("{at}.id"), format!("`{}` is not an id like `not-live`; use 1 to 63 of a-z, 0-9 and -", condition.id));
        }
        findings.repeated(&format!("{at}.parameters"), ".id", "parameter", condition.parameters.iter().map(|p| p.id.as_str()));
        for (n, parameter) in condition.parameters.iter().enumerate() {
            if !is_identifier(&parameter.id) {
                findings.report(
                    format!("{at}.parameters[{n}].id"),
                    format!("`{}` is not an id like `most`; begin with a letter, then a-z, 0-9 and _", parameter.id),
                );
            }
        }
        attributes(&at, condition, known, findings);
        expression(&at, condition, known, findings);
    }
}

fn attributes(at: &str, condition: &Condition, known: &Known<'_>, findings: &mut Findings) {
    findings.repeated(&format!("{at}.attributes"), ".id", "attribute", condition.attributes.iter().map(|attribute| attribute.id.as_str()));
    for (n, attribute) in condition.attributes.iter().enumerate() {
        let declared = known.attributes(&attribute.id);
        let Some((first_type, first)) = declared.first() else {
            findings.unknown(format!("{at}.attributes[{n}].id"), "attribute", &attribute.id, known.attribute_names());
            continue;
        };
        if let Some((other_type, _)) = declared.iter().find(|(_, other)| other.value_type != first.value_type) {
            findings.report(
                format!("{at}.attributes[{n}].id"),
                format!("`{}` is of another type in `{first_type}` than in `{other_type}`; rename one of them", attribute.id),
            );
        } else if attribute.default.as_ref().is_some_and(|default| !is_of(default, first.value_type)) {
            findings.report(
                format!("{at}.attributes[{n}].default"),
                format!("the default of `{}` must be {}", attribute.id, noun(first.value_type)),
            );
        }
    }
}

fn expression(at: &str, condition: &Condition, known: &Known<'_>, findings: &mut Findings) {
    // Defaults were judged by the attributes' types; here they only stand for those, as far as they are known.
    let mut typed = condition.clone();
    for attribute in &mut typed.attributes {
        attribute.default = known.attributes(&attribute.id).first().map(|(_, declared)| match declared.value_type {
            ValueType::String => "".into(),
            ValueType::Bool => false.into(),
            ValueType::Int => 0.into(),
            ValueType::StringList => serde_json::Value::Array(Vec::new()),
        });
    }
    for message in condition::Condition::compile(&typed).err().into_iter().flatten() {
        findings.report(format!("{at}.expression"), message);
    }
}

/// A condition in use at `at`, for a grant that gives something on `types`.
pub(super) fn used<'d>(
    at: &str,
    used: &ConditionUse,
    types: impl IntoIterator<Item = &'d str>,
    known: &Known<'_>,
    findings: &mut Findings,
) {
    let Some(condition) = known.conditions.get(used.id.as_str()) else {
        return findings.unknown(format!("{at}.id"), "condition", &used.id, known.conditions.keys().copied());
    };
    let parameters: BTreeMap<&str, ValueType> = condition.parameters.iter().map(|p| (p.id.as_str(), p.value_type)).collect();
    for (id, value) in &used.params {
        match parameters.get(id.as_str()) {
            None => findings.unknown(format!("{at}.params.{id}"), "parameter", id, parameters.keys().copied()),
            Some(value_type) if !is_of(value, *value_type) => {
                findings.report(format!("{at}.params.{id}"), format!("the parameter `{id}` must be {}", noun(*value_type)));
            }
            Some(_) => {}
        }
    }
    for id in parameters.keys().filter(|id| !used.params.contains_key(**id)) {
        findings.report(format!("{at}.params"), format!("the condition `{}` needs the parameter `{id}`; give it", used.id));
    }
    for node_type in types {
        let has = |attribute: &str| known.attributes(attribute).iter().any(|(id, _)| *id == node_type);
        for attribute in condition.attributes.iter().filter(|attribute| attribute.default.is_none() && !has(&attribute.id)) {
            let advice = if CONTAINERS.contains(&node_type) { "limit the grant's `types`" } else { "declare it there" };
            findings.report(
                at,
                format!(
                    "the grant applies to `{node_type}`, which has no attribute `{}` that the condition `{}` reads; {advice}, or give it a default",
                    attribute.id, used.id
                ),
            );
        }
    }
}

fn is_of(value: &serde_json::Value, value_type: ValueType) -> bool {
    match value_type {
        ValueType::String => value.is_string(),
        ValueType::Bool => value.is_boolean(),
        ValueType::Int => value.is_i64(),
        ValueType::StringList => value.as_array().is_some_and(|list| list.iter().all(serde_json::Value::is_string)),
    }
}

fn noun(value_type: ValueType) -> &'static str {
    match value_type {
        ValueType::String => "a string",
        ValueType::Bool => "true or false",
        ValueType::Int => "a whole number of 64 bits",
        ValueType::StringList => "a list of strings",
    }
}
