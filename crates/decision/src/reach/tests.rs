use super::*;
use crate::{
    record::Record,
    sample::{NOW, node, user, view},
};

const WORLD: &str = "
users: [olga, wendy, mark, sam, pia, { id: sven, suspended: true }]
organizations:
  - id: acme
    model: sample
    workspaces: [{ id: v }, { id: w }, { id: closed, state: deleted }]
    accounts: [{ id: a, workspace: w }, { id: b }, { id: c, workspace: v }, { id: d, workspace: w }, { id: e, workspace: closed }]
    members: [olga, wendy, mark, sam, sven]
    groups: [{ id: buyers, members: [sam] }]
    partnerships: [{ id: p1, partner: partner, roles: [manager], accepted: true }]
    bindings:
      - { principal: olga, role: owner }
      - { principal: wendy, role: workspace-admin, node: workspaces/w }
      - { principal: mark, role: manager, node: accounts/b }
      - { principal: mark, role: workspace-admin, node: workspaces/w }
      - { principal: groups/buyers, role: manager, node: accounts/c }
      - { principal: pia, role: manager, node: accounts/a, sponsor: partnerships/p1 }
      - { principal: sven, role: owner }
  - id: a-customer
    parent: acme/workspaces/v
    accounts: [{ id: z }]
  - id: their-customer
    parent: acme/workspaces/w
  - id: partner
    model: sample
    members: [pia]
";

fn names(reached: &Reached) -> Vec<&str> {
    reached.names.iter().map(|name| name.as_str().trim_start_matches("organizations/")).collect()
}

fn everything(container: Container) -> Scope<'static> {
    Scope { container, under: None, after: None, limit: 100 }
}

fn list(who: &str, permission: &str, container: Container) -> Vec<String> {
    let view = view(WORLD);
    let reached = resources(&view, &user(who), permission, &everything(container), NOW);
    assert_eq!(reached.next, None);
    names(&reached).into_iter().map(str::to_owned).collect()
}

#[test]
fn what_is_reached_is_listed_by_name_across_organizations() {
    let all = ["a-customer/accounts/z", "acme/accounts/a", "acme/accounts/b", "acme/accounts/c", "acme/accounts/d"];
    assert_eq!(list("olga", "campaigns.update", Container::Account), all);
    assert_eq!(list("wendy", "campaigns.update", Container::Account), ["acme/accounts/a", "acme/accounts/d"]);
    assert_eq!(list("mark", "campaigns.update", Container::Account), ["acme/accounts/a", "acme/accounts/b", "acme/accounts/d"]);
    assert_eq!(list("sam", "campaigns.view", Container::Account), ["acme/accounts/c"]);
    assert_eq!(list("pia", "campaigns.view", Container::Account), ["acme/accounts/a"]);
    assert_eq!(list("olga", "campaigns.view", Container::Workspace), ["acme/workspaces/v", "acme/workspaces/w"]);
}

#[test]
fn what_is_given_upward_and_in_customers_is_listed_too() {
    assert_eq!(list("wendy", "organization.get", Container::Organization), ["acme"]);
    assert_eq!(list("olga", "organization.get", Container::Organization), ["a-customer", "acme", "their-customer"]);
}

#[test]
fn nobody_unknown_or_suspended_and_no_unknown_permission_has_a_list() {
    assert!(list("nobody", "campaigns.view", Container::Account).is_empty());
    assert!(list("sven", "campaigns.view", Container::Account).is_empty());
    assert!(list("olga", "campaigns.dance", Container::Account).is_empty());
}

#[test]
fn a_list_goes_on_after_a_name_and_stays_under_a_node() {
    let view = view(WORLD);
    let page = |under: Option<&NodeName>, after: Option<&str>, limit| {
        let scope = Scope { container: Container::Account, under, after, limit };
        let reached = resources(&view, &user("olga"), "campaigns.update", &scope, NOW);
        (reached.names.iter().map(ToString::to_string).collect::<Vec<_>>(), reached.next.map(|next| next.to_string()))
    };
    let text = |names: &[&str]| names.iter().map(|name| format!("organizations/{name}")).collect::<Vec<_>>();
    let (first, next) = page(None, None, 2);
    assert_eq!((first, next.as_deref()), (text(&["a-customer/accounts/z", "acme/accounts/a"]), Some("organizations/acme/accounts/a")));
    assert_eq!(page(None, next.as_deref(), 3), (text(&["acme/accounts/b", "acme/accounts/c", "acme/accounts/d"]), None));
    assert_eq!(page(Some(&node("acme/workspaces/v")), None, 9), (text(&["a-customer/accounts/z", "acme/accounts/c"]), None));
    assert_eq!(page(Some(&node("acme/accounts/b")), None, 9), (text(&["acme/accounts/b"]), None));
    assert_eq!(page(Some(&node("nowhere")), None, 9), (Vec::new(), None));
}

#[test]
fn the_platform_reaches_every_registered_node() {
    let view = view(WORLD);
    let under = node("acme/workspaces/w");
    let scope = Scope { under: Some(&under), ..everything(Container::Organization) };
    assert_eq!(names(&all(&view, &scope)), ["their-customer"]);
    assert_eq!(names(&all(&view, &everything(Container::Organization))), ["a-customer", "acme", "partner", "their-customer"]);
    let scope = Scope { after: Some("organizations/acme/accounts/c"), limit: 1, ..everything(Container::Account) };
    let reached = all(&view, &scope);
    assert_eq!(names(&reached), ["acme/accounts/d"]);
    assert_eq!(reached.next, Some(node("acme/accounts/d")));
}

#[test]
fn a_page_is_short_where_very_many_are_looked_at_and_few_found() {
    let mut view = view(WORLD);
    let paused = view.node(&node("acme/accounts/a")).unwrap().clone();
    // Of these none can be decided to be ALLOW.
    for at in 0..MOST_TRIED + 10 {
        let mut many = paused.clone();
        (many.name, many.state) = (node(&format!("acme/accounts/a{at}")), crate::record::NodeState::Deleted);
        view.apply("", Some(Record::Node(many)));
    }
    let mut scope = everything(Container::Account);
    let first = resources(&view, &user("wendy"), "campaigns.view", &scope, NOW);
    assert_eq!(names(&first), ["acme/accounts/a"]);
    let next = first.next.unwrap();
    scope.after = Some(next.as_str());
    let second = resources(&view, &user("wendy"), "campaigns.view", &scope, NOW);
    assert_eq!((names(&second), &second.next), (vec!["acme/accounts/d"], &None));
}
