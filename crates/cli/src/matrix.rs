//! `tenantry matrix`: what each role gives, as a table for the terminal, CSV, Markdown, or one HTML page.

mod page;

use std::process::ExitCode;

use api::rolecatalog::v1::{
    AccessMatrix, GetAccessMatrixRequest,
    access_matrix::{Cell, Column, Row, Section, cell::Verdict},
};
use clap::{Args, ValueEnum};

use crate::{
    Failure,
    address::{Address, OnBehalfOf, refusal},
    ask::absolute,
    table::{aligned, print},
};

/// As what to print it.
#[derive(Clone, Copy, ValueEnum)]
enum Format {
    /// A table for the terminal.
    Table,
    /// CSV (RFC 4180): section, action, and a column for each role; ALLOW, DENY, NONE or NA. What hangs on a condition is ALLOW here; the others say on which.
    Csv,
    /// A Markdown table for each section.
    Markdown,
    /// One page that needs nothing else, to look at and to print.
    Html,
}

/// Shows what each role gives: of a role model, or in an organization, its custom roles included.
#[derive(Args)]
pub(crate) struct Matrix {
    /// Of what: `roleModels/campaign-studio`, `organizations/acme` or `acme`.
    parent: String,
    /// Only these roles, in this order: `roleModels/m/roles/r` or `organizations/acme/roles/r`, separated by commas.
    #[arg(long, value_name = "ROLES", value_delimiter = ',')]
    roles: Vec<String>,
    /// Of a role model, which revision; left out: the latest.
    #[arg(long, value_name = "NUMBER", default_value_t = 0, hide_default_value = true)]
    revision: u32,
    /// As what to print it.
    #[arg(long, value_enum, default_value = "table")]
    format: Format,
    #[command(flatten)]
    who: OnBehalfOf,
    #[command(flatten)]
    address: Address,
}

impl Matrix {
    pub(crate) async fn run(self) -> Result<ExitCode, Failure> {
        let parent = if self.parent.starts_with("roleModels/") { self.parent.clone() } else { absolute("organizations/", &self.parent) };
        let request = GetAccessMatrixRequest { parent: parent.clone(), model_revision: self.revision, roles: self.roles };
        let mut matrices = self.who.session(&self.address)?.access_matrices();
        let answer = matrices.get_access_matrix(request).await;
        let matrix = answer.map_err(|status| refusal(&status, &self.address.of_role_catalog()))?.into_inner();
        print(&match self.format {
            Format::Table => as_table(&matrix),
            Format::Csv => as_csv(&matrix)?,
            Format::Markdown => as_markdown(&parent, &matrix),
            Format::Html => page::page(&parent, &matrix),
        });
        Ok(ExitCode::SUCCESS)
    }
}

/// `ALLOW`.
fn word(cell: &Cell) -> &'static str {
    match cell.verdict() {
        Verdict::Allow => "ALLOW",
        Verdict::Conditional => "CONDITIONAL",
        Verdict::Deny => "DENY",
        Verdict::None => "NONE",
        Verdict::Na => "NA",
        Verdict::Unspecified => "?",
    }
}

/// What people call something, or else its id.
fn called<'t>(title: &'t str, id: &'t str) -> &'t str {
    if title.is_empty() { id } else { title }
}

fn id_of(column: &Column) -> &str {
    column.role.rsplit('/').next().unwrap_or_default()
}

/// `live campaigns only (status = "live")`.
fn conditions(cell: &Cell) -> Vec<String> {
    let mut texts: Vec<String> = Vec::new();
    for one in &cell.conditions {
        let Some(used) = &one.condition else { continue };
        let params: Vec<String> = used.params.iter().map(|(id, value)| format!("{id} = {}", api::document::to_json(value))).collect();
        let title = called(&one.title, &used.id);
        let text = if params.is_empty() { title.to_owned() } else { format!("{title} ({})", params.join(", ")) };
        if !texts.contains(&text) {
            texts.push(text);
        }
    }
    texts
}

/// An action, its cells each as a word; a conditional one with the number of its note.
struct Line<'m> {
    section: &'m Section,
    row: &'m Row,
    cells: Vec<String>,
}

/// The lines, and the notes below them.
fn noted(matrix: &AccessMatrix) -> (Vec<Line<'_>>, Vec<String>) {
    let mut notes: Vec<String> = Vec::new();
    let mut mark = |cell: &Cell| {
        let conditions = conditions(cell);
        if conditions.is_empty() {
            return word(cell).to_owned();
        }
        let note = conditions.join(", or ");
        let at = notes.iter().position(|known| *known == note).unwrap_or_else(|| {
            notes.push(note);
            notes.len() - 1
        });
        format!("{} {}", word(cell), at + 1)
    };
    let rows = matrix.sections.iter().flat_map(|section| section.rows.iter().map(move |row| (section, row)));
    let lines = rows.map(|(section, row)| Line { section, row, cells: row.cells.iter().map(&mut mark).collect() }).collect();
    (lines, notes)
}

fn as_table(matrix: &AccessMatrix) -> String {
    let (rows, notes) = noted(matrix);
    let mut heading = vec!["SECTION".to_owned(), "ACTION".to_owned()];
    heading.extend(matrix.columns.iter().map(|column| called(&column.title, id_of(column)).to_uppercase()));
    let mut lines = vec![heading];
    let mut last = "";
    for Line { section, row, cells } in rows {
        // A section is named once, where it begins.
        let name = if section.id == last { "" } else { called(&section.title, &section.id) };
        last = &section.id;
        lines.push([name.to_owned(), called(&row.title, &row.id).to_owned()].into_iter().chain(cells).collect());
    }
    let mut text = aligned(&lines);
    if !notes.is_empty() {
        text.push('\n');
    }
    for (note, at) in notes.iter().zip(1..) {
        text.push_str(&format!("{at}  {note}\n"));
    }
    text
}

/// In the shape that spreadsheets and reviews keep: one row for each action, by its slugs.
fn as_csv(matrix: &AccessMatrix) -> Result<String, Failure> {
    let mut csv = csv::Writer::from_writer(Vec::new());
    let heading = ["section", "action"].into_iter().chain(matrix.columns.iter().map(id_of));
    csv.write_record(heading).map_err(Failure::software)?;
    for section in &matrix.sections {
        for row in &section.rows {
            // A matrix of four words is what people keep and compare (D6); a conditional cell is ALLOW there (D3).
            let cells = row.cells.iter().map(|cell| if cell.verdict() == Verdict::Conditional { "ALLOW" } else { word(cell) });
            csv.write_record([section.id.as_str(), row.id.as_str()].into_iter().chain(cells)).map_err(Failure::software)?;
        }
    }
    let bytes = csv.into_inner().map_err(Failure::software)?;
    String::from_utf8(bytes).map_err(Failure::software)
}

fn as_markdown(parent: &str, matrix: &AccessMatrix) -> String {
    let cell = |text: &str| text.replace('\\', "\\\\").replace('|', "\\|").replace('\n', " ");
    let line = |cells: &mut dyn Iterator<Item = String>| format!("| {} |\n", cells.collect::<Vec<_>>().join(" | "));
    let (rows, notes) = noted(matrix);
    let mut text = format!("# Access matrix of {parent}\n");
    let mut last = "";
    for Line { section, row, cells } in rows {
        if section.id != last {
            text.push_str(&format!("\n## {}\n\n", called(&section.title, &section.id).replace('\n', " ")));
            let roles = matrix.columns.iter().map(|column| cell(called(&column.title, id_of(column))));
            text.push_str(&line(&mut std::iter::once("Action".to_owned()).chain(roles)));
            text.push_str(&line(&mut std::iter::once("---".to_owned()).chain(matrix.columns.iter().map(|_| ":-:".to_owned()))));
            last = &section.id;
        }
        text.push_str(&line(&mut std::iter::once(cell(called(&row.title, &row.id))).chain(cells)));
    }
    for (note, at) in notes.iter().zip(1..) {
        text.push_str(&format!("{}{at}. {}\n", if at == 1 { "\n" } else { "" }, note.replace('\n', " ")));
    }
    text
}

#[cfg(test)]
pub(crate) mod tests {
    use api::rolecatalog::v1::{access_matrix::Condition, role_model_document::ConditionUse};

    use super::*;

    /// Two roles, two sections, and something of every verdict.
    pub(crate) fn sample() -> AccessMatrix {
        let plain = |verdict: Verdict| Cell { verdict: verdict.into(), conditions: Vec::new() };
        let most = prost_types::Value { kind: Some(prost_types::value::Kind::NumberValue(100.0)) };
        let condition = ConditionUse { id: "small".to_owned(), params: [("most".to_owned(), most)].into() };
        let condition = Condition { permission: "ads.run".to_owned(), condition: Some(condition), title: "Small | cheap".to_owned() };
        let conditional = Cell { verdict: Verdict::Conditional.into(), conditions: vec![condition] };
        let row = |id: &str, title: &str, cells: Vec<Cell>| Row {
            id: id.to_owned(),
            title: title.to_owned(),
            permissions: vec![format!("ads.{id}")],
            cells,
        };
        let column = |role: &str, title: &str, custom| Column {
            role: role.to_owned(),
            title: title.to_owned(),
            held_at: "account".to_owned(),
            custom,
            component_map: "forbidden".to_owned(),
        };
        AccessMatrix {
            role_model: "roleModels/m".to_owned(),
            model_revision: 2,
            columns: vec![
                column("roleModels/m/roles/owner", "Owner", false),
                column("organizations/acme/roles/buyer", "<b>Buyer</b>", true),
            ],
            sections: vec![
                Section {
                    id: "ads".to_owned(),
                    title: "Ads & co".to_owned(),
                    rows: vec![
                        row("run", "Run", vec![plain(Verdict::Allow), conditional]),
                        row("fly", "", vec![plain(Verdict::Na), plain(Verdict::Na)]),
                    ],
                },
                Section {
                    id: "money".to_owned(),
                    title: "Money".to_owned(),
                    rows: vec![row("pay", "Pay", vec![plain(Verdict::None), plain(Verdict::Deny)])],
                },
            ],
            revision: String::new(),
        }
    }

    #[test]
    fn a_table_names_a_section_once_and_its_conditions_below() {
        let expected = "\
SECTION   ACTION  OWNER  <B>BUYER</B>
Ads & co  Run     ALLOW  CONDITIONAL 1
          fly     NA     NA
Money     Pay     NONE   DENY

1  Small | cheap (most = 100)
";
        assert_eq!(as_table(&sample()), expected);
    }

    #[test]
    fn csv_has_the_slugs_and_one_of_four_words_a_cell() {
        let expected = "section,action,owner,buyer\nads,run,ALLOW,ALLOW\nads,fly,NA,NA\nmoney,pay,NONE,DENY\n";
        assert_eq!(as_csv(&sample()).unwrap(), expected);
    }

    #[test]
    fn markdown_is_a_table_for_each_section() {
        let text = as_markdown("organizations/acme", &sample());
        assert!(text.starts_with("# Access matrix of organizations/acme\n\n## Ads & co\n\n| Action | Owner | <b>Buyer</b> |\n| --- | :-: | :-: |\n| Run | ALLOW | CONDITIONAL 1 |\n"), "{text}");
        assert!(text.ends_with("| Pay | NONE | DENY |\n\n1. Small | cheap (most = 100)\n"), "{text}");
    }
}
