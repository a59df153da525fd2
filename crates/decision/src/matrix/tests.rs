//! The matrix says what decisions say of somebody who holds one role and nothing else.

use super::*;
use crate::{
    decide::decide,
    decision::{Outcome, Query},
    sample::{MODEL, NOW, node, user, view_of},
};

const CUSTOM_GRANTS: &str =
    "[{ components: { campaigns: view } }, { permissions: [campaigns.launch], types: [campaign], condition: { id: not-live } }]";

/// The sample model with a row for each permission.
fn model() -> RoleModel {
    let mut document: Document = serde_saphyr::from_str(MODEL).unwrap();
    let compiled = RoleModel::compile(document.clone()).unwrap();
    let rows = compiled.permissions().iter().map(|permission| document::Row {
        id: permission.id.replace(['.', '_'], "-"),
        title: String::new(),
        permissions: vec![permission.id.clone()],
    });
    document.display.sections = vec![section("all", &[], rows.collect())];
    RoleModel::compile(document).unwrap()
}

fn section(id: &str, kinds: &[&str], rows: Vec<document::Row>) -> document::Section {
    let kinds = kinds.iter().map(|kind| (*kind).to_owned()).collect();
    document::Section { id: id.to_owned(), title: String::new(), kinds, rows }
}

fn column(matrix: &AccessMatrix, at: usize) -> BTreeMap<String, Cell> {
    matrix.sections.iter().flat_map(|section| &section.rows).map(|row| (row.permissions[0].clone(), row.cells[at].clone())).collect()
}

/// What decisions say somewhere.
#[derive(Debug, PartialEq)]
enum Somewhere {
    Allow,
    Conditional,
    Nowhere,
}

/// What a user of one role may somewhere in a world that has one of everything.
fn decided(model: &RoleModel, kind: &str, held_at: &str, role: &str) -> BTreeMap<String, Somewhere> {
    let at = match held_at {
        "workspace" => ", node: workspaces/w",
        "account" => ", node: accounts/a",
        _ => "",
    };
    let world = format!(
        "
users: [uma]
organizations:
  - id: acme
    model: sample
    kind: {kind}
    workspaces: [{{ id: w }}]
    accounts: [{{ id: a, workspace: w }}]
    roles: [{{ id: buyer, held_at: account, grants: {CUSTOM_GRANTS} }}]
    members: [uma]
    bindings: [{{ principal: uma, role: {role}{at} }}]
  - id: customer
    kind: {kind}
    parent: acme/workspaces/w
    workspaces: [{{ id: cw }}]
    accounts: [{{ id: ca, workspace: cw }}]
"
    );
    let view = view_of(MODEL, &world);
    let nodes = [
        "acme",
        "acme/workspaces/w",
        "acme/accounts/a",
        "acme/workspaces/w/campaigns/1",
        "acme/accounts/a/campaigns/1",
        "customer",
        "customer/workspaces/cw",
        "customer/accounts/ca",
        "customer/accounts/ca/campaigns/1",
    ];
    let somewhere = |permission: &str| {
        let mut best = Somewhere::Nowhere;
        for name in nodes {
            let query = Query { user: user("uma"), permission: permission.to_owned(), resource: node(name), attributes: BTreeMap::new() };
            match decide(&view, &query, NOW).unwrap().outcome {
                Outcome::Allow(_) => return Somewhere::Allow,
                Outcome::Conditional(_) => best = Somewhere::Conditional,
                Outcome::Deny(_) => {}
            }
        }
        best
    };
    model.permissions().iter().map(|permission| (permission.id.clone(), somewhere(&permission.id))).collect()
}

#[test]
fn a_cell_is_what_decisions_say_somewhere_of_a_user_of_that_role_alone() {
    let model = model();
    let custom = CustomRole {
        name: RoleName::parse("organizations/acme/roles/buyer").unwrap(),
        held_at: "account".to_owned(),
        grants: serde_saphyr::from_str(CUSTOM_GRANTS).unwrap(),
    };
    let (mut allowed, mut conditional, mut missing) = (0, 0, 0);
    for kind in [OrganizationKind::Marketer, OrganizationKind::Publisher] {
        // A role that requires another gives nothing to somebody who holds it alone.
        let system = model.document().roles.iter().filter(|role| role.requires.is_empty());
        let roles: Vec<MatrixRole<'_>> = system.map(|role| MatrixRole::System(&role.id)).chain([MatrixRole::Custom(&custom)]).collect();
        let matrix = AccessMatrix::of(&model, Some(kind), &roles);
        assert_eq!(matrix.columns.len(), roles.len());
        for (at, listed) in matrix.columns.iter().enumerate() {
            let role = if listed.role == custom.name { "roles/buyer" } else { listed.role.id() };
            let decided = decided(&model, kind.as_str(), &listed.held_at, role);
            for (permission, cell) in column(&matrix, at) {
                let said = match cell {
                    Cell::Allow => Somewhere::Allow,
                    Cell::Conditional(_) => Somewhere::Conditional,
                    Cell::Deny | Cell::None | Cell::NotApplicable => Somewhere::Nowhere,
                };
                assert_eq!(said, decided[&permission], "{kind:?} {role} {permission}");
                match said {
                    Somewhere::Allow => allowed += 1,
                    Somewhere::Conditional => conditional += 1,
                    Somewhere::Nowhere => missing += 1,
                }
            }
        }
    }
    assert!(allowed > 50 && conditional >= 4 && missing > 50, "{allowed} {conditional} {missing}");
}

#[test]
fn a_conditional_cell_names_its_conditions() {
    let matrix = AccessMatrix::of(&model(), None, &[MatrixRole::System("designer")]);
    let cells = column(&matrix, 0);
    let condition = ConditionUse { id: "not-live".to_owned(), params: BTreeMap::new() };
    let expected = Condition { permission: "campaigns.update".to_owned(), condition };
    assert_eq!(cells["campaigns.update"], Cell::Conditional(vec![expected]));
    // What something conditional implies is given without it, too.
    assert_eq!(cells["campaigns.view"], Cell::Allow);
}

#[test]
fn a_row_is_given_where_all_its_permissions_are_and_denied_where_the_display_says_so() {
    let mut document: Document = serde_saphyr::from_str(MODEL).unwrap();
    let row = |id: &str, permissions: &[&str]| document::Row {
        id: id.to_owned(),
        title: String::new(),
        permissions: permissions.iter().map(|id| (*id).to_owned()).collect(),
    };
    let ads = vec![
        row("both", &["campaigns.view", "campaigns.update"]),
        row("some", &["campaigns.view", "billing.pay"]),
        row("fly", &["campaigns.fly"]),
        row("none", &["people.admins"]),
    ];
    document.display.sections = vec![section("ads", &[], ads), section("money", &["marketer"], vec![row("pay", &["billing.pay"])])];
    document.display.roles = vec!["designer".to_owned(), "workspace-admin".to_owned()];
    document.display.denied = BTreeMap::from([
        ("designer".to_owned(), vec!["ads/none".to_owned(), "ads/both".to_owned()]),
        ("workspace-admin".to_owned(), vec!["money/*".to_owned(), "ads/some".to_owned()]),
    ]);
    let model = RoleModel::compile(document).unwrap();
    let cells = |kind| {
        let matrix = AccessMatrix::of(&model, kind, &displayed(model.document()));
        let rows = matrix.sections.into_iter().flat_map(|section| section.rows.into_iter().map(move |row| (section.id.clone(), row)));
        let short = |cell: &Cell| match cell {
            Cell::Allow => 'A',
            Cell::Conditional(_) => 'C',
            Cell::Deny => 'D',
            Cell::None => '-',
            Cell::NotApplicable => '/',
        };
        rows.map(|(section, row)| format!("{section}/{} {}", row.id, row.cells.iter().map(short).collect::<String>())).collect::<Vec<_>>()
    };
    assert_eq!(cells(Some(OrganizationKind::Marketer)), ["ads/both CA", "ads/some -D", "ads/fly //", "ads/none D-", "money/pay -D"]);
    assert_eq!(cells(Some(OrganizationKind::Publisher)), ["ads/both CA", "ads/some //", "ads/fly //", "ads/none D-"]);
    assert_eq!(cells(None).len(), 5);
}
