//! Worlds with assertions: what a role model's author expects of it, as data, and its running against any implementation.
//!
//! A [`File`] is what people write; [`File::concrete`] spells its blocks, tables and matrices out as single [`Check`]s.
//! [`run`] puts a [`Corpus`] to a [`Subject`]: the engine in this process ([`InProcess`]), or the services over gRPC. So one
//! corpus shows that both are right. Names are short as in [`crate::world`], without a home: `acme/accounts/a1`.

mod change;
mod in_process;
mod rename;
mod shown;
mod subject;

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;

pub use self::{
    change::Change,
    in_process::{InProcess, verdict},
    rename::renamed,
    shown::{Lines, PublishedMatrix, RoleList, ShownMatrix},
    subject::{Subject, Tally, Verdict, WriteOutcome, run},
};
use crate::{
    document::{ConditionUse, Document, Level},
    world::World,
};

/// A file of scenarios in one world.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct File {
    /// What the scenarios are about: `agency`. Files of one system are counted as one.
    pub system: String,
    /// Id of the role model.
    pub model: String,
    /// Who and what is there.
    pub world: World,
    /// What is expected.
    pub scenarios: Vec<FileScenario>,
}

/// A scenario as it is written.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct FileScenario {
    /// A sentence.
    pub name: String,
    /// The ids of the requirements that it shows.
    pub requirements: Vec<String>,
    /// What happens first, to this scenario's own copy of the world.
    pub changes: Vec<Change>,
    /// Then so much time goes by.
    pub wait_seconds: u32,
    /// Blocks of checks.
    pub checks: Vec<CheckBlock>,
    /// Tables of checks.
    pub tables: Vec<Table>,
    /// A published access matrix, cell by cell.
    pub matrix: Option<Matrix>,
    /// Which nodes a user may do something to.
    pub lists: Vec<List>,
    /// Who may give what.
    pub assigns: Vec<AssignBlock>,
    /// Who may take what away.
    pub revokes: Vec<RevokeBlock>,
    /// Which roles there are to give.
    pub role_lists: Vec<RoleList>,
    /// The access matrix as it is shown, equal to a published one cell by cell.
    pub shown_matrices: Vec<PublishedMatrix>,
    /// What the write path does.
    pub writes: Vec<Write>,
}

/// Every user with every permission on every resource, all with one outcome.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CheckBlock {
    user: OneOrMany,
    permission: OneOrMany,
    resource: OneOrMany,
    #[serde(default)]
    attributes: BTreeMap<String, serde_json::Value>,
    expect: Expect,
}

/// A row for each permission, a column for each user.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Table {
    /// Asked about, where a row does not say otherwise.
    resource: String,
    #[serde(default)]
    attributes: BTreeMap<String, serde_json::Value>,
    /// The columns.
    users: Vec<String>,
    /// `permission` or `permission @ resource`, then a word for each user: `allow`, `deny` or a reason.
    rows: Vec<Vec<String>>,
}

/// A matrix as published: CSV with a header `section,action,role…` and cells ALLOW, DENY, NA, NONE.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Matrix {
    /// The file, beside this one.
    pub csv: String,
    /// Who holds each role, and no other.
    users: BTreeMap<String, String>,
    /// Who is asked instead in a role's ALLOW cells: a role that requires another gives nothing alone.
    #[serde(default)]
    allowed_as: BTreeMap<String, String>,
    /// What is asked about: by `section/row`, else by `section/*`.
    resources: BTreeMap<String, String>,
    /// Cells that are ALLOW only while an attribute is false: by role, the attribute and the rows.
    #[serde(default)]
    while_false: BTreeMap<String, WhileFalse>,
}

/// The conditional cells of one role.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WhileFalse {
    attribute: String,
    rows: BTreeSet<String>,
}

/// Every actor with every role and principal, all with one verdict.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AssignBlock {
    actor: OneOrMany,
    #[serde(default)]
    path: Paths,
    role: OneOrMany,
    principal: OneOrMany,
    node: String,
    #[serde(default)]
    components: Option<BTreeMap<String, Level>>,
    #[serde(default)]
    condition: Option<ConditionUse>,
    #[serde(default)]
    sponsor: Option<String>,
    #[serde(default)]
    expires_in_seconds: Option<u32>,
    expect: Verdicts,
}

/// Every actor with every binding, all with one verdict.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RevokeBlock {
    actor: OneOrMany,
    binding: OneOrMany,
    expect: Verdicts,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
enum OneOrMany {
    One(String),
    Many(Vec<String>),
}

impl OneOrMany {
    fn all(&self) -> &[String] {
        match self {
            Self::One(one) => std::slice::from_ref(one),
            Self::Many(many) => many,
        }
    }
}

#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
enum Paths {
    One(AssignPath),
    Many(Vec<AssignPath>),
}

impl Default for Paths {
    fn default() -> Self {
        Self::One(AssignPath::Assign)
    }
}

impl Paths {
    fn all(&self) -> &[AssignPath] {
        match self {
            Self::One(one) => std::slice::from_ref(one),
            Self::Many(many) => many,
        }
    }
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Verdicts {
    Allow,
    Refuse,
}

/// What is expected of a check.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "WrittenExpect")]
pub enum Expect {
    /// Yes.
    Allow,
    /// No, for this reason if one is given.
    Deny(Option<String>),
    /// Conditional on these attributes: one set for each grant.
    Conditional(BTreeSet<BTreeSet<String>>),
    /// The question makes no sense.
    Invalid,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum WrittenExpect {
    Word(String),
    Deny { deny: String },
    Conditional { conditional: BTreeSet<BTreeSet<String>> },
}

impl TryFrom<WrittenExpect> for Expect {
    type Error = String;

    fn try_from(written: WrittenExpect) -> Result<Self, String> {
        match written {
            WrittenExpect::Word(word) => Self::word(&word),
            WrittenExpect::Deny { deny } => Ok(Self::Deny(Some(deny))),
            WrittenExpect::Conditional { conditional } => Ok(Self::Conditional(conditional)),
        }
    }
}

impl Expect {
    /// `allow`, `deny`, `invalid` or a reason in capitals.
    fn word(word: &str) -> Result<Self, String> {
        match word {
            "allow" => Ok(Self::Allow),
            "deny" => Ok(Self::Deny(None)),
            "invalid" => Ok(Self::Invalid),
            reason if !reason.is_empty() && reason.bytes().all(|b| b.is_ascii_uppercase() || b == b'_') => {
                Ok(Self::Deny(Some(reason.to_owned())))
            }
            _ => Err(format!("`{word}` is no outcome; use allow, deny, invalid or a reason like NO_GRANT")),
        }
    }
}

/// One question and its answer.
#[derive(Clone, Debug, PartialEq)]
pub struct Check {
    /// `ann`.
    pub user: String,
    /// `campaigns.run`.
    pub permission: String,
    /// `acme/accounts/a1`.
    pub resource: String,
    /// Attributes that the request gives.
    pub attributes: BTreeMap<String, serde_json::Value>,
    /// The answer.
    pub expect: Expect,
}

/// All nodes of a type where a user may do something, in one call.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct List {
    /// `ann`.
    pub user: String,
    /// `reports.view`.
    pub permission: String,
    /// `organization`.
    #[serde(rename = "type")]
    pub node_type: String,
    /// The nodes, all of them.
    pub expect: BTreeSet<String>,
}

/// By which path a role is given or taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AssignPath {
    /// Given.
    Assign,
    /// Offered.
    Invite,
    /// Taken away: the binding of this role that the principal has at the node. Written as a [`RevokeBlock`], so that there is one.
    #[serde(skip)]
    Revoke,
}

/// May this actor give, offer or take this?
#[derive(Clone, Debug, PartialEq)]
pub struct Assign {
    /// Who acts.
    pub actor: String,
    /// How.
    pub path: AssignPath,
    /// The role: a system role's id, or `roles/buyer` of the node's organization.
    pub role: String,
    /// To whom, or from whom; an invitation goes to their e-mail address.
    pub principal: String,
    /// Where.
    pub node: String,
    /// The component map.
    pub components: Option<BTreeMap<String, Level>>,
    /// The condition.
    pub condition: Option<ConditionUse>,
    /// The sponsor.
    pub sponsor: Option<String>,
    /// Until when.
    pub expires_in_seconds: Option<u32>,
    /// Whether they may.
    pub allowed: bool,
}

/// Something that only the write path shows.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Write {
    /// A change tried by an actor, on this scenario's copy of the world.
    Attempt {
        /// Who acts; `platform` is the operator.
        actor: String,
        /// What.
        change: Change,
        /// `done`, or the reason of the refusal: `LAST_REQUIRED_HOLDER`.
        expect: String,
    },
    /// New users are given the role one by one: the seats that are left are filled, and the next one is refused with SEATS_TAKEN and the limit.
    Seats {
        /// Where.
        node: String,
        /// Which role.
        role: String,
        /// The component map, if the role needs one.
        #[serde(default)]
        components: Option<BTreeMap<String, Level>>,
        /// The limit.
        most: u32,
    },
    /// Somebody is invited to a role by their address, and accepts.
    Invite {
        /// Who invites.
        actor: String,
        /// Who is invited: a user of the world.
        principal: String,
        /// To which role.
        role: String,
        /// Where.
        node: String,
        /// `done`, or the reason of the refusal.
        expect: String,
    },
    /// The roster of a node, page by page and as CSV.
    Roster {
        /// Who looks; `platform` is the operator.
        actor: String,
        /// Of which node.
        node: String,
        /// Only those whose display name begins like this.
        #[serde(default)]
        search: String,
        /// Everybody, in the order of what they are called.
        #[serde(default)]
        expect: Vec<RosterRow>,
        /// The reason of the refusal, if the actor may not look.
        #[serde(default)]
        refused: Option<String>,
    },
    /// Where a user can go, page by page and as CSV: the workspaces page, or with a permission the customers where they have it.
    Places {
        /// Whose page.
        user: String,
        /// `reports.view`.
        #[serde(default)]
        permission: Option<String>,
        /// All of them.
        expect: BTreeSet<String>,
    },
    /// A customer is invited: an organization that is provisioning until its invitation is accepted, with all that was said of it.
    InviteCustomer {
        /// Who invites.
        actor: String,
        /// Below which workspace.
        workspace: String,
        /// The id of the organization.
        id: String,
        /// What people call it.
        display_name: String,
        /// Its website.
        website: String,
        /// Where it is.
        location: String,
        /// Who is invited: a user of the world.
        principal: String,
        /// To which role at it.
        role: String,
        /// `done`, or the reason of the refusal.
        expect: String,
    },
    /// One call makes somebody a member, or edits one, so that they hold these roles and no others.
    SaveMember {
        /// Who acts.
        actor: String,
        /// `acme/members/ann`.
        member: String,
        /// All that they shall hold, the organization role too.
        roles: Vec<MemberRole>,
        /// `done`, or the reason of the refusal.
        expect: String,
    },
    /// An organization's own user is created, and a sign-in identity linked to them and unlinked again.
    Identity {
        /// Who creates the user: somebody of the organization.
        creator: String,
        /// The organization that manages them.
        organization: String,
        /// Who links and unlinks.
        actor: String,
        /// `done`, or the reason for which linking is refused.
        expect: String,
    },
}

/// A role that a member holds themselves.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MemberRole {
    /// Its id.
    pub role: String,
    /// Where, inside of the organization: `accounts/a1`; left out: at the organization.
    #[serde(default)]
    pub node: String,
}

/// A participant in a roster.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RosterRow {
    /// Who.
    pub user: String,
    /// Their organization role.
    #[serde(default)]
    pub organization_role: Option<String>,
    /// What they hold, all of it.
    #[serde(default)]
    pub roles: Vec<RosterRole>,
}

/// A role in a roster.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RosterRole {
    /// Its id.
    pub role: String,
    /// Where it is held.
    pub node: String,
    /// How they come to it: `direct`, `group`, `sponsor`, `above`, `implied`.
    pub source: String,
}

/// The scenarios of one file, all spelt out.
#[derive(Clone, Debug, PartialEq)]
pub struct Corpus {
    /// The system.
    pub system: String,
    /// Id of the role model.
    pub model: String,
    /// The world before any change.
    pub world: World,
    /// The scenarios.
    pub scenarios: Vec<Scenario>,
}

/// A scenario, spelt out.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Scenario {
    /// A sentence.
    pub name: String,
    /// What it shows.
    pub requirements: BTreeSet<String>,
    /// What happens first.
    pub changes: Vec<Change>,
    /// Then so much time goes by.
    pub wait_seconds: u32,
    /// Then this is asked,
    pub checks: Vec<Check>,
    /// and this,
    pub lists: Vec<List>,
    /// and who may give and take what,
    pub assigns: Vec<Assign>,
    /// and which roles there are,
    pub role_lists: Vec<RoleList>,
    /// and what they are shown to give,
    pub shown_matrices: Vec<ShownMatrix>,
    /// and at last this is tried, in order.
    pub writes: Vec<Write>,
}

/// What is wrong with a file.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("scenario `{scenario}`: {message}")]
pub struct FileError {
    /// The scenario.
    pub scenario: String,
    /// What, and what to do about it.
    pub message: String,
}

impl File {
    /// Spells everything out. `read` gives the text of a file that stands beside this one; the role model's display tells which permissions a
    /// matrix's rows stand for.
    ///
    /// # Errors
    ///
    /// A table row of another width than its header, an unknown word, a matrix that does not fit the role model's display.
    pub fn concrete(self, document: &Document, read: impl Fn(&str) -> Result<String, String>) -> Result<Corpus, FileError> {
        let mut scenarios = Vec::new();
        for scenario in self.scenarios {
            let name = scenario.name.clone();
            scenarios.push(spelt_out(scenario, &self.world, document, &read).map_err(|message| FileError { scenario: name, message })?);
        }
        Ok(Corpus { system: self.system, model: self.model, world: self.world, scenarios })
    }
}

fn spelt_out(
    written: FileScenario,
    world: &World,
    document: &Document,
    read: &impl Fn(&str) -> Result<String, String>,
) -> Result<Scenario, String> {
    let mut checks = Vec::new();
    for block in &written.checks {
        for (user, permission) in block.user.all().iter().flat_map(|user| block.permission.all().iter().map(move |p| (user, p))) {
            for resource in block.resource.all() {
                checks.push(Check {
                    user: user.clone(),
                    permission: permission.clone(),
                    resource: resource.clone(),
                    attributes: block.attributes.clone(),
                    expect: block.expect.clone(),
                });
            }
        }
    }
    for table in &written.tables {
        table_checks(table, &mut checks)?;
    }
    if let Some(matrix) = &written.matrix {
        matrix_checks(matrix, &read(&matrix.csv)?, document, &mut checks)?;
    }
    let mut shown_matrices = Vec::new();
    for PublishedMatrix { actor, organization, csv } in written.shown_matrices {
        shown_matrices.push(ShownMatrix { actor, organization, lines: shown::lines(&read(&csv)?) });
    }
    let mut given: Vec<Assign> = written.assigns.iter().flat_map(assigns).collect();
    if !written.revokes.is_empty() {
        let mut changed = world.clone();
        for change in &written.changes {
            changed.apply(change).map_err(|error| error.to_string())?;
        }
        for block in &written.revokes {
            revokes(block, &changed, &mut given)?;
        }
    }
    Ok(Scenario {
        name: written.name,
        requirements: written.requirements.into_iter().collect(),
        changes: written.changes,
        wait_seconds: written.wait_seconds,
        checks,
        lists: written.lists,
        assigns: given,
        role_lists: written.role_lists,
        shown_matrices,
        writes: written.writes,
    })
}

fn table_checks(table: &Table, checks: &mut Vec<Check>) -> Result<(), String> {
    for row in &table.rows {
        let Some((head, cells)) = row.split_first().filter(|(_, cells)| cells.len() == table.users.len()) else {
            return Err(format!("the row {row:?} must have a permission and {} cells", table.users.len()));
        };
        let (permission, resource) = match head.split_once('@') {
            Some((permission, resource)) => (permission.trim(), resource.trim()),
            None => (head.as_str(), table.resource.as_str()),
        };
        for (user, cell) in table.users.iter().zip(cells) {
            checks.push(Check {
                user: user.clone(),
                permission: permission.to_owned(),
                resource: resource.to_owned(),
                attributes: table.attributes.clone(),
                expect: Expect::word(cell)?,
            });
        }
    }
    Ok(())
}

fn matrix_checks(matrix: &Matrix, csv: &str, document: &Document, checks: &mut Vec<Check>) -> Result<(), String> {
    let lines = shown::lines(csv);
    let mut lines = lines.iter().map(|line| line.iter().map(String::as_str).collect::<Vec<_>>());
    let header = lines.next().ok_or("the matrix is empty")?;
    let roles = header.get(2..).unwrap_or_default();
    for cells in lines {
        let [section, row, cells @ ..] = cells.as_slice() else {
            return Err(format!("the line {cells:?} has no section and action"));
        };
        if cells.len() != roles.len() {
            return Err(format!("the line {section},{row} has {} cells, the header {}", cells.len(), roles.len()));
        }
        let slug = format!("{section}/{row}");
        let permissions = document
            .display
            .sections
            .iter()
            .filter(|known| known.id == *section)
            .flat_map(|known| &known.rows)
            .find(|known| known.id == *row)
            .map(|known| known.permissions.as_slice())
            .ok_or_else(|| format!("the role model displays no row `{slug}`"))?;
        let resource = matrix.resources.get(&slug).or_else(|| matrix.resources.get(&format!("{section}/*")));
        let resource = resource.ok_or_else(|| format!("`resources` says nothing about `{slug}`"))?;
        for (role, cell) in roles.iter().zip(cells) {
            cell_checks(matrix, role, &slug, cell, (permissions, resource), checks)?;
        }
    }
    Ok(())
}

fn cell_checks(
    matrix: &Matrix,
    role: &str,
    slug: &str,
    cell: &str,
    (permissions, resource): (&[String], &str),
    checks: &mut Vec<Check>,
) -> Result<(), String> {
    let holder = matrix.users.get(role).ok_or_else(|| format!("`users` has nobody for the role `{role}`"))?;
    let user = matrix.allowed_as.get(role).filter(|_| cell == "ALLOW").unwrap_or(holder);
    let denied = || Expect::Deny(Some("NO_GRANT".to_owned()));
    let conditional = matrix.while_false.get(role).filter(|cells| cells.rows.contains(slug));
    let given = |live: bool, attribute: &str| BTreeMap::from([(attribute.to_owned(), serde_json::Value::Bool(live))]);
    let cases = match (cell, conditional) {
        ("ALLOW", None) => vec![(BTreeMap::new(), Expect::Allow)],
        ("ALLOW", Some(WhileFalse { attribute, .. })) => vec![
            (given(false, attribute), Expect::Allow),
            (given(true, attribute), denied()),
            (BTreeMap::new(), Expect::Conditional(BTreeSet::from([BTreeSet::from([attribute.clone()])]))),
        ],
        ("DENY" | "NONE", None) => vec![(BTreeMap::new(), denied())],
        ("NA", None) => vec![(BTreeMap::new(), Expect::Deny(Some("NOT_AVAILABLE".to_owned())))],
        _ => return Err(format!("the cell {cell} of `{slug}` for `{role}` is not ALLOW, DENY, NA or NONE, or cannot be conditional")),
    };
    for permission in permissions {
        for (attributes, expect) in &cases {
            checks.push(Check {
                user: user.clone(),
                permission: permission.clone(),
                resource: resource.to_owned(),
                attributes: attributes.clone(),
                expect: expect.clone(),
            });
        }
    }
    Ok(())
}

fn assigns(block: &AssignBlock) -> Vec<Assign> {
    let mut spelt = Vec::new();
    for actor in block.actor.all() {
        for path in block.path.all() {
            for role in block.role.all() {
                for principal in block.principal.all() {
                    spelt.push(Assign {
                        actor: actor.clone(),
                        path: *path,
                        role: role.clone(),
                        principal: principal.clone(),
                        node: block.node.clone(),
                        components: block.components.clone(),
                        condition: block.condition.clone(),
                        sponsor: block.sponsor.clone(),
                        expires_in_seconds: block.expires_in_seconds,
                        allowed: matches!(block.expect, Verdicts::Allow),
                    });
                }
            }
        }
    }
    spelt
}

/// A named binding is spelt out as what it is in the world after the scenario's changes.
fn revokes(block: &RevokeBlock, world: &World, assigns: &mut Vec<Assign>) -> Result<(), String> {
    for name in block.binding.all() {
        let short = name.strip_prefix("organizations/").unwrap_or(name);
        let found = short.split_once("/roleBindings/").and_then(|(organization, id)| {
            let home = world.organization(organization)?;
            Some((home, home.bindings.iter().find(|binding| binding.id() == id)?))
        });
        let (home, binding) = found.ok_or_else(|| format!("the world has no `{name}` to take away"))?;
        let inside = |text: &str, collection: &str| {
            if text.starts_with(collection) { format!("{}/{text}", home.id) } else { text.to_owned() }
        };
        for actor in block.actor.all() {
            assigns.push(Assign {
                actor: actor.clone(),
                path: AssignPath::Revoke,
                role: binding.role.clone(),
                principal: inside(&binding.principal, "groups/"),
                node: if binding.node.is_empty() { home.id.clone() } else { format!("{}/{}", home.id, binding.node) },
                components: binding.components.clone(),
                condition: binding.condition.clone(),
                sponsor: binding.sponsor.clone(),
                expires_in_seconds: binding.expires_in_seconds,
                allowed: matches!(block.expect, Verdicts::Allow),
            });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn concrete(scenario: &str, csv: &str) -> Result<Corpus, String> {
        let document =
            serde_saphyr::from_str("{model: m, display: {sections: [{id: s, rows: [{id: see, permissions: [c.see]}]}]}}").unwrap();
        let text = format!("{{system: s, model: m, world: {{}}, scenarios: [{{name: n, {scenario}}}]}}");
        let file: File = serde_saphyr::from_str(&text).map_err(|error| error.to_string())?;
        file.concrete(&document, |_| Ok(csv.to_owned())).map_err(|error| error.to_string())
    }

    #[test]
    fn blocks_and_tables_are_spelt_out() {
        let corpus = concrete(
            "checks: [{user: [a, b], permission: [c.see, c.do], resource: o, expect: NO_GRANT}],
             tables: [{resource: o, users: [a, b], rows: [[c.see, allow, deny], ['c.see @ o/accounts/x', deny, allow]]}]",
            "",
        )
        .unwrap();
        let checks = &corpus.scenarios[0].checks;
        assert_eq!(checks.len(), 8);
        assert_eq!(checks[0].expect, Expect::Deny(Some("NO_GRANT".to_owned())));
        assert_eq!((checks[7].user.as_str(), checks[7].resource.as_str(), &checks[7].expect), ("b", "o/accounts/x", &Expect::Allow));
    }

    #[test]
    fn slips_are_refused() {
        let matrix = "matrix: {csv: f, users: {r: a}, resources: {s/*: o}}";
        assert_eq!(concrete(matrix, "section,action,r\ns,see,ALLOW\n").unwrap().scenarios[0].checks.len(), 1);
        for csv in [
            "section,action,r\ns,sea,ALLOW\n",
            "section,action,r\ns,see\n",
            "section,action,r\ns,see,YES\n",
            "section,action,q\ns,see,NA\n",
        ] {
            assert!(concrete(matrix, csv).is_err(), "{csv}");
        }
        assert!(concrete("checks: [{user: a, permission: p.q, resource: o, expect: maybe}]", "").is_err());
        assert!(concrete("tables: [{resource: o, users: [a, b], rows: [[c.see, allow]]}]", "").is_err());
        assert!(concrete("revokes: [{actor: a, binding: o/roleBindings/none, expect: allow}]", "").is_err());
        assert!(concrete("check: []", "").is_err());
    }
}
