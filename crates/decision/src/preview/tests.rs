use super::*;
use crate::{
    name::{BindingName, Principal},
    record::{Node, OrganizationKind, Record},
    sample::{NOW, node, user, view},
};

const WORLD: &str = "
users: [wendy, vera, sam, mark]
organizations:
  - id: acme
    model: sample
    kind: marketer
    workspaces: [{ id: w }, { id: v }]
    accounts: [{ id: a, workspace: w }]
    resources: [{ name: accounts/a/campaigns/1 }]
    members: [wendy, vera, sam, mark]
    groups: [{ id: inner, members: [sam] }, { id: outer, members: [groups/inner] }]
    roles: [{ id: payer, held_at: account, grants: [{ permissions: [billing.pay, campaigns.view] }] }]
    bindings:
      - { principal: wendy, role: workspace-admin, node: workspaces/w }
      - { principal: groups/outer, role: workspace-admin, node: workspaces/v }
      - { id: mark, principal: mark, role: designer, node: workspaces/w }
";

fn other(view: &View, change: impl FnOnce(&mut View)) -> View {
    let mut other = view.clone();
    change(&mut other);
    other
}

fn moved(view: &View) -> View {
    let there = Node { parent: Some(node("acme/workspaces/v")), ..view.node(&node("acme/accounts/a")).unwrap().clone() };
    other(view, |view| view.apply("", Some(Record::Node(there))))
}

/// Node, user, gained, lost.
type Line<'d> = (&'d str, &'d str, Vec<&'d str>, Vec<&'d str>);

fn short(difference: &Difference) -> Vec<Line<'_>> {
    fn ids(set: &BTreeSet<String>) -> Vec<&str> {
        set.iter().map(String::as_str).collect()
    }
    difference.access.iter().map(|change| (change.node.id(), change.user.id(), ids(&change.gained), ids(&change.lost))).collect()
}

#[test]
fn a_move_is_a_gain_there_and_a_loss_here_also_below() {
    let view = view(WORLD);
    let difference = compare(&view, &moved(&view), &[node("acme/accounts/a")], 100, NOW);
    let at_account = vec!["access.get", "campaigns.update", "campaigns.view", "people.assign"];
    assert_eq!(
        short(&difference),
        [
            ("a", "mark", vec![], vec!["campaigns.view"]),
            ("a", "sam", at_account.clone(), vec![]),
            ("a", "wendy", vec![], at_account.clone()),
            ("1", "mark", vec![], vec!["campaigns.view"]),
            ("1", "sam", at_account.clone(), vec![]),
            ("1", "wendy", vec![], at_account),
        ]
    );
    // What depends on an attribute that is not stored yet.
    let mark = &difference.access[3];
    assert_eq!(mark.lost_conditionally, BTreeSet::from(["campaigns.update".to_owned()]));
    assert!(mark.gained_conditionally.is_empty() && difference.complete && difference.roles.is_empty());
    let back = compare(&moved(&view), &view, &[node("acme/accounts/a")], 100, NOW);
    assert_eq!(back.access[3].gained_conditionally, BTreeSet::from(["campaigns.update".to_owned()]));
}

#[test]
fn what_goes_is_lost_and_what_is_the_same_is_not_told() {
    let view = view(WORLD);
    let without = other(&view, |view| view.apply("organizations/acme/roleBindings/mark", None));
    let difference = compare(&view, &without, &[node("acme")], 100, NOW);
    assert!(difference.access.iter().all(|change| change.user == user("mark") && !change.lost.is_empty()));
    assert_eq!(difference.access.iter().map(|change| change.node.id()).collect::<Vec<_>>(), ["a", "1", "w"]);
    assert_eq!(compare(&view, &view, &[node("acme")], 100, NOW), Difference { complete: true, ..Difference::default() });
}

#[test]
fn who_is_in_a_group_may_differ_and_so_may_what_anybody_holds() {
    let view = view(WORLD);
    let without = other(&view, |view| view.apply("organizations/acme/groups/outer#organizations/acme/groups/inner", None));
    let difference = compare(&view, &without, &[node("acme/workspaces/v")], 100, NOW);
    assert_eq!(short(&difference), [("v", "sam", vec![], vec!["access.get", "campaigns.update", "campaigns.view", "people.assign"])]);
    // Upward on the organization.
    let difference = compare(&view, &without, &[node("acme")], 100, NOW);
    assert_eq!(short(&difference)[0], ("acme", "sam", vec![], vec!["organization.get"]));
    let mut gone = view.binding(&BindingName::parse("organizations/acme/roleBindings/mark").unwrap()).unwrap();
    gone.principal = Principal::User(user("vera"));
    let given = other(&view, |view| view.apply("", Some(Record::Binding(gone))));
    let difference = compare(&view, &given, &[node("acme/workspaces/w")], 100, NOW);
    let at_workspace = [("w", "mark", vec![], vec!["campaigns.view"]), ("w", "vera", vec!["campaigns.view"], vec![])];
    assert_eq!(short(&difference)[4..], at_workspace);
}

#[test]
fn a_comparison_that_was_broken_off_is_not_complete() {
    let view = view(WORLD);
    let difference = compare(&view, &moved(&view), &[node("acme/accounts/a")], 2, NOW);
    assert_eq!((difference.access.len(), difference.complete), (2, false));
    let difference = compare(&view, &moved(&view), &[node("acme/accounts/a")], 6, NOW);
    assert_eq!((difference.access.len(), difference.complete), (6, true));
}

#[test]
fn a_kind_that_does_not_allow_it_takes_permissions_from_custom_roles() {
    let view = view(WORLD);
    let publisher = Node { kind: OrganizationKind::Publisher, ..view.node(&node("acme")).unwrap().clone() };
    let changed = other(&view, |view| view.apply("", Some(Record::Node(publisher))));
    let roles = |before: &View, after: &View| compare(before, after, &[node("acme")], 100, NOW).roles;
    let [change] = roles(&view, &changed).try_into().unwrap();
    assert_eq!(change.role.as_str(), "organizations/acme/roles/payer");
    assert_eq!((change.gained.len(), change.lost), (0, BTreeSet::from(["billing.pay".to_owned()])));
    let [change] = roles(&changed, &view).try_into().unwrap();
    assert_eq!((change.gained, change.lost.len()), (BTreeSet::from(["billing.pay".to_owned()]), 0));
    let without = other(&view, |view| view.apply("organizations/acme/roles/payer", None));
    assert_eq!(roles(&view, &without)[0].lost.len(), 2);
}
