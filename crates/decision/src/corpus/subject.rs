//! Putting a corpus to whatever decides.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};

use super::{Assign, Change, Check, Corpus, Expect, Lines, List, RoleList, Scenario, ShownMatrix, Write, shown::difference};
use crate::{document::Document, world::World};

/// An answer, in the words of the contract.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Yes.
    Allow,
    /// No, with the reason's code.
    Deny(String),
    /// Conditional on these attributes.
    Conditional(BTreeSet<BTreeSet<String>>),
    /// INVALID_ARGUMENT.
    Invalid,
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Allow => f.write_str("allow"),
            Self::Deny(reason) => write!(f, "deny {reason}"),
            Self::Conditional(sets) => write!(f, "conditional on {sets:?}"),
            Self::Invalid => f.write_str("invalid"),
        }
    }
}

impl Expect {
    /// Whether the verdict is as expected.
    pub fn is_met_by(&self, verdict: &Verdict) -> bool {
        match (self, verdict) {
            (Self::Allow, Verdict::Allow) | (Self::Deny(None), Verdict::Deny(_)) | (Self::Invalid, Verdict::Invalid) => true,
            (Self::Deny(Some(reason)), Verdict::Deny(given)) => reason == given,
            (Self::Conditional(sets), Verdict::Conditional(given)) => sets == given,
            _ => false,
        }
    }
}

/// Something that holds a world and answers about it. Errors are what kept it from answering; each counts as a failure.
pub trait Subject {
    /// Makes a world under a role model, instead of any that it held.
    fn load(&mut self, document: &Document, world: &World) -> Result<(), String>;
    /// Makes a change, as the platform.
    fn apply(&mut self, change: &Change) -> Result<(), String>;
    /// Lets time go by.
    fn wait(&mut self, seconds: u32) -> Result<(), String>;
    /// Answers a question, by a view that has every change.
    fn check(&mut self, check: &Check) -> Result<Verdict, String>;
    /// Answers several, in their order, where that is cheaper than one by one.
    fn checks(&mut self, checks: &[Check]) -> Vec<Result<Verdict, String>> {
        checks.iter().map(|check| self.check(check)).collect()
    }
    /// Lists the nodes of a type where a user may, by their full names.
    fn list(&mut self, list: &List) -> Result<BTreeSet<String>, String>;
    /// Whether the actor may give, offer or take a role; over gRPC `validate_only` tells.
    fn may_assign(&mut self, assign: &Assign) -> Result<bool, String>;
    /// The roles that there are to give: a system role's id, or `roles/buyer`. `None`: the actor may not see them.
    fn roles(&mut self, list: &RoleList) -> Result<Option<BTreeSet<String>>, String>;
    /// The access matrix of the organization, as the actor is shown it.
    fn matrix(&mut self, matrix: &ShownMatrix) -> Result<Lines, String>;
    /// Tries a write and says whether it went as expected. `None` from a subject that has no write path.
    fn write(&mut self, write: &Write) -> Result<Option<WriteOutcome>, String>;
}

/// How a write went: as expected, or how else.
pub type WriteOutcome = Result<(), String>;

/// What has been asked so far.
#[derive(Clone, Debug, Default)]
pub struct Tally {
    /// The systems.
    pub systems: BTreeSet<String>,
    /// The requirements that a scenario named, with the number of answers that showed them.
    pub requirements: BTreeMap<String, usize>,
    /// Answers to checks and lists, verdicts about assigning, and what is shown of roles.
    pub decisions: usize,
    /// Of those, verdicts about assigning.
    pub assignments: usize,
    /// Writes tried.
    pub writes: usize,
    /// Writes that a subject without a write path was not asked for.
    pub writes_left: usize,
    /// What went wrong, with its place.
    pub failures: Vec<String>,
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { systems, requirements, decisions, failures, .. } = self;
        write!(
            f,
            "conformance: {} systems, {} requirements, {decisions} decisions, {} failed",
            systems.len(),
            requirements.len(),
            failures.len()
        )
    }
}

/// Puts every scenario to the subject. Those that change nothing share one world; each of the others gets its own.
pub fn run(subject: &mut impl Subject, document: &Document, corpus: &Corpus, tally: &mut Tally) {
    tally.systems.insert(corpus.system.clone());
    let (still, moving): (Vec<&Scenario>, Vec<&Scenario>) = corpus
        .scenarios
        .iter()
        .partition(|scenario| scenario.changes.is_empty() && scenario.wait_seconds == 0 && scenario.writes.is_empty());
    let mut loaded = false;
    for (scenario, shares) in still.into_iter().map(|s| (s, true)).chain(moving.into_iter().map(|s| (s, false))) {
        if !(shares && loaded)
            && let Err(message) = subject.load(document, &corpus.world)
        {
            tally.failures.push(format!("{}: {}: the world could not be made: {message}", corpus.system, scenario.name));
            continue;
        }
        loaded = true;
        if let Err(message) = prepare(subject, scenario) {
            tally.failures.push(format!("{}: {}: {message}", corpus.system, scenario.name));
            continue;
        }
        ask(subject, corpus, scenario, tally);
    }
}

fn prepare(subject: &mut impl Subject, scenario: &Scenario) -> Result<(), String> {
    for change in &scenario.changes {
        subject.apply(change).map_err(|message| format!("{change:?}: {message}"))?;
    }
    if scenario.wait_seconds > 0 { subject.wait(scenario.wait_seconds) } else { Ok(()) }
}

fn ask(subject: &mut impl Subject, corpus: &Corpus, scenario: &Scenario, tally: &mut Tally) {
    let place = format!("{}: {}", corpus.system, scenario.name);
    let mut answers = 0;
    let failed = |tally: &mut Tally, what: String| tally.failures.push(format!("{place}: {what}"));
    for (check, answer) in scenario.checks.iter().zip(subject.checks(&scenario.checks)) {
        answers += 1;
        let Check { user, permission, resource, expect, attributes } = check;
        let question = format!("{user} {permission} {resource} {attributes:?}");
        match answer {
            Ok(verdict) if expect.is_met_by(&verdict) => {}
            Ok(verdict) => failed(tally, format!("{question}: expected {expect:?}, got {verdict}")),
            Err(message) => failed(tally, format!("{question}: {message}")),
        }
    }
    for list in &scenario.lists {
        answers += 1;
        let expected: BTreeSet<String> = list.expect.iter().map(|name| full(name)).collect();
        match subject.list(list) {
            Ok(found) if found == expected => {}
            Ok(found) => failed(tally, format!("{list:?}: got {found:?}")),
            Err(message) => failed(tally, format!("{list:?}: {message}")),
        }
    }
    for assign in &scenario.assigns {
        answers += 1;
        tally.assignments += 1;
        match subject.may_assign(assign) {
            Ok(allowed) if allowed == assign.allowed => {}
            Ok(allowed) => failed(tally, format!("{assign:?}: got {allowed}")),
            Err(message) => failed(tally, format!("{assign:?}: {message}")),
        }
    }
    for list in &scenario.role_lists {
        answers += 1;
        let expected = (!list.refused).then_some(&list.expect);
        match subject.roles(list) {
            Ok(found) if found.as_ref() == expected => {}
            Ok(found) => failed(tally, format!("{list:?}: got {found:?}")),
            Err(message) => failed(tally, format!("{list:?}: {message}")),
        }
    }
    for matrix in &scenario.shown_matrices {
        answers += 1;
        let place = format!("the access matrix of {} for {}", matrix.organization, matrix.actor);
        match subject.matrix(matrix) {
            Ok(lines) if lines == matrix.lines => {}
            Ok(lines) => failed(tally, format!("{place}: expected and got {}", difference(&matrix.lines, &lines))),
            Err(message) => failed(tally, format!("{place}: {message}")),
        }
    }
    tally.decisions += answers;
    for write in &scenario.writes {
        match subject.write(write) {
            Ok(None) => tally.writes_left += 1,
            Ok(Some(outcome)) => {
                answers += 1;
                tally.writes += 1;
                if let Err(message) = outcome {
                    failed(tally, format!("{write:?}: {message}"));
                }
            }
            Err(message) => failed(tally, format!("{write:?}: {message}")),
        }
    }
    for requirement in &scenario.requirements {
        *tally.requirements.entry(requirement.clone()).or_default() += answers;
    }
}

fn full(name: &str) -> String {
    if name.starts_with("organizations/") { name.to_owned() } else { format!("organizations/{name}") }
}
