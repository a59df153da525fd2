//! Moving and restoring.

use super::{super::*, binding, role};
use crate::{
    record::{NodeState, Record},
    sample::{NOW, node, user, view},
};

const WORLD: &str = "
users: [olga, wendy, wanda, vera, dora, sam, mark, stranger, tess, cara]
organizations:
  - id: acme
    model: sample
    workspaces: [{ id: w }, { id: v }]
    accounts: [{ id: a, workspace: w }, { id: b }]
    members: [olga, wendy, wanda, vera, dora, sam, mark, tess, cara]
    groups: [{ id: buyers, members: [sam] }]
    roles: [{ id: assigner, held_at: workspace, grants: [{ permissions: [people.assign] }] }]
    bindings:
      - { principal: olga, role: owner }
      - { principal: wendy, role: workspace-admin, node: workspaces/w }
      - { id: wanda-w, principal: wanda, role: workspace-admin, node: workspaces/w }
      - { id: wanda-v, principal: wanda, role: workspace-admin, node: workspaces/v }
      - { principal: vera, role: workspace-admin, node: workspaces/v }
      - { principal: dora, role: roles/assigner, node: workspaces/w }
      - { principal: dora, role: workspace-admin, node: workspaces/v }
      - { principal: sam, role: standard }
      - { principal: groups/buyers, role: manager, node: accounts/a, components: { campaigns: view, people: edit } }
      - { id: mark-a, principal: mark, role: manager, node: accounts/a, components: { campaigns: view, people: edit } }
  - id: customer
    parent: acme/workspaces/w
    accounts: [{ id: x }]
  - id: other
    model: sample
    workspaces: [{ id: o }]
    members: [olga]
";

/// A node with another parent.
fn to(view: &View, name: &str, parent: &str) -> Node {
    Node { parent: Some(node(parent)), ..view.node(&node(name)).unwrap().clone() }
}

fn moves(view: &View, who: &str, name: &str, parent: &str) -> Result<Grounds, Refusal> {
    permit(view, &Actor::User(user(who)), &Requirement::Move { to: to(view, name, parent) }, NOW)
}

#[test]
fn who_moves_needs_authority_over_the_roles_on_both_sides() {
    let view = view(WORLD);
    let moved = |who| moves(&view, who, "acme/accounts/a", "acme/workspaces/v");
    assert!(moved("olga").unwrap().trees.contains("organizations/acme"));
    assert!(moved("wanda").is_ok());
    // Nothing to say at the new place, nor at the old one.
    assert_eq!(moved("wendy"), Err(Refusal::NotAllowed { permission: "people.assign".to_owned(), node: node("acme/workspaces/v") }));
    assert_eq!(moved("vera"), Err(Refusal::NotAllowed { permission: "people.assign".to_owned(), node: node("acme/workspaces/w") }));
    assert!(matches!(moved("stranger"), Err(Refusal::NotAllowed { .. })));
    assert!(permit(&view, &Actor::Platform, &Requirement::Move { to: to(&view, "acme/accounts/a", "acme/workspaces/v") }, NOW).is_ok());
}

#[test]
fn what_is_only_left_and_what_is_only_entered_are_each_judged() {
    let view = view(WORLD);
    let out = |who| moves(&view, who, "acme/accounts/a", "acme");
    assert!(out("wendy").is_ok());
    assert_eq!(out("vera"), Err(Refusal::NotAllowed { permission: "people.assign".to_owned(), node: node("acme/workspaces/w") }));
    let into = |who| moves(&view, who, "acme/accounts/b", "acme/workspaces/v");
    assert!(into("olga").is_ok());
    assert!(matches!(into("wendy"), Err(Refusal::NotAllowed { .. })));
}

#[test]
fn what_has_ended_needs_no_authority() {
    let mut view = view(WORLD);
    for name in ["wanda-v", "vera-workspace-admin-v", "dora-workspace-admin-v"] {
        let mut ended = view.binding(&binding(name)).unwrap();
        ended.expires = Some(NOW);
        view.apply("", Some(Record::Binding(ended)));
    }
    assert!(moves(&view, "wendy", "acme/accounts/a", "acme/workspaces/v").is_ok());
    let mut lasting = view.binding(&binding("wanda-v")).unwrap();
    lasting.expires = Some(Timestamp(NOW.0 + 1));
    view.apply("", Some(Record::Binding(lasting)));
    assert!(moves(&view, "wendy", "acme/accounts/a", "acme/workspaces/v").is_err());
}

#[test]
fn what_is_passed_on_is_within_what_the_mover_has_at_the_new_place() {
    let mut view = view(WORLD);
    // Vera holds a custom role there that gives more than a workspace admin has.
    let wide = CustomRole {
        name: role("organizations/acme/roles/wide"),
        held_at: "workspace".to_owned(),
        grants: vec![crate::document::Grant { permissions: ["campaigns.launch".to_owned()].into(), ..Default::default() }],
    };
    view.apply("", Some(Record::CustomRole(wide.clone())));
    let mut given = view.binding(&binding("vera-workspace-admin-v")).unwrap();
    (given.name, given.role) = (binding("vera-wide"), wide.name);
    view.apply("", Some(Record::Binding(given)));
    let refused = moves(&view, "wanda", "acme/accounts/a", "acme/workspaces/v");
    assert_eq!(refused, Err(Refusal::NotContained { what: vec!["campaigns.launch".to_owned()] }));
    assert!(moves(&view, "olga", "acme/accounts/a", "acme/workspaces/v").is_ok());
    // The other way it is only lost.
    let mut there = to(&view, "acme/accounts/a", "acme/workspaces/v");
    view.apply("", Some(Record::Node(there.clone())));
    there.parent = Some(node("acme/workspaces/w"));
    assert!(permit(&view, &Actor::User(user("wanda")), &Requirement::Move { to: there }, NOW).is_ok());
}

#[test]
fn the_mover_gains_nothing_at_the_node() {
    let view = view(WORLD);
    let what = ["access.get", "campaigns.update", "campaigns.view"].map(str::to_owned).to_vec();
    assert_eq!(moves(&view, "dora", "acme/accounts/a", "acme/workspaces/v"), Err(Refusal::NotContained { what }));
    // Their authority over the roles would do.
    assert!(permit(&view, &Actor::User(user("dora")), &Requirement::Revoke { binding: binding("wanda-w") }, NOW).is_ok());
}

#[test]
fn the_mover_gains_nothing_by_getting_out_from_under_a_ceiling() {
    let mut view = view(WORLD);
    let mut bounded = view.node(&node("acme/workspaces/w")).unwrap().clone();
    bounded.ceiling = Some(["people".to_owned()].into());
    view.apply("", Some(Record::Node(bounded.clone())));
    let what = ["campaigns.update", "campaigns.view"].map(str::to_owned).to_vec();
    assert_eq!(moves(&view, "wanda", "acme/accounts/a", "acme/workspaces/v"), Err(Refusal::NotContained { what }));
    // Under one there is less.
    bounded.ceiling = None;
    view.apply("", Some(Record::Node(bounded)));
    let mut bounded = view.node(&node("acme/workspaces/v")).unwrap().clone();
    bounded.ceiling = Some(["people".to_owned()].into());
    view.apply("", Some(Record::Node(bounded)));
    assert!(moves(&view, "wanda", "acme/accounts/a", "acme/workspaces/v").is_ok());
}

#[test]
fn the_mover_gains_nothing_below_the_node() {
    let mut view = view(WORLD);
    assert!(moves(&view, "wanda", "customer", "acme/workspaces/v").is_ok());
    // It sleeps: its sponsor is not above.
    let asleep = Binding {
        name: BindingName::parse("organizations/customer/roleBindings/asleep").unwrap(),
        principal: Principal::User(user("wanda")),
        role: role("manager"),
        node: node("customer/accounts/x"),
        components: None,
        condition: None,
        expires: None,
        sponsor: Some(Sponsor::Workspace(node("acme/workspaces/v"))),
    };
    view.apply("", Some(Record::Binding(asleep.clone())));
    assert!(matches!(moves(&view, "wanda", "customer", "acme/workspaces/v"), Err(Refusal::NotContained { .. })));
    // Somebody else's is no gain of the mover's, nor is one that lives already.
    let others = Binding { principal: Principal::User(user("vera")), ..asleep.clone() };
    view.apply("", Some(Record::Binding(others)));
    assert!(moves(&view, "wanda", "customer", "acme/workspaces/v").is_ok());
    view.apply("", Some(Record::Binding(Binding { sponsor: Some(Sponsor::Workspace(node("acme/workspaces/w"))), ..asleep })));
    assert!(moves(&view, "wanda", "customer", "acme/workspaces/v").is_ok());
}

#[test]
fn a_moved_node_and_its_new_parent_exist_and_are_not_in_each_other() {
    let view = view(WORLD);
    let platform = |to: Node| permit(&view, &Actor::Platform, &Requirement::Move { to }, NOW);
    let not_found = |name: &str| Err(Refusal::NotFound { name: format!("organizations/{name}") });
    assert_eq!(platform(to(&view, "acme/accounts/a", "acme/workspaces/none")), not_found("acme/workspaces/none"));
    let unknown = Node { name: node("acme/accounts/none"), ..to(&view, "acme/accounts/a", "acme") };
    assert_eq!(platform(unknown), not_found("acme/accounts/none"));
    assert_eq!(platform(to(&view, "acme", "acme/workspaces/v")), not_found("acme/workspaces/v"));
    assert!(matches!(moves(&view, "wanda", "acme/accounts/a", "other/workspaces/o"), Err(Refusal::NotAllowed { .. })));
    assert!(matches!(moves(&view, "wanda", "acme/accounts/a", "nowhere/workspaces/o"), Err(Refusal::NotAllowed { .. })));
}

#[test]
fn the_new_parents_tree_is_among_the_grounds() {
    let mut view = view(WORLD);
    let mut owner = view.binding(&binding("olga-owner")).unwrap();
    (owner.name, owner.node) = (BindingName::parse("organizations/other/roleBindings/olga").unwrap(), node("other"));
    view.apply("", Some(Record::Binding(owner)));
    let grounds = moves(&view, "olga", "customer", "other/workspaces/o").unwrap();
    let expected = ["organizations/acme", "organizations/other", "users/olga"].map(str::to_owned);
    assert_eq!(grounds.trees, BTreeSet::from(expected));
}

/// The world with account `a` deleted, and the account as it is to be.
fn deleted() -> (View, Node) {
    let mut view = view(WORLD);
    let active = view.node(&node("acme/accounts/a")).unwrap().clone();
    view.apply("", Some(Record::Node(Node { state: NodeState::Deleted, ..active.clone() })));
    (view, active)
}

fn restores(view: &View, who: &str, to: &Node) -> Result<Grounds, Refusal> {
    permit(view, &Actor::User(user(who)), &Requirement::Restore { to: to.clone() }, NOW)
}

#[test]
fn who_restores_needs_authority_over_the_roles_that_come_back() {
    let (mut view, a) = deleted();
    assert!(restores(&view, "olga", &a).unwrap().trees.contains("organizations/acme"));
    assert!(restores(&view, "wendy", &a).is_ok());
    assert!(matches!(restores(&view, "vera", &a), Err(Refusal::NotAllowed { .. })));
    assert!(matches!(restores(&view, "stranger", &a), Err(Refusal::NotAllowed { .. })));
    assert!(permit(&view, &Actor::Platform, &Requirement::Restore { to: a.clone() }, NOW).is_ok());
    // More than Wendy has.
    let mut wide = view.binding(&binding("mark-a")).unwrap();
    wide.components = None;
    view.apply("", Some(Record::Binding(wide.clone())));
    let refused = restores(&view, "wendy", &a);
    assert!(matches!(refused, Err(Refusal::NotContained { .. })), "{refused:?}");
    assert!(restores(&view, "olga", &a).is_ok());
    // Nor what is held below, at what came with it.
    (wide.node, wide.role, wide.expires) = (node("acme/accounts/a/campaigns/1"), role("launcher"), None);
    let campaign = Node { name: wide.node.clone(), parent: None, ..a.clone() };
    view.apply("", Some(Record::Node(campaign)));
    view.apply("", Some(Record::Binding(wide.clone())));
    assert_eq!(restores(&view, "wendy", &a), Err(Refusal::NotContained { what: vec!["campaigns.launch".to_owned()] }));
    wide.expires = Some(NOW);
    view.apply("", Some(Record::Binding(wide)));
    assert!(restores(&view, "wendy", &a).is_ok());
}

#[test]
fn nobody_restores_by_what_they_would_get_back() {
    let (view, a) = deleted();
    // Mark would hold it himself, Sam by a group.
    assert!(matches!(restores(&view, "mark", &a), Err(Refusal::NotAllowed { .. })));
    assert!(matches!(restores(&view, "sam", &a), Err(Refusal::NotAllowed { .. })));
}

#[test]
fn what_was_deleted_by_itself_does_not_come_back_with_its_parent() {
    let mut view = view(WORLD);
    let w = view.node(&node("acme/workspaces/w")).unwrap().clone();
    view.apply("", Some(Record::Node(Node { state: NodeState::Deleted, ..w.clone() })));
    let mut admin = view.binding(&binding("sam-standard")).unwrap();
    admin.role = role("admin");
    view.apply("", Some(Record::Binding(admin)));
    assert!(restores(&view, "sam", &w).is_ok());
    // More than an admin has, at an account in the workspace.
    let wide = Binding { components: None, ..view.binding(&binding("mark-a")).unwrap() };
    let beyond = CustomRole {
        name: role("organizations/acme/roles/beyond"),
        held_at: "account".to_owned(),
        grants: vec![crate::document::Grant { permissions: ["accounts.get".to_owned()].into(), ..Default::default() }],
    };
    view.apply("", Some(Record::CustomRole(beyond.clone())));
    view.apply("", Some(Record::Binding(Binding { name: binding("beyond"), role: beyond.name, ..wide })));
    assert_eq!(restores(&view, "sam", &w), Err(Refusal::NotContained { what: vec!["accounts.get".to_owned()] }));
    let a = view.node(&node("acme/accounts/a")).unwrap().clone();
    view.apply("", Some(Record::Node(Node { state: NodeState::Deleted, ..a })));
    assert!(restores(&view, "sam", &w).is_ok());
}

#[test]
fn what_is_restored_exists() {
    let (view, a) = deleted();
    let none = Node { name: node("acme/accounts/none"), ..a };
    assert_eq!(restores(&view, "olga", &none), Err(Refusal::NotFound { name: "organizations/acme/accounts/none".to_owned() }));
}
