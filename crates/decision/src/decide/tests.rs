use super::*;
use crate::{
    record::Record,
    sample::{NOW, node, user, view},
};

const WORLD: &str = "
users: [olga, adam, dora, carl, gail, pia, eve, { id: sid, suspended: true }]
organizations:
  - id: acme
    model: sample
    workspaces: [{ id: w }]
    accounts: [{ id: a, workspace: w }, { id: p, paused: true }]
    members: [olga, adam, dora, carl, gail, sid]
    groups: [{ id: inner, members: [gail] }, { id: outer, members: [groups/inner] }]
    roles: [{ id: spender, held_at: account, grants: [{ permissions: [billing.pay] }] }]
    partnerships: [{ id: p1, partner: partner, roles: [manager], components: { campaigns: view }, accepted: true }]
    resources: [{ name: workspaces/w/campaigns/live, attributes: { live: true } }, { name: workspaces/w/campaigns/draft, attributes: { live: false } }]
    bindings:
      - { principal: olga, role: owner }
      - { principal: sid, role: standard }
      - { principal: adam, role: admin }
      - { principal: dora, role: designer, node: workspaces/w }
      - { principal: dora, role: launcher, node: workspaces/w/campaigns/draft }
      - { principal: carl, role: launcher, node: workspaces/w/campaigns/draft }
      - { principal: groups/outer, role: manager, node: accounts/a, condition: { id: budget-below, params: { most: 10 } } }
      - { principal: carl, role: roles/spender, node: accounts/a, expires_in_seconds: 60 }
      - { principal: organizations/partner, role: manager, node: accounts/a, sponsor: partnerships/p1 }
  - id: partner
    model: sample
    members: [pia, olga]
    bindings: [{ principal: olga, role: owner }, { principal: pia, role: standard }]
  - id: customer
    parent: acme/workspaces/w
    ceiling: [people]
    accounts: [{ id: a }]
";

fn ask(view: &View, who: &str, permission: &str, resource: &str) -> Outcome {
    let query = Query { user: user(who), permission: permission.to_owned(), resource: node(resource), attributes: BTreeMap::new() };
    decide(view, &query, NOW).unwrap().outcome
}

fn allowed(view: &View, who: &str, permission: &str, resource: &str) -> bool {
    matches!(ask(view, who, permission, resource), Outcome::Allow(_))
}

#[test]
fn a_role_gives_what_it_grants_at_its_node_and_below() {
    let view = view(WORLD);
    assert!(allowed(&view, "olga", "campaigns.update", "acme/workspaces/w/campaigns/unregistered"));
    assert!(allowed(&view, "adam", "access.get", "acme/workspaces/w"));
    assert_eq!(ask(&view, "adam", "resources.create", "acme/accounts/p"), Outcome::Deny(Reason::NoGrant));
    assert_eq!(ask(&view, "eve", "campaigns.view", "acme/workspaces/w"), Outcome::Deny(Reason::NoGrant));
}

#[test]
fn gates_close_in_their_order() {
    let mut view = view(WORLD);
    let campaign = "acme/accounts/p/campaigns/1";
    assert_eq!(ask(&view, "sid", "campaigns.fly", campaign), Outcome::Deny(Reason::NotAvailable));
    assert_eq!(ask(&view, "sid", "campaigns.launch", "acme"), Outcome::Deny(Reason::TypeNotApplicable));
    assert_eq!(ask(&view, "sid", "campaigns.launch", campaign), Outcome::Deny(Reason::UserSuspended));
    assert_eq!(ask(&view, "nobody", "campaigns.launch", campaign), Outcome::Deny(Reason::UserUnknown));
    assert_eq!(ask(&view, "olga", "campaigns.launch", campaign), Outcome::Deny(Reason::AccountPaused(node("acme/accounts/p"))));
    assert_eq!(
        ask(&view, "olga", "campaigns.view", "acme/workspaces/x/campaigns/1"),
        Outcome::Deny(Reason::NodeUnknown(node("acme/workspaces/x")))
    );
    assert_eq!(ask(&view, "olga", "campaigns.view", "customer/accounts/a"), Outcome::Deny(Reason::AboveCeiling(node("customer"))));
    assert_eq!(ask(&view, "olga", "campaigns.view", "nowhere"), Outcome::Deny(Reason::ResourceUnknown));
    view.apply("organizations/acme/workspaces/w", None);
    assert_eq!(ask(&view, "olga", "campaigns.view", "acme/accounts/a"), Outcome::Deny(Reason::NodeUnknown(node("acme/workspaces/w"))));
}

#[test]
fn only_what_goes_through_customers_crosses_their_border() {
    let view = view(WORLD);
    assert!(allowed(&view, "olga", "people.assign", "customer/accounts/a"));
    assert_eq!(ask(&view, "adam", "people.assign", "customer/accounts/a"), Outcome::Deny(Reason::NoGrant));
}

#[test]
fn a_false_condition_gives_nothing_and_a_missing_attribute_makes_it_conditional() {
    let view = view(WORLD);
    assert!(allowed(&view, "dora", "campaigns.update", "acme/workspaces/w/campaigns/draft"));
    assert_eq!(ask(&view, "dora", "campaigns.update", "acme/workspaces/w/campaigns/live"), Outcome::Deny(Reason::NoGrant));
    let missing = Outcome::Conditional(BTreeSet::from([BTreeSet::from(["live".to_owned()])]));
    assert_eq!(ask(&view, "dora", "campaigns.update", "acme/workspaces/w/campaigns/new"), missing);
}

#[test]
fn a_role_counts_only_with_the_role_that_it_requires() {
    let view = view(WORLD);
    assert!(allowed(&view, "dora", "campaigns.launch", "acme/workspaces/w/campaigns/draft"));
    assert!(!allowed(&view, "carl", "campaigns.launch", "acme/workspaces/w/campaigns/draft"));
    assert!(!allowed(&view, "dora", "campaigns.launch", "acme/workspaces/w/campaigns/live"));
}

#[test]
fn groups_in_groups_reach_their_members_and_request_attributes_count() {
    let view = view(WORLD);
    let mut query = Query {
        user: user("gail"),
        permission: "campaigns.view".to_owned(),
        resource: node("acme/accounts/a/campaigns/1"),
        attributes: BTreeMap::from([("budget".to_owned(), Value::Int(9))]),
    };
    assert!(matches!(decide(&view, &query, NOW).unwrap().outcome, Outcome::Allow(_)));
    query.attributes.insert("budget".to_owned(), Value::Int(10));
    assert_eq!(decide(&view, &query, NOW).unwrap().outcome, Outcome::Deny(Reason::NoGrant));
    query.attributes.insert("live".to_owned(), Value::Bool(true));
    assert!(matches!(decide(&view, &query, NOW), Err(Invalid::UnknownAttribute { .. })));
}

#[test]
fn a_partner_gets_what_its_sponsor_allows_and_loses_it_with_the_sponsor() {
    let mut view = view(WORLD);
    assert!(allowed(&view, "pia", "campaigns.view", "acme/accounts/a"));
    assert!(!allowed(&view, "pia", "campaigns.update", "acme/accounts/a"));
    let snapshot = view.clone();
    view.apply("organizations/acme/partnerships/p1", None);
    assert!(!allowed(&view, "pia", "campaigns.view", "acme/accounts/a"));
    assert!(allowed(&snapshot, "pia", "campaigns.view", "acme/accounts/a"));
}

#[test]
fn at_exactly_its_expiry_a_binding_has_expired() {
    let view = view(WORLD);
    let query =
        Query { user: user("carl"), permission: "billing.pay".to_owned(), resource: node("acme/accounts/a"), attributes: BTreeMap::new() };
    let at = |micros: i64| decide(&view, &query, Timestamp(NOW.0 + micros)).unwrap().outcome;
    assert!(matches!(at(59_999_999), Outcome::Allow(_)));
    assert_eq!(at(60_000_000), Outcome::Deny(Reason::NoGrant));
}

#[test]
fn upward_permissions_count_on_the_organization_only() {
    let mut view = view(WORLD);
    assert!(allowed(&view, "adam", "organization.get", "acme"));
    let binding = view.binding(&crate::name::BindingName::parse("organizations/acme/roleBindings/dora-designer-w").unwrap()).unwrap();
    let role = crate::name::RoleName::system("sample", "workspace-admin").unwrap();
    let changed = Record::Binding(crate::record::Binding { role, ..binding });
    assert!(!allowed(&view, "dora", "organization.get", "acme"));
    view.apply(&changed.key(), Some(changed));
    assert!(allowed(&view, "dora", "organization.get", "acme"));
    assert!(!allowed(&view, "dora", "organization.get", "customer"));
}

#[test]
fn the_order_in_which_records_arrive_does_not_matter() {
    let forward = view(WORLD);
    let mut records: Vec<Record> = forward.nodes().cloned().map(Record::Node).collect();
    records.extend(forward.bindings().map(Record::Binding));
    records.extend(forward.users().cloned().map(Record::User));
    for record in records.iter().rev().chain(&records) {
        let mut again = forward.clone();
        again.apply(&record.key(), None);
        again.apply(&record.key(), Some(record.clone()));
        for who in ["olga", "adam", "dora", "gail"] {
            for resource in ["acme", "acme/workspaces/w", "acme/accounts/a", "customer"] {
                let all = |view: &View| permissions_of(view, &user(who), &node(resource), &BTreeMap::new(), NOW).unwrap();
                assert_eq!(all(&again), all(&forward), "{}", record.key());
            }
        }
    }
}

#[test]
fn what_the_model_does_not_know_makes_no_sense() {
    let view = view(WORLD);
    let mut query = Query { user: user("olga"), permission: "deals.get".to_owned(), resource: node("acme"), attributes: BTreeMap::new() };
    assert!(matches!(decide(&view, &query, NOW), Err(Invalid::UnknownPermission { .. })));
    query.permission = "campaigns.view".to_owned();
    query.resource = node("acme/campaigns/1");
    assert!(matches!(decide(&view, &query, NOW), Err(Invalid::UnknownCollection { .. })));
}

const CONFINED: &str = "
users: [{ id: max, managed_by: shop }, { id: kim, managed_by: agency }, olga]
organizations:
  - id: agency
    model: sample
    workspaces: [{ id: w }]
    members: [max, kim, olga]
    groups: [{ id: g, members: [max, kim] }]
    bindings:
      - { principal: max, role: admin }
      - { principal: kim, role: admin }
      - { principal: groups/g, role: designer, node: workspaces/w }
      - { principal: olga, role: owner }
  - id: shop
    parent: agency/workspaces/w
    ceiling: [people, campaigns]
    workspaces: [{ id: w }]
    accounts: [{ id: a }]
    members: [max]
    bindings:
      - { principal: max, role: designer, node: workspaces/w }
      - { principal: kim, role: manager, node: accounts/a, condition: { id: budget-below, params: { most: 10 } }, sponsor: agency/workspaces/w }
  - id: elsewhere
    model: sample
    workspaces: [{ id: w }]
    members: [max, kim]
    partnerships: [{ id: p1, partner: agency, roles: [designer], accepted: true }]
    bindings:
      - { principal: max, role: admin }
      - { principal: organizations/agency, role: designer, node: workspaces/w, sponsor: partnerships/p1 }
";

#[test]
fn a_managed_user_has_nothing_outside_of_the_organization_that_manages_them() {
    let view = view(CONFINED);
    assert!(matches!(ask(&view, "max", "campaigns.update", "shop/workspaces/w/campaigns/draft"), Outcome::Conditional(_)));
    for (who, permission, resource) in [
        ("max", "access.get", "agency/workspaces/w"),
        ("max", "campaigns.update", "agency/workspaces/w/campaigns/draft"),
        ("max", "access.get", "elsewhere/workspaces/w"),
        ("max", "campaigns.update", "elsewhere/workspaces/w/campaigns/draft"),
        ("kim", "campaigns.update", "elsewhere/workspaces/w/campaigns/draft"),
    ] {
        assert_eq!(ask(&view, who, permission, resource), Outcome::Deny(Reason::NoGrant), "{who} {permission} {resource}");
    }
    let query = Query {
        user: user("olga"),
        permission: "campaigns.update".to_owned(),
        resource: node("elsewhere/workspaces/w/campaigns/draft"),
        attributes: BTreeMap::new(),
    };
    assert!(matches!(decide(&view, &query, NOW).unwrap().outcome, Outcome::Conditional(_)), "the partnership gives it to others");
}

#[test]
fn a_user_managed_by_an_agency_reaches_its_customers_and_one_of_a_customer_not_the_agency() {
    let mut view = view(CONFINED);
    assert!(allowed(&view, "kim", "access.get", "agency/workspaces/w"));
    assert!(matches!(ask(&view, "kim", "campaigns.view", "shop/accounts/a/campaigns/1"), Outcome::Conditional(_)));
    let explained = |view: &View, who: &str, resource: &str| {
        let query =
            Query { user: user(who), permission: "campaigns.update".to_owned(), resource: node(resource), attributes: BTreeMap::new() };
        let why = crate::explain::explain(view, &query, NOW).unwrap();
        why.bindings.into_iter().map(|binding| binding.result).collect::<Vec<_>>()
    };
    use crate::explain::{BindingResult, Idle};
    let agencys = explained(&view, "max", "agency/workspaces/w/campaigns/draft");
    assert_eq!(agencys, [BindingResult::Idle(Idle::Confined), BindingResult::Idle(Idle::Confined)]);
    // The customer goes to another agency's tree: who is managed by the old one has nothing there any more.
    let shop = view.node(&node("shop")).unwrap().clone();
    view.apply("organizations/shop", Some(Record::Node(crate::record::Node { parent: Some(node("elsewhere/workspaces/w")), ..shop })));
    assert_eq!(ask(&view, "kim", "campaigns.view", "shop/accounts/a/campaigns/1"), Outcome::Deny(Reason::NoGrant));
    assert!(matches!(explained(&view, "max", "shop/workspaces/w/campaigns/draft").as_slice(), [BindingResult::Grants(_), ..]));
    // The organization that manages them is gone from the view: they have nothing at all.
    view.apply(
        "users/max",
        Some(Record::User(crate::record::User { name: user("max"), suspended: false, confined_to: Some(node("gone")) })),
    );
    assert_eq!(ask(&view, "max", "campaigns.update", "shop/workspaces/w/campaigns/draft"), Outcome::Deny(Reason::NoGrant));
}
