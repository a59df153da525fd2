//! Whether a role model document makes sense: everything that loading one checks, with all findings in one go.
//!
//! Pure and total. A document without findings can be compiled; one with findings is never stored. What a finding says is
//! for the document's author: lowercase, input in backticks, what to do.

mod bits;
mod bounds;
mod circles;
mod conditions;
mod delegation;
mod display;
mod known;
mod nearest;
mod permissions;
mod roles;
#[cfg(test)]
mod tests;
mod types;

use std::{collections::BTreeMap, fmt};

use self::known::Known;
use crate::{document::Document, name::is_id, record::OrganizationKind};

/// Something wrong in a document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// Where: `roles[2].grants[0].permissions[1]`; map entries by their key: `roles[2].grants[0].components.campaigns`.
    pub path: String,
    /// What, and what to do about it.
    pub message: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.path, self.message)
    }
}

/// Most findings that are told: who has more has enough to do.
const MOST_FINDINGS: usize = 500;

/// Checks a whole document. No findings: it may be loaded.
///
/// Findings are in the order of the document's fields, then those that concern several of them. A document that is larger than it may be gets
/// only the findings that say so; no document takes longer than some tenths of a second.
pub fn validate(document: &Document) -> Vec<Finding> {
    let mut findings = Findings::default();
    if !bounds::check(document, &mut findings) {
        return findings.list;
    }
    let known = Known::of(document);
    if !is_id(&document.model) {
        findings.report("model", format!("`{}` is not an id like `ad-platform`; use 1 to 63 of a-z, 0-9 and -", document.model));
    }
    types::check(document, &known, &mut findings);
    permissions::check(document, &known, &mut findings);
    conditions::check(document, &known, &mut findings);
    roles::check(document, &known, &mut findings);
    display::check(document, &known, &mut findings);
    // What follows compares whole roles, which only makes sense once every name in them means something.
    if findings.list.is_empty() {
        delegation::check(document, &known, &mut findings);
    }
    findings.list
}

/// What was found so far.
#[derive(Default)]
struct Findings {
    list: Vec<Finding>,
    /// How many steps were taken to find what names may have been meant.
    steps: usize,
}

impl Findings {
    fn report(&mut self, path: impl Into<String>, message: impl Into<String>) {
        if self.list.len() < MOST_FINDINGS {
            self.list.push(Finding { path: path.into(), message: message.into() });
        }
    }

    /// A name that nothing has; suggests the nearest that something has.
    fn unknown<'a>(&mut self, path: impl Into<String>, noun: &str, given: &str, names: impl IntoIterator<Item = &'a str>) {
        let advice = match nearest::nearest(given, names, &mut self.steps) {
            Some(near) => format!("did you mean `{near}`?"),
            None => "declare it or leave it out".to_owned(),
        };
        self.report(path, format!("there is no {noun} `{given}`; {advice}"));
    }

    /// Entries that come twice in a list at `path` whose entries are named by `field` (empty: the entries are the names).
    fn repeated<'a>(&mut self, path: &str, field: &str, noun: &str, names: impl IntoIterator<Item = &'a str>) {
        let mut first: BTreeMap<&str, usize> = BTreeMap::new();
        for (index, name) in names.into_iter().enumerate() {
            if let Some(earlier) = first.get(name) {
                self.report(format!("{path}[{index}]{field}"), format!("{noun} `{name}` is already at `{path}[{earlier}]`; leave one out"));
            } else {
                first.insert(name, index);
            }
        }
    }

    /// Kinds of organizations.
    fn kinds(&mut self, path: &str, kinds: &[String]) {
        let all = [OrganizationKind::Marketer, OrganizationKind::Publisher, OrganizationKind::Mixed].map(OrganizationKind::as_str);
        for (index, kind) in kinds.iter().enumerate() {
            if !all.contains(&kind.as_str()) {
                self.report(format!("{path}[{index}]"), format!("there is no kind `{kind}` of organization; use {}", listed(all)));
            }
        }
        self.repeated(path, "", "kind", kinds.iter().map(String::as_str));
    }
}

/// "`a`, `b` or `c`".
fn listed<'a>(names: impl IntoIterator<Item = &'a str>) -> String {
    let mut quoted: Vec<String> = names.into_iter().map(|name| format!("`{name}`")).collect();
    match quoted.pop() {
        None => "none".to_owned(),
        Some(last) if quoted.is_empty() => last,
        Some(last) => format!("{} or {last}", quoted.join(", ")),
    }
}
