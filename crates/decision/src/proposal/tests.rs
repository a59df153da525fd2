//! Each fault by itself, beside what is just in order.

use std::collections::{BTreeMap, BTreeSet};

use super::*;
use crate::{
    decide::rules,
    document::{Everything, Grant},
    name::{BindingName, PartnershipName},
    record::{Partnership, Record, Timestamp},
    sample::{MODEL, NOW, node, user, view_of},
    view::View,
};

const WORLD: &str = "
users: [olga, pia, zoe]
organizations:
  - id: acme
    model: sample
    workspaces: [{ id: w }, { id: v }]
    accounts: [{ id: a, workspace: w }, { id: b }]
    members: [olga]
    groups: [{ id: buyers }]
    roles: [{ id: own, held_at: account, grants: [{ permissions: [campaigns.view] }] }]
    partnerships: [{ id: p1, partner: partner, node: workspaces/w, roles: [manager], accepted: true, expires_in_seconds: 100 }]
  - id: partner
    model: sample
    members: [pia]
    groups: [{ id: helpers }]
    roles: [{ id: theirs, held_at: account, grants: [{ permissions: [campaigns.view] }] }]
  - id: customer
    parent: acme/workspaces/w
    accounts: [{ id: x }]
";

fn world() -> View {
    // Managers need a component map, and of billing there is but one level.
    let model = MODEL
        .replace(
            "assign_with: people.assign, component_map: optional, contained",
            "assign_with: people.assign, component_map: required, contained",
        )
        .replace("{ id: billing, title: Billing }", "{ id: billing, title: Billing, levels: [edit] }");
    view_of(&model, WORLD)
}

fn partnership(name: &str) -> PartnershipName {
    PartnershipName::parse(&format!("organizations/{name}")).unwrap()
}

fn principal(text: &str) -> Principal {
    Principal::parse(text).unwrap()
}

fn role(id: &str) -> RoleName {
    RoleName::parse(id).or_else(|_| RoleName::parse(&format!("roleModels/sample/roles/{id}"))).unwrap()
}

fn map(entries: &[(&str, Level)]) -> Option<BTreeMap<String, Level>> {
    Some(entries.iter().map(|(id, level)| ((*id).to_owned(), *level)).collect())
}

fn binding(to: &str, what: &str, at: &str) -> Binding {
    Binding {
        name: BindingName::parse("organizations/acme/roleBindings/new").unwrap(),
        principal: principal(to),
        role: role(what),
        node: node(at),
        components: if what == "manager" { map(&[("campaigns", Level::Edit)]) } else { None },
        condition: None,
        expires: None,
        sponsor: None,
    }
}

fn fault_in(view: &View, binding: &Binding) -> Option<BindingFault> {
    let path = Path::of(view, &binding.node);
    check_binding(&rules(view, &path, NOW).unwrap(), &path, binding).err()
}

fn fault(binding: &Binding) -> Option<BindingFault> {
    fault_in(&world(), binding)
}

#[test]
fn a_role_is_of_the_model_or_of_the_organization_and_held_at_such_nodes() {
    assert_eq!(fault(&binding("users/olga", "admin", "acme")), None);
    assert_eq!(fault(&binding("users/olga", "organizations/acme/roles/own", "acme/accounts/a")), None);
    let unknown = |what: &str| Some(BindingFault::UnknownRole(role(what)));
    for what in ["none", "roleModels/other/roles/admin", "organizations/acme/roles/none"] {
        assert_eq!(fault(&binding("users/olga", what, "acme")), unknown(what));
    }
    let theirs = "organizations/partner/roles/theirs";
    assert_eq!(fault(&binding("users/olga", theirs, "acme/accounts/a")), unknown(theirs));
    let node_type = |held_at: &str, at: &str| Some(BindingFault::NodeType { held_at: held_at.to_owned(), node: node(at) });
    assert_eq!(fault(&binding("users/olga", "admin", "acme/workspaces/w")), node_type("organization", "acme/workspaces/w"));
    let own = "organizations/acme/roles/own";
    assert_eq!(fault(&binding("users/olga", own, "acme/workspaces/w")), node_type("account", "acme/workspaces/w"));
    // Where custom roles are not held at such nodes any more, this one is not.
    let mut view = world();
    let moved = CustomRole { held_at: "organization".to_owned(), ..view.custom_role(&role(own)).unwrap().clone() };
    view.apply("", Some(Record::CustomRole(moved)));
    assert_eq!(fault_in(&view, &binding("users/olga", own, "acme")), node_type("organization", "acme"));
}

#[test]
fn a_component_map_is_there_if_the_role_says_so_and_has_levels_that_there_are() {
    let manager = |components| fault(&Binding { components, ..binding("users/olga", "manager", "acme/accounts/a") });
    assert_eq!(manager(None), Some(BindingFault::MapRequired));
    assert_eq!(manager(map(&[("campaigns", Level::View), ("billing", Level::Edit)])), None);
    assert_eq!(manager(map(&[("billing", Level::None)])), None);
    assert_eq!(
        manager(map(&[("billing", Level::View)])),
        Some(BindingFault::Level { component: "billing".to_owned(), level: Level::View })
    );
    for component in ["none", "roles"] {
        assert_eq!(manager(map(&[(component, Level::Edit)])), Some(BindingFault::UnknownComponent(component.to_owned())));
    }
    let admin = Binding { components: map(&[]), ..binding("users/olga", "admin", "acme") };
    assert_eq!(fault(&admin), Some(BindingFault::MapForbidden));
}

#[test]
fn a_role_is_for_kinds_of_principals_and_it_is_said_if_only_users_may() {
    let group = "organizations/acme/groups/buyers";
    let held = |what: &str, at: &str| fault(&binding(group, what, at));
    assert_eq!(held("owner", "acme"), Some(BindingFault::PrincipalKind { principal: principal(group), users_only: true }));
    assert_eq!(held("manager", "acme/accounts/a"), None);
    let model = MODEL.replace("{ id: designer,", "{ id: designer, principals: [user, organization],");
    let designer = binding(group, "designer", "acme/workspaces/w");
    let expected = BindingFault::PrincipalKind { principal: principal(group), users_only: false };
    assert_eq!(fault_in(&view_of(&model, WORLD), &designer), Some(expected));
}

#[test]
fn a_condition_is_known_and_an_end_is_to_come() {
    let with = |condition, expires| fault(&Binding { condition, expires, ..binding("users/olga", "admin", "acme") });
    let used = |id: &str, params: &[(&str, i64)]| {
        let params = params.iter().map(|(id, value)| ((*id).to_owned(), (*value).into())).collect();
        Some(ConditionUse { id: id.to_owned(), params })
    };
    assert_eq!(with(used("budget-below", &[("most", 1)]), Some(Timestamp(NOW.0 + 1))), None);
    assert_eq!(with(used("none", &[]), None), Some(BindingFault::UnknownCondition("none".to_owned())));
    assert!(matches!(with(used("budget-below", &[]), None), Some(BindingFault::ConditionParameters(_))));
    assert_eq!(with(None, Some(NOW)), Some(BindingFault::Expired));
}

/// The fault of a binding that a partnership sponsors.
fn sponsored(change: impl FnOnce(&mut Partnership), binding: Binding) -> Option<SponsorFault> {
    let mut view = world();
    let mut present = view.partnership(&partnership("acme/partnerships/p1")).unwrap().clone();
    change(&mut present);
    view.apply("", Some(Record::Partnership(present)));
    let sponsor = binding.sponsor.clone().or(Some(Sponsor::Partnership(partnership("acme/partnerships/p1"))));
    match fault_in(&view, &Binding { sponsor, ..binding }) {
        Some(BindingFault::Sponsor(fault)) => Some(fault),
        None => None,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_partnership_sponsors_what_it_says_and_only_while_it_does() {
    let good = || binding("users/pia", "manager", "acme/accounts/a");
    assert_eq!(sponsored(|_| {}, good()), None);
    assert_eq!(sponsored(|partnership| partnership.accepted = false, good()), Some(SponsorFault::NotAccepted));
    assert_eq!(sponsored(|partnership| partnership.expires = Some(NOW), good()), Some(SponsorFault::Expired));
    assert_eq!(sponsored(|partnership| partnership.expires = Some(Timestamp(NOW.0 + 1)), good()), None);
    assert_eq!(sponsored(|partnership| partnership.expires = None, good()), None);
    assert_eq!(sponsored(|partnership| partnership.roles = BTreeSet::from([role("designer")]), good()), Some(SponsorFault::Role));
    assert_eq!(sponsored(|partnership| partnership.users = Some(BTreeSet::from([user("pia")])), good()), None);
    assert_eq!(sponsored(|partnership| partnership.users = Some(BTreeSet::from([user("zoe")])), good()), Some(SponsorFault::User));
    let helpers = || binding("organizations/partner/groups/helpers", "manager", "acme/accounts/a");
    assert_eq!(sponsored(|partnership| partnership.users = Some(BTreeSet::from([user("zoe")])), helpers()), None);
    let by = |name| Binding { sponsor: Some(Sponsor::Partnership(partnership(name))), ..good() };
    assert_eq!(sponsored(|_| {}, by("acme/partnerships/none")), Some(SponsorFault::Unknown));
    assert_eq!(sponsored(|_| {}, by("partner/partnerships/none")), Some(SponsorFault::NotOfHere));
}

#[test]
fn a_partnership_sponsors_at_its_node_and_below_in_its_organization() {
    let manager = |at: &str| binding("users/pia", "manager", at);
    assert_eq!(sponsored(|_| {}, manager("acme/accounts/b")), Some(SponsorFault::OutsideNode));
    assert_eq!(sponsored(|partnership| partnership.node = node("acme"), manager("acme/accounts/b")), None);
    assert_eq!(sponsored(|partnership| partnership.node = node("acme/accounts/a"), manager("acme/accounts/a")), None);
    assert_eq!(
        sponsored(|partnership| partnership.node = node("acme/accounts/b"), manager("acme/accounts/a")),
        Some(SponsorFault::OutsideNode)
    );
    // A customer has partnerships of its own; what one says of a node above it counts for nothing.
    let mut view = world();
    let mut theirs = view.partnership(&partnership("acme/partnerships/p1")).unwrap().clone();
    theirs.name = partnership("customer/partnerships/p1");
    view.apply("", Some(Record::Partnership(theirs.clone())));
    let there = Binding { sponsor: Some(Sponsor::Partnership(theirs.name)), ..manager("customer/accounts/x") };
    assert_eq!(fault_in(&view, &there), Some(BindingFault::Sponsor(SponsorFault::OutsideNode)));
}

#[test]
fn a_sponsor_lets_in_its_own_people_groups_and_members_and_nobody_else() {
    let partners = |who: &str| sponsored(|_| {}, binding(who, "manager", "acme/accounts/a"));
    for who in ["users/pia", "organizations/partner/groups/helpers", "organizations/partner"] {
        assert_eq!(partners(who), None, "{who}");
    }
    for who in ["users/olga", "users/zoe", "organizations/acme/groups/buyers", "organizations/acme"] {
        assert_eq!(partners(who), Some(SponsorFault::NotMember), "{who}");
    }
}

#[test]
fn a_workspace_sponsors_below_itself_in_customers() {
    let by = |workspace: &str, who: &str, at: &str| {
        let sponsor = Some(Sponsor::Workspace(node(workspace)));
        sponsored(|_| {}, Binding { sponsor, ..binding(who, "manager", at) })
    };
    assert_eq!(by("acme/workspaces/w", "users/olga", "customer/accounts/x"), None);
    assert_eq!(by("acme/workspaces/w", "users/pia", "customer/accounts/x"), Some(SponsorFault::NotMember));
    assert_eq!(by("acme/workspaces/v", "users/olga", "customer/accounts/x"), Some(SponsorFault::NotOfHere));
    // Above, and in the same organization.
    assert_eq!(by("acme/workspaces/w", "users/olga", "acme/accounts/a"), Some(SponsorFault::NotOfHere));
    // Nor the organization itself.
    assert_eq!(by("customer", "users/olga", "customer/accounts/x"), Some(SponsorFault::NotOfHere));
}

fn role_fault(held_at: &str, grant: Grant) -> Option<RoleFault> {
    let view = world();
    let path = Path::of(&view, &node("acme"));
    let custom = CustomRole { name: role("organizations/acme/roles/new"), held_at: held_at.to_owned(), grants: vec![grant] };
    check_role(&rules(&view, &path, NOW).unwrap().installed.model, OrganizationKind::Publisher, &custom).err()
}

fn permissions(ids: &[&str]) -> Grant {
    Grant { permissions: ids.iter().map(|id| (*id).to_owned()).collect(), ..Grant::default() }
}

#[test]
fn a_custom_role_gives_permissions_that_exist_for_somebody_there() {
    assert_eq!(role_fault("account", permissions(&["campaigns.view", "campaigns.launch"])), None);
    assert_eq!(role_fault("organization", permissions(&[])), Some(RoleFault::HeldAt("organization".to_owned())));
    assert_eq!(role_fault("none", permissions(&[])), Some(RoleFault::HeldAt("none".to_owned())));
    assert_eq!(role_fault("account", permissions(&["campaigns.none"])), Some(RoleFault::Unknown("campaigns.none".to_owned())));
    // For nobody; not at or below accounts; not for this kind of organization; reserved.
    for id in ["campaigns.fly", "people.admins", "billing.pay", "accounts.get"] {
        assert_eq!(role_fault("account", permissions(&[id])), Some(RoleFault::NotOffered(id.to_owned())), "{id}");
    }
    let through = Grant { through_customers: true, ..permissions(&["campaigns.view"]) };
    assert_eq!(role_fault("account", through), Some(RoleFault::ThroughCustomers));
}

#[test]
fn a_custom_role_gives_components_at_levels_that_they_have() {
    let gives = |id: &str, level| role_fault("account", Grant { components: map(&[(id, level)]).unwrap(), ..Grant::default() });
    assert_eq!(gives("campaigns", Level::View), None);
    assert_eq!(gives("billing", Level::Edit), None);
    assert_eq!(gives("billing", Level::None), None);
    assert_eq!(gives("billing", Level::View), Some(RoleFault::Level { component: "billing".to_owned(), level: Level::View }));
    assert_eq!(gives("none", Level::Edit), Some(RoleFault::Unknown("none".to_owned())));
    assert_eq!(gives("roles", Level::Edit), Some(RoleFault::NotOffered("roles".to_owned())));
    let but = |id: &str| {
        let everything = Some(Everything { except: vec![id.to_owned()], ..Everything::default() });
        role_fault("account", Grant { everything, ..Grant::default() })
    };
    assert_eq!(but("billing"), None);
    for id in ["none", "roles"] {
        assert_eq!(but(id), Some(RoleFault::Unknown(id.to_owned())));
    }
}

#[test]
fn a_custom_roles_types_are_at_or_below_it_and_its_conditions_are_known() {
    let on = |id: &str| role_fault("account", Grant { types: vec![id.to_owned()], ..permissions(&["campaigns.view"]) });
    assert_eq!(on("campaign"), None);
    for id in ["workspace", "none"] {
        assert_eq!(on(id), Some(RoleFault::Unknown(id.to_owned())));
    }
    let under = |id: &str| {
        let condition = Some(ConditionUse { id: id.to_owned(), params: BTreeMap::new() });
        role_fault("account", Grant { condition, ..permissions(&["campaigns.view"]) })
    };
    assert_eq!(under("not-live"), None);
    assert_eq!(under("none"), Some(RoleFault::Unknown("none".to_owned())));
    assert!(matches!(under("budget-below"), Some(RoleFault::ConditionParameters(_))));
}
