//! What the role catalog shows of roles: one list of an organization's, and the access matrix in the shape in which it was published.

use std::collections::BTreeSet;

use serde::Deserialize;

use crate::matrix::{AccessMatrix, Cell};

/// One list of the roles that can be given in an organization, system and custom.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RoleList {
    /// Who looks; `platform` is the operator.
    pub actor: String,
    /// Whose roles: `acme`.
    pub organization: String,
    /// Only those held at this type of node: `account`.
    #[serde(default)]
    pub held_at: Option<String>,
    /// All of them: a system role's id, or `roles/buyer`.
    #[serde(default)]
    pub expect: BTreeSet<String>,
    /// The actor may not see them.
    #[serde(default)]
    pub refused: bool,
}

/// The access matrix that is shown, as it is written.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PublishedMatrix {
    /// Who looks; `platform` is the operator.
    pub actor: String,
    /// In which organization.
    pub organization: String,
    /// The published file, beside this one.
    pub csv: String,
}

/// The access matrix of an organization as it must be shown.
#[derive(Clone, Debug, PartialEq)]
pub struct ShownMatrix {
    /// Who looks.
    pub actor: String,
    /// In which organization.
    pub organization: String,
    /// The heading, then a line for each action.
    pub lines: Lines,
}

/// A matrix as CSV has it: the heading `section,action,role…`, then the slugs and a word for each role.
pub type Lines = Vec<Vec<String>>;

/// Reads a published matrix: no cell of one has a comma or a quote.
pub(super) fn lines(csv: &str) -> Lines {
    let cells = |line: &str| line.split(',').map(|cell| cell.trim().to_owned()).collect();
    csv.lines().filter(|line| !line.trim().is_empty()).map(cells).collect()
}

impl AccessMatrix {
    /// As it is published: a conditional cell is ALLOW there (D3).
    pub fn lines(&self) -> Lines {
        let roles = self.columns.iter().map(|column| column.role.id().to_owned());
        let heading = ["section", "action"].map(str::to_owned).into_iter().chain(roles).collect();
        let rows = self.sections.iter().flat_map(|section| section.rows.iter().map(move |row| (section, row)));
        let line = |cells: &[Cell]| cells.iter().map(|cell| word(cell).to_owned()).collect::<Vec<_>>();
        let rows = rows.map(|(section, row)| [vec![section.id.clone(), row.id.clone()], line(&row.cells)].concat());
        std::iter::once(heading).chain(rows).collect()
    }
}

fn word(cell: &Cell) -> &'static str {
    match cell {
        Cell::Allow | Cell::Conditional(_) => "ALLOW",
        Cell::Deny => "DENY",
        Cell::None => "NONE",
        Cell::NotApplicable => "NA",
    }
}

/// The first lines that differ, for the report.
pub(super) fn difference(expected: &Lines, shown: &Lines) -> String {
    let pairs = (0..expected.len().max(shown.len())).map(|at| (expected.get(at), shown.get(at)));
    let differing: Vec<_> = pairs.filter(|(one, other)| one != other).take(3).collect();
    format!("{differing:?}")
}
