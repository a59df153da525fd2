use super::*;
use crate::{
    document::Document,
    name::{BindingName, RoleName},
    record::{ModelRevision, Record},
    sample::{MODEL, NOW, node, view},
    validate::validate,
};

const WORLD: &str = "
users: [ann, bob, cem, dan]
organizations:
  - id: acme
    model: sample
    kind: marketer
    workspaces: [{ id: w }]
    accounts: [{ id: a, workspace: w }]
    resources: [{ name: accounts/a/campaigns/1 }]
    members: [ann, bob, cem, dan]
    groups: [{ id: g, members: [cem] }]
    roles: [{ id: payer, held_at: account, grants: [{ permissions: [billing.pay] }] }]
    bindings:
      - { id: ann, principal: ann, role: owner, node: '' }
      - { id: bob, principal: bob, role: manager, node: accounts/a, components: { billing: edit } }
      - { id: cem, principal: groups/g, role: workspace-admin, node: workspaces/w }
      - { id: dan, principal: dan, role: designer, node: workspaces/w, condition: { id: not-live } }
      - { id: dan-too, principal: dan, role: workspace-admin, node: workspaces/w }
      - { id: pay, principal: bob, role: roles/payer, node: accounts/a }
";

/// The same world in which the tree has pinned the next revision: the sample model with some of its text otherwise.
fn next(before: &View, changes: &[(&str, &str)]) -> View {
    let text = changes.iter().fold(MODEL.to_owned(), |text, (from, to)| {
        assert!(text.contains(from), "{from}");
        text.replace(from, to)
    });
    let document: Document = serde_saphyr::from_str(&text).unwrap();
    assert_eq!(validate(&document), Vec::new());
    let mut after = before.clone();
    let revision = Record::ModelRevision(ModelRevision { model: "sample".to_owned(), revision: 2, document });
    after.apply("", Some(revision));
    let mut root = before.node(&node("acme")).unwrap().clone();
    root.model = Some(("sample".to_owned(), 2));
    after.apply("", Some(Record::Node(root)));
    after
}

fn broken(changes: &[(&str, &str)]) -> Vec<(BreakageKind, String)> {
    let before = view(WORLD);
    let found = breakages(&before, &next(&before, changes), &node("acme"), NOW);
    found.into_iter().map(|one| (one.kind, one.resource.rsplit('/').next().unwrap().to_owned())).collect()
}

fn binding(id: &str) -> (BreakageKind, String) {
    (BreakageKind::Binding, id.to_owned())
}

#[test]
fn a_revision_that_only_gives_otherwise_breaks_nothing() {
    assert_eq!(broken(&[("title: Sample", "title: Another")]), []);
    assert_eq!(
        broken(&[("permissions: [campaigns.view, campaigns.update, people.assign, access.get]", "permissions: [campaigns.view]")]),
        []
    );
}

#[test]
fn a_binding_whose_role_or_what_it_says_is_gone_is_told() {
    assert_eq!(broken(&[("- { id: manager, title: Manager", "- { id: director, title: Director")]), [binding("bob")]);
    assert_eq!(broken(&[("component_map: optional, contained: true,", "contained: true,")]), [binding("bob")]);
    let required = "component_map: required, contained: true,";
    assert_eq!(broken(&[("component_map: optional, contained: true,", required)]), []);
    assert_eq!(broken(&[("id: not-live", "id: offline")]), [binding("dan")]);
    // Also what is a rule for whom.
    let users_only = (
        "held_at: workspace, assign_with: people.assign, upward",
        "held_at: workspace, principals: [user], assign_with: people.assign, upward",
    );
    assert_eq!(broken(&[users_only]), [binding("cem")]);
    assert_eq!(broken(&[("custom_roles: { held_at: [account, workspace]", "custom_roles: { held_at: [workspace]")]), [binding("pay")]);
}

#[test]
fn roles_that_come_to_exclude_each_other_are_told_of_who_holds_both() {
    let exclusive = [
        (
            "held_at: workspace, assign_with: people.assign, upward",
            "held_at: workspace, principals: [user], exclusive: seat, assign_with: people.assign, upward",
        ),
        ("title: Designer, held_at: workspace, ", "title: Designer, held_at: workspace, exclusive: seat, "),
    ];
    assert_eq!(broken(&exclusive), [binding("cem"), (BreakageKind::Exclusive, "dan-too".to_owned())]);
}

#[test]
fn a_resource_of_a_type_that_goes_is_told() {
    assert_eq!(broken(&[("parents: [workspace, account]", "parents: [workspace]")]), [(BreakageKind::Resource, "1".to_owned())]);
}

#[test]
fn what_did_not_count_before_is_no_worse() {
    let mut before = view(WORLD);
    let mut odd = before.bindings_at(&node("acme/accounts/a")).find(|binding| binding.role.id() == "manager").unwrap();
    odd.name = BindingName::parse("organizations/acme/roleBindings/odd").unwrap();
    odd.role = RoleName::parse("roleModels/sample/roles/never").unwrap();
    before.apply("", Some(Record::Binding(odd)));
    let after = next(&before, &[("title: Sample", "title: Another")]);
    assert_eq!(breakages(&before, &after, &node("acme"), NOW), []);
}

#[test]
fn a_plan_mends_what_would_break() {
    let before = view(WORLD);
    let mut after = next(&before, &[("- { id: manager, title: Manager", "- { id: director, title: Director")]);
    let mut mended = before.bindings_at(&node("acme/accounts/a")).find(|binding| binding.role.id() == "manager").unwrap();
    mended.role = RoleName::parse("roleModels/sample/roles/director").unwrap();
    after.apply("", Some(Record::Binding(mended.clone())));
    assert_eq!(breakages(&before, &after, &node("acme"), NOW), []);
    // But not by what somebody has already.
    let mut twice = mended.clone();
    twice.name = BindingName::parse("organizations/acme/roleBindings/twice").unwrap();
    after.apply("", Some(Record::Binding(twice)));
    assert_eq!(breakages(&before, &after, &node("acme"), NOW).iter().map(|one| one.kind).collect::<Vec<_>>(), [BreakageKind::HeldTwice]);
}
