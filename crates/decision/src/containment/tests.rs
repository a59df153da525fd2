//! Who covers what: each user holds the role of the same name, and nothing else.

use super::*;
use crate::{
    decide::rules,
    document::Document,
    name::{BindingName, RoleName},
    permit::{Actor, Requirement, permit},
    record::Record,
    sample::{NOW, node, user, view_of},
    view::View,
};

const MODEL: &str = r#"
model: sample
title: Extents
description: Roles that give the same thing in different places.
types:
  - { id: campaign, title: Campaign, collection: campaigns, parents: [workspace, account] }
components:
  - { id: ads, title: Ads }
  - { id: people, title: People }
permissions:
  - { id: ads.view, title: View, level: view, types: [organization, workspace, account, campaign] }
  - { id: ads.update, title: Update, types: [organization, workspace, account, campaign] }
  - { id: ads.launch, title: Launch, types: [campaign] }
  - { id: people.assign, title: Assign, types: [organization, workspace, account] }
roles:
  - { id: owner, title: Owner, held_at: organization, assign_with: people.assign, contained: true, grants: [{ everything: {}, through_customers: true }] }
  - { id: watcher, title: At home, held_at: organization, assign_with: people.assign, contained: true, grants: [{ permissions: [ads.view] }] }
  - { id: through, title: Everywhere, held_at: organization, assign_with: people.assign, contained: true, grants: [{ permissions: [ads.view], through_customers: true }] }
  - { id: implier, title: At accounts, held_at: organization, assign_with: people.assign, contained: true, grants: [{ permissions: [organization.update] }], implies: [{ role: buyer }] }
  - { id: chief, title: At accounts everywhere, held_at: organization, assign_with: people.assign, contained: true, grants: [{ permissions: [organization.update] }], implies: [{ role: buyer, through_customers: true }] }
  - { id: host, title: By guests everywhere, held_at: organization, assign_with: people.assign, contained: true, grants: [{ permissions: [organization.update] }], implies: [{ role: guest, through_customers: true }] }
  - { id: regional, title: By helpers, held_at: organization, assign_with: people.assign, contained: true, grants: [{ permissions: [organization.update] }], implies: [{ role: helper }] }
  - { id: chain, title: By leads by guests, held_at: organization, assign_with: people.assign, contained: true, grants: [{ permissions: [organization.update] }], implies: [{ role: receptionist }] }
  - { id: fleet, title: By pilots, held_at: organization, assign_with: people.assign, contained: true, grants: [{ permissions: [organization.update] }], implies: [{ role: pilot }] }
  - { id: flyer, title: Launches, held_at: organization, assign_with: people.assign, contained: true, grants: [{ permissions: [ads.launch] }] }
  - { id: squad, title: By launchers, held_at: organization, assign_with: people.assign, contained: true, grants: [{ permissions: [organization.update] }], implies: [{ role: launcher }] }
  - { id: helper, title: Upward too, held_at: workspace, assign_with: people.assign, contained: true, upward: [organization.get], grants: [{ permissions: [ads.view] }] }
  - { id: door, title: Upward only, held_at: workspace, assign_with: people.assign, contained: true, upward: [organization.get] }
  - { id: lead, title: At its accounts, held_at: workspace, assign_with: people.assign, contained: true, grants: [{ permissions: [workspaces.get] }], implies: [{ role: buyer }] }
  - { id: far-lead, title: At its customers' accounts too, held_at: workspace, assign_with: people.assign, contained: true, grants: [{ permissions: [workspaces.get] }], implies: [{ role: buyer, through_customers: true }] }
  - { id: crown, title: In its customers, held_at: workspace, assign_with: people.assign, contained: true, grants: [{ permissions: [workspaces.get] }], implies: [{ role: watcher, through_customers: true }] }
  - { id: far-helper, title: There and in its customers, held_at: workspace, assign_with: people.assign, contained: true, grants: [{ permissions: [ads.view], through_customers: true }] }
  - { id: receptionist, title: Guests, held_at: workspace, assign_with: people.assign, contained: true, grants: [{ permissions: [workspaces.get] }], implies: [{ role: guest, through_customers: true }] }
  - { id: buyer, title: Account, held_at: account, assign_with: people.assign, contained: true, grants: [{ permissions: [ads.view] }] }
  - { id: desk, title: Account only, held_at: account, assign_with: people.assign, contained: true, grants: [{ permissions: [ads.view], types: [account] }] }
  - { id: guest, title: Account and upward, held_at: account, assign_with: people.assign, contained: true, upward: [organization.get], grants: [{ permissions: [ads.view] }] }
  - { id: updater, title: Updates, held_at: account, assign_with: people.assign, contained: true, grants: [{ permissions: [ads.update] }] }
  - { id: launcher, title: Launches in accounts, held_at: account, assign_with: people.assign, contained: true, grants: [{ permissions: [ads.launch] }] }
  - { id: pilot, title: Updates for watchers, held_at: account, assign_with: people.assign, contained: true, requires: [watcher], grants: [{ permissions: [ads.update] }] }
custom_roles: { held_at: [account, workspace, organization], define_with: people.assign, assign_with: people.assign }
"#;

const WORLD: &str = "
users: [nobody, watcher, through, implier, chief, host, regional, fleet, helper, door, lead, far-lead, crown, far-helper, buyer, desk, guest, both, pair, armada, flyer, squad]
organizations:
  - id: acme
    model: sample
    workspaces: [{ id: w }]
    accounts: [{ id: a, workspace: w }]
    members: [nobody, watcher, through, implier, chief, host, regional, fleet, helper, door, lead, far-lead, crown, far-helper, buyer, desk, guest, both, pair, armada, flyer, squad]
    bindings:
      - { principal: watcher, role: watcher }
      - { principal: through, role: through }
      - { principal: implier, role: implier }
      - { principal: chief, role: chief }
      - { principal: host, role: host }
      - { principal: regional, role: regional }
      - { principal: fleet, role: fleet }
      - { principal: helper, role: helper, node: workspaces/w }
      - { principal: door, role: door, node: workspaces/w }
      - { principal: lead, role: lead, node: workspaces/w }
      - { principal: far-lead, role: far-lead, node: workspaces/w }
      - { principal: crown, role: crown, node: workspaces/w }
      - { principal: far-helper, role: far-helper, node: workspaces/w }
      - { principal: buyer, role: buyer, node: accounts/a }
      - { principal: desk, role: desk, node: accounts/a }
      - { principal: guest, role: guest, node: accounts/a }
      - { id: both-1, principal: both, role: watcher }
      - { id: both-2, principal: both, role: updater, node: accounts/a }
      - { principal: pair, role: through }
      - { principal: pair, role: regional }
      - { principal: pair, role: helper, node: workspaces/w }
      - { principal: armada, role: fleet }
      - { principal: armada, role: watcher }
      - { principal: flyer, role: flyer }
      - { principal: squad, role: squad }
  - id: customer
    parent: acme/workspaces/w
    workspaces: [{ id: cw }]
    accounts: [{ id: x }]
  - id: below
    parent: customer/workspaces/cw
    accounts: [{ id: y }]
";

fn world() -> View {
    view_of(MODEL, WORLD)
}

/// The permissions of a role given there that somebody lacks.
fn missing(view: &View, who: &str, role: &str, at: &str) -> Vec<String> {
    let path = Path::of(view, &node(at));
    let rules = rules(view, &path, NOW).unwrap();
    let role = rules.installed.model.role(role).unwrap();
    let proposal = Proposal { role: ProposedRole::System(role), condition: None, expires: None, leaves: &|_| true };
    let subject = Subject::of(view, view.user_slot(view.user_id(&user(who)).unwrap()).unwrap());
    let missing = covered(&rules, &subject, &path, &proposal).err().unwrap_or_default();
    // What each of these roles has beside, so that it is one.
    missing.into_iter().filter(|id| id != "organization.update" && id != "workspaces.get").collect()
}

fn covering<'u>(role: &str, at: &str, among: &[&'u str]) -> Vec<&'u str> {
    let view = world();
    among.iter().copied().filter(|who| missing(&view, who, role, at).is_empty()).collect()
}

const AT_ORGANIZATION: [&str; 5] = ["nobody", "watcher", "implier", "chief", "through"];

#[test]
fn what_is_had_only_at_accounts_or_only_at_home_covers_no_more() {
    assert_eq!(covering("watcher", "acme", &AT_ORGANIZATION), ["watcher", "through"]);
    assert_eq!(covering("implier", "acme", &AT_ORGANIZATION), ["watcher", "implier", "chief", "through"]);
    assert_eq!(covering("chief", "acme", &AT_ORGANIZATION), ["chief", "through"]);
    assert_eq!(covering("through", "acme", &AT_ORGANIZATION), ["through"]);
}

#[test]
fn what_is_had_on_what_is_in_accounts_covers_nothing_that_is_elsewhere() {
    // A campaign may be in a workspace too.
    let among = ["nobody", "watcher", "flyer", "squad"];
    assert_eq!(covering("flyer", "acme", &among), ["flyer"]);
    assert_eq!(covering("squad", "acme", &among), ["flyer", "squad"]);
    assert_eq!(covering("launcher", "acme/accounts/a", &among), ["flyer", "squad"]);
}

#[test]
fn beyond_a_border_only_what_goes_through_customers_covers() {
    for at in ["customer", "below"] {
        assert_eq!(covering("watcher", at, &AT_ORGANIZATION), ["through"], "{at}");
        assert_eq!(covering("implier", at, &AT_ORGANIZATION), ["chief", "through"], "{at}");
        assert_eq!(covering("chief", at, &AT_ORGANIZATION), ["chief", "through"], "{at}");
        assert_eq!(covering("through", at, &AT_ORGANIZATION), ["through"], "{at}");
    }
    for at in ["customer/accounts/x", "below/accounts/y"] {
        assert_eq!(covering("buyer", at, &AT_ORGANIZATION), ["chief", "through"], "{at}");
    }
}

#[test]
fn what_a_workspace_gives_in_its_customers_is_covered_by_what_is_had_there() {
    let among = ["watcher", "implier", "chief", "through", "helper", "lead", "far-lead", "crown", "far-helper", "buyer"];
    let expected = ["watcher", "implier", "chief", "through", "helper", "lead", "far-lead", "far-helper"];
    assert_eq!(covering("lead", "acme/workspaces/w", &among), expected);
    assert_eq!(covering("far-lead", "acme/workspaces/w", &among), ["chief", "through", "far-lead", "far-helper"]);
    assert_eq!(covering("crown", "acme/workspaces/w", &among), ["through", "crown", "far-helper"]);
    assert_eq!(covering("far-helper", "acme/workspaces/w", &among), ["through", "far-helper"]);
}

#[test]
fn what_is_given_at_an_account_is_given_at_what_is_in_it() {
    let among = ["nobody", "watcher", "lead", "buyer", "desk", "guest"];
    assert_eq!(covering("buyer", "acme/accounts/a", &among), ["watcher", "lead", "buyer", "guest"]);
    assert_eq!(covering("desk", "acme/accounts/a", &among), ["watcher", "lead", "buyer", "desk", "guest"]);
}

#[test]
fn what_is_given_upward_is_had_upward() {
    let view = world();
    let missing = |who, role, at| missing(&view, who, role, at);
    assert_eq!(missing("helper", "helper", "acme/workspaces/w"), [""; 0]);
    assert_eq!(missing("watcher", "helper", "acme/workspaces/w"), ["organization.get"]);
    assert_eq!(missing("implier", "helper", "acme/workspaces/w"), ["ads.view", "organization.get"]);
    assert_eq!(missing("guest", "guest", "acme/accounts/a"), [""; 0]);
    assert_eq!(missing("buyer", "guest", "acme/accounts/a"), ["organization.get"]);
    assert_eq!(covering("door", "acme/workspaces/w", &["watcher", "helper", "door", "lead"]), ["helper", "door"]);
}

#[test]
fn what_implied_roles_give_upward_in_customers_is_had_there() {
    let view = world();
    let missing = |who, role, at| missing(&view, who, role, at);
    assert_eq!(missing("host", "host", "acme"), [""; 0]);
    assert_eq!(missing("chief", "host", "acme"), ["organization.get"]);
    assert_eq!(missing("through", "host", "acme"), ["organization.get"]);
    // At home it is had upward by helpers; in customers it is not.
    assert_eq!(missing("pair", "regional", "acme"), [""; 0]);
    assert_eq!(missing("pair", "chain", "acme"), ["organization.get"]);
}

#[test]
fn an_implied_role_counts_only_where_what_it_requires_is_held() {
    let view = world();
    assert_eq!(missing(&view, "fleet", "fleet", "acme"), ["ads.update"]);
    assert_eq!(missing(&view, "armada", "fleet", "acme"), [""; 0]);
}

#[test]
fn a_permit_by_an_implied_role_rests_on_what_that_requires() {
    let mut view = world();
    let asked = Requirement::Permission { permission: "ads.update".to_owned(), node: node("acme/accounts/a") };
    let expires = |view: &View| permit(view, &Actor::User(user("armada")), &asked, NOW).unwrap().expires;
    assert_eq!(expires(&view), None);
    let mut watcher = view.binding(&BindingName::parse("organizations/acme/roleBindings/armada-watcher").unwrap()).unwrap();
    watcher.expires = Some(Timestamp(NOW.0 + 1));
    view.apply("", Some(Record::Binding(watcher)));
    assert_eq!(expires(&view), Some(Timestamp(NOW.0 + 1)));
}

fn custom(held_at: &str, permissions: &[&str]) -> CustomRole {
    CustomRole {
        name: RoleName::parse("organizations/acme/roles/new").unwrap(),
        held_at: held_at.to_owned(),
        grants: vec![Grant { permissions: permissions.iter().map(|id| (*id).to_owned()).collect(), ..Grant::default() }],
    }
}

/// The bindings by which a custom role is covered.
fn basis(who: &str, custom: &CustomRole, at: &str) -> Result<Vec<String>, Vec<String>> {
    let view = world();
    let path = Path::of(&view, &node(at));
    let proposal = Proposal { role: ProposedRole::Custom(custom), condition: None, expires: None, leaves: &|_| true };
    let subject = Subject::of(&view, view.user_slot(view.user_id(&user(who)).unwrap()).unwrap());
    let covered = covered(&rules(&view, &path, NOW).unwrap(), &subject, &path, &proposal);
    covered.map(|basis| basis.into_iter().map(|(bound, _)| bound.name.id().to_owned()).collect())
}

#[test]
fn what_is_defined_for_accounts_is_covered_by_what_is_had_at_accounts() {
    let viewer = custom("account", &["ads.view"]);
    assert!(basis("implier", &viewer, "acme").is_ok());
    assert_eq!(basis("implier", &custom("workspace", &["ads.view"]), "acme"), Err(vec!["ads.view".to_owned()]));
    assert_eq!(basis("implier", &custom("organization", &["ads.view"]), "acme"), Err(vec!["ads.view".to_owned()]));
    assert!(basis("buyer", &viewer, "acme/accounts/a").is_ok());
}

#[test]
fn the_basis_is_every_binding_that_something_is_covered_by_once() {
    let mut found = basis("both", &custom("account", &["ads.view", "ads.update"]), "acme/accounts/a").unwrap();
    found.sort();
    assert_eq!(found, ["both-1", "both-2"]);
}

#[test]
fn a_permission_comes_with_one_that_implies_it_and_that_nothing_more_can_close() {
    let model: Document = serde_saphyr::from_str(
        r#"
model: sample
title: Implications
description: Permissions that imply another, each with something else that could close it.
types:
  - { id: campaign, title: Campaign, collection: campaigns, parents: [account] }
components: [{ id: ads, title: Ads }, { id: money, title: Money }]
permissions:
  - { id: ads.view, title: View, level: view, types: [account, campaign] }
  - { id: ads.update, title: Update, types: [account, campaign], implies: [ads.view] }
  - { id: ads.own, title: Own, types: [account, campaign], implies: [ads.update] }
  - { id: ads.fly, title: Fly, types: [account, campaign], implies: [ads.view], nobody: true }
  - { id: ads.draw, title: Draw, types: [campaign], implies: [ads.view] }
  - { id: ads.sell, title: Sell, types: [account, campaign], implies: [ads.view], kinds: [marketer] }
  - { id: ads.run, title: Run, types: [account, campaign], implies: [ads.view], needs: { active_account: true } }
  - { id: ads.trade, title: Trade, types: [account, campaign], implies: [ads.view], needs: { organization_has: [owner] } }
  - { id: money.pay, title: Pay, types: [account, campaign], implies: [ads.view] }
  - { id: ads.bounded, title: Bounded, types: [account], kinds: [marketer], needs: { active_account: true, organization_has: [owner] } }
  - { id: ads.same, title: As bounded, types: [account], kinds: [marketer], needs: { active_account: true, organization_has: [owner] }, implies: [ads.bounded] }
  - { id: ads.wider, title: For more kinds, types: [account], kinds: [marketer, mixed], needs: { active_account: true, organization_has: [owner] }, implies: [ads.bounded] }
  - { id: ads.other, title: For another kind, types: [account], kinds: [mixed], needs: { active_account: true, organization_has: [owner] }, implies: [ads.bounded] }
  - { id: ads.free, title: Unbounded, types: [account], implies: [ads.bounded] }
  - { id: ads.buyers, title: Where there is a buyer, types: [account], kinds: [marketer], needs: { active_account: true, organization_has: [buyer] }, implies: [ads.bounded] }
roles:
  - { id: owner, title: Owner, held_at: organization, grants: [{ everything: {} }] }
  - { id: buyer, title: Buyer, held_at: organization, grants: [{ permissions: [ads.view] }] }
"#,
    )
    .unwrap();
    let model = RoleModel::compile(model).unwrap();
    let account = model.type_index("account").unwrap();
    let comes = |had: &str, wanted: &str| comes_with(&model, model.permission(had).unwrap(), model.permission(wanted).unwrap(), account);
    let coming = |wanted: &str, among: &[&'static str]| among.iter().copied().filter(|had| comes(had, wanted)).collect::<Vec<_>>();
    let views =
        ["ads.view", "ads.update", "ads.own", "ads.fly", "ads.draw", "ads.sell", "ads.run", "ads.trade", "money.pay", "ads.bounded"];
    assert_eq!(coming("ads.view", &views), ["ads.view", "ads.update", "ads.own"]);
    assert_eq!(coming("ads.update", &views), ["ads.update", "ads.own"]);
    let bounded = ["ads.view", "ads.bounded", "ads.same", "ads.wider", "ads.other", "ads.free", "ads.buyers"];
    assert_eq!(coming("ads.bounded", &bounded), ["ads.bounded", "ads.same", "ads.wider", "ads.free"]);
    let campaign = model.type_index("campaign").unwrap();
    assert!(comes_with(&model, model.permission("ads.draw").unwrap(), model.permission("ads.view").unwrap(), campaign));
}
