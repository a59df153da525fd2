mod assignable;
mod structure;

use std::collections::BTreeMap;

use super::*;
use crate::{
    document::{ConditionUse, Grant},
    name::PartnershipName,
    sample::{MODEL, NOW, node, user, view, view_of},
};

const WORLD: &str = "
users: [olga, adam, wendy, mark, tim, sam, stranger, pia]
organizations:
  - id: acme
    model: sample
    workspaces: [{ id: w }]
    accounts: [{ id: a, workspace: w }, { id: b }]
    members: [olga, adam, wendy, mark, tim, sam]
    groups: [{ id: buyers, members: [sam] }]
    roles: [{ id: assigner, held_at: account, grants: [{ permissions: [people.assign, campaigns.view] }] }]
    partnerships: [{ id: p1, partner: partner, roles: [manager], accepted: true, expires_in_seconds: 100 }]
    bindings:
      - { principal: olga, role: owner }
      - { principal: adam, role: admin }
      - { principal: wendy, role: workspace-admin, node: workspaces/w }
      - { principal: mark, role: manager, node: accounts/a, components: { campaigns: edit, people: edit } }
      - { principal: tim, role: roles/assigner, node: accounts/a, expires_in_seconds: 60 }
      - { principal: sam, role: standard }
      - { principal: groups/buyers, role: manager, node: accounts/a, components: { campaigns: view } }
      - { principal: pia, role: manager, node: accounts/b, sponsor: partnerships/p1 }
  - id: partner
    model: sample
    members: [pia, olga]
    bindings: [{ principal: pia, role: owner }]
";

fn role(id: &str) -> RoleName {
    RoleName::parse(id).or_else(|_| RoleName::parse(&format!("roleModels/sample/roles/{id}"))).unwrap()
}

fn proposal(to: &str, what: &str, at: &str) -> Binding {
    Binding {
        name: BindingName::parse("organizations/acme/roleBindings/new").unwrap(),
        principal: Principal::User(user(to)),
        role: role(what),
        node: node(at),
        components: None,
        condition: None,
        expires: None,
        sponsor: None,
    }
}

fn map(entries: &[(&str, Level)]) -> Option<BTreeMap<String, Level>> {
    Some(entries.iter().map(|(id, level)| ((*id).to_owned(), *level)).collect())
}

fn by(who: &str, requirement: &Requirement) -> Result<Grounds, Refusal> {
    permit(&view(WORLD), &Actor::User(user(who)), requirement, NOW)
}

fn assign(who: &str, binding: Binding) -> Result<Grounds, Refusal> {
    by(who, &Requirement::Assign { binding, path: AssignPath::Assign })
}

fn binding(id: &str) -> BindingName {
    BindingName::parse(&format!("organizations/acme/roleBindings/{id}")).unwrap()
}

fn custom(id: &str, held_at: &str, grant: Grant) -> Requirement {
    Requirement::DefineRole {
        role: CustomRole { name: role(&format!("organizations/acme/roles/{id}")), held_at: held_at.to_owned(), grants: vec![grant] },
    }
}

fn permissions(ids: &[&str]) -> Grant {
    Grant { permissions: ids.iter().map(|id| (*id).to_owned()).collect(), ..Default::default() }
}

#[test]
fn a_stranger_is_not_allowed_whatever_exists() {
    for at in ["acme", "acme/workspaces/none", "nowhere", "acme/unknowns/1"] {
        let asked = Requirement::Permission { permission: "no.such".to_owned(), node: node(at) };
        assert_eq!(by("stranger", &asked), Err(Refusal::NotAllowed { permission: "no.such".to_owned(), node: node(at) }));
    }
    assert!(matches!(assign("stranger", proposal("sam", "no-such", "acme")), Err(Refusal::NotAllowed { .. })));
    assert!(matches!(by("stranger", &Requirement::Revoke { binding: binding("none") }), Err(Refusal::NotAllowed { .. })));
}

#[test]
fn a_role_is_given_only_with_its_assigning_permission() {
    assert!(assign("olga", proposal("sam", "admin", "acme")).is_ok());
    let refused = assign("adam", proposal("sam", "owner", "acme"));
    assert_eq!(refused, Err(Refusal::NotAllowed { permission: "people.admins".to_owned(), node: node("acme") }));
    assert!(matches!(assign("wendy", proposal("sam", "standard", "acme")), Err(Refusal::NotAllowed { .. })));
}

#[test]
fn what_is_given_must_be_within_what_the_giver_has() {
    let mut wide = proposal("sam", "manager", "acme/accounts/a");
    assert_eq!(assign("mark", wide.clone()), Err(Refusal::NotContained { what: vec!["billing.pay".to_owned()] }));
    wide.components = map(&[("campaigns", Level::View)]);
    assert!(assign("mark", wide.clone()).is_ok());
    wide.node = node("acme/accounts/b");
    assert!(matches!(assign("mark", wide), Err(Refusal::NotAllowed { .. })));
}

#[test]
fn what_is_given_ends_no_later_than_what_the_giver_has() {
    let mut proposed = proposal("sam", "manager", "acme/accounts/a");
    proposed.components = map(&[("campaigns", Level::View)]);
    assert!(matches!(assign("tim", proposed.clone()), Err(Refusal::NotContained { .. })));
    proposed.expires = Some(Timestamp(NOW.0 + 60_000_000));
    let grounds = assign("tim", proposed.clone()).unwrap();
    assert_eq!(grounds.expires, proposed.expires);
    proposed.expires = Some(Timestamp(NOW.0 + 60_000_001));
    assert!(matches!(assign("tim", proposed), Err(Refusal::NotContained { .. })));
}

#[test]
fn an_implied_role_covers_itself_and_an_unconditional_grant_covers_a_conditional_one() {
    assert!(assign("adam", proposal("sam", "workspace-admin", "acme/workspaces/w")).is_ok());
    assert!(assign("wendy", proposal("sam", "workspace-admin", "acme/workspaces/w")).is_ok());
    assert!(assign("wendy", proposal("sam", "designer", "acme/workspaces/w")).is_ok());
}

#[test]
fn who_is_invited_needs_the_inviting_permission_of_the_role_if_it_has_one() {
    let mut view = view_of(&MODEL.replace("{ id: manager,", "{ id: manager, invite_with: campaigns.update,"), WORLD);
    let mut own = view.binding(&binding("mark-manager-a")).unwrap();
    own.components = map(&[("campaigns", Level::Edit)]);
    view.apply("", Some(crate::record::Record::Binding(own)));
    let may = |who: &str, path, what: &str, at: &str| {
        let components = if what == "manager" { map(&[("campaigns", Level::View)]) } else { None };
        let binding = Binding { components, expires: Some(Timestamp(NOW.0 + 1)), ..proposal("sam", what, at) };
        permit(&view, &Actor::User(user(who)), &Requirement::Assign { binding, path }, NOW).map(drop)
    };
    let at = "acme/accounts/a";
    let lacking = |permission: &str| Err(Refusal::NotAllowed { permission: permission.to_owned(), node: node(at) });
    // Mark may update campaigns and not assign, Tim the other way round.
    assert_eq!(may("mark", AssignPath::Invite, "manager", at), Ok(()));
    assert_eq!(may("mark", AssignPath::Assign, "manager", at), lacking("people.assign"));
    assert_eq!(may("tim", AssignPath::Invite, "manager", at), lacking("campaigns.update"));
    assert_eq!(may("tim", AssignPath::Assign, "manager", at), Ok(()));
    // A role that has none is offered by who may give it.
    assert_eq!(may("wendy", AssignPath::Invite, "designer", "acme/workspaces/w"), Ok(()));
    assert_eq!(may("tim", AssignPath::Invite, "organizations/acme/roles/assigner", at), Ok(()));
    assert_eq!(may("mark", AssignPath::Invite, "organizations/acme/roles/assigner", at), lacking("people.assign"));
}

#[test]
fn a_conditional_grant_covers_only_the_same_condition() {
    let mut view = view(WORLD);
    let held = ConditionUse { id: "budget-below".to_owned(), params: BTreeMap::from([("most".to_owned(), 10.into())]) };
    let mut own = view.binding(&binding("mark-manager-a")).unwrap();
    own.name = binding("mark-conditional");
    own.components = map(&[("billing", Level::Edit)]);
    own.condition = Some(held.clone());
    view.apply("", Some(crate::record::Record::Binding(own)));
    let mut proposed = proposal("sam", "manager", "acme/accounts/a");
    proposed.components = map(&[("billing", Level::Edit)]);
    let mut attempt = |condition: Option<ConditionUse>| {
        proposed.condition = condition;
        permit(&view, &Actor::User(user("mark")), &Requirement::Assign { binding: proposed.clone(), path: AssignPath::Assign }, NOW)
    };
    assert!(matches!(attempt(None), Err(Refusal::NotContained { .. })));
    assert!(attempt(Some(held.clone())).is_ok());
    let wider = ConditionUse { params: BTreeMap::from([("most".to_owned(), 11.into())]), ..held };
    assert!(matches!(attempt(Some(wider)), Err(Refusal::NotContained { .. })));
}

#[test]
fn a_binding_that_makes_no_sense_is_refused_with_its_field() {
    let field = |binding| match assign("olga", binding) {
        Err(Refusal::InvalidBinding(fault)) => fault.field(),
        _ => "",
    };
    assert_eq!(field(proposal("sam", "no-such", "acme")), "role");
    assert_eq!(field(proposal("sam", "manager", "acme")), "node");
    assert_eq!(field(Binding { components: map(&[("billing", Level::Edit)]), ..proposal("sam", "admin", "acme") }), "components");
    assert_eq!(
        field(Binding { components: map(&[("roles", Level::Edit)]), ..proposal("sam", "manager", "acme/accounts/a") }),
        "components"
    );
    let group = Principal::Group(GroupName::parse("organizations/acme/groups/buyers").unwrap());
    assert_eq!(field(Binding { principal: group, ..proposal("sam", "owner", "acme") }), "principal");
    let condition = Some(ConditionUse { id: "budget-below".to_owned(), params: BTreeMap::new() });
    assert_eq!(field(Binding { condition, ..proposal("sam", "admin", "acme") }), "condition.params");
    let sponsor = Some(Sponsor::parse("organizations/acme/partnerships/p1").unwrap());
    assert_eq!(field(Binding { sponsor: sponsor.clone(), ..proposal("sam", "manager", "acme/accounts/a") }), "sponsor");
    assert_eq!(field(Binding { sponsor, ..proposal("pia", "manager", "acme/accounts/a") }), "");
}

#[test]
fn taking_a_role_away_needs_authority_over_it() {
    let revoke = |who, id| by(who, &Requirement::Revoke { binding: binding(id) });
    assert!(matches!(revoke("adam", "olga-owner"), Err(Refusal::NotAllowed { .. })));
    assert!(revoke("olga", "adam-admin").is_ok());
    assert!(revoke("adam", "mark-manager-a").is_ok());
    assert!(matches!(revoke("olga", "none"), Err(Refusal::NotFound { .. })));
    let change = |who, id, to| by(who, &Requirement::Change { binding: binding(id), to });
    assert!(matches!(change("adam", "olga-owner", proposal("olga", "standard", "acme")), Err(Refusal::NotAllowed { .. })));
    let grounds = change("olga", "adam-admin", proposal("adam", "standard", "acme")).unwrap();
    assert_eq!(grounds.terms.present_role.unwrap().name, role("admin"));
}

#[test]
fn one_may_leave_by_oneself_where_the_model_lets() {
    assert!(by("sam", &Requirement::Revoke { binding: binding("sam-standard") }).is_ok());
    assert!(by("sam", &Requirement::Revoke { binding: binding("buyers-manager-a") }).is_err());
}

#[test]
fn joining_a_group_is_being_given_its_roles() {
    let join = |who| {
        let group = GroupName::parse("organizations/acme/groups/buyers").unwrap();
        by(who, &Requirement::JoinGroup { group, member: GroupMember::User(user("sam")) })
    };
    assert!(join("olga").is_ok());
    assert!(matches!(join("stranger"), Err(Refusal::NotAllowed { .. })));
    assert!(matches!(join("sam"), Err(Refusal::NotAllowed { .. })));
    // Their own authority there ends before the group's.
    assert!(matches!(join("tim"), Err(Refusal::NotContained { .. })));
    assert!(join("adam").is_ok());
}

#[test]
fn who_joins_a_group_gets_what_the_groups_around_it_hold() {
    let world =
        WORLD.replace("groups: [{ id: buyers, members: [sam] }]", "groups: [{ id: team }, { id: buyers, members: [sam, groups/team] }]");
    let mut view = view(&world);
    let change = |view: &View, who: &str| {
        let group = GroupName::parse("organizations/acme/groups/team").unwrap();
        let member = GroupMember::User(user("sam"));
        let join = Requirement::JoinGroup { group: group.clone(), member: member.clone() };
        let leave = Requirement::LeaveGroup { group, member };
        [join, leave].map(|requirement| permit(view, &Actor::User(user(who)), &requirement, NOW).is_ok())
    };
    assert_eq!(change(&view, "adam"), [true, true]);
    assert_eq!(change(&view, "sam"), [false, false]);
    // Until what they hold has ended.
    let mut given = view.binding(&binding("buyers-manager-a")).unwrap();
    given.expires = Some(Timestamp(NOW.0 + 1));
    view.apply("", Some(crate::record::Record::Binding(given.clone())));
    assert_eq!(change(&view, "sam"), [false, false]);
    given.expires = Some(NOW);
    view.apply("", Some(crate::record::Record::Binding(given)));
    assert_eq!(change(&view, "sam"), [true, true]);
}

#[test]
fn what_a_group_holds_in_a_customer_needs_authority_there() {
    let world = format!("{WORLD}  - {{ id: customer, parent: acme/workspaces/w, accounts: [{{ id: x }}] }}\n");
    let mut view = view(&world);
    let mut given = view.binding(&binding("buyers-manager-a")).unwrap();
    view.apply(given.name.as_str(), None);
    given.name = BindingName::parse("organizations/customer/roleBindings/buyers").unwrap();
    (given.node, given.sponsor) = (node("customer/accounts/x"), Some(Sponsor::Workspace(node("acme/workspaces/w"))));
    view.apply("", Some(crate::record::Record::Binding(given)));
    let join = |who: &str| {
        let group = GroupName::parse("organizations/acme/groups/buyers").unwrap();
        permit(&view, &Actor::User(user(who)), &Requirement::JoinGroup { group, member: GroupMember::User(user("sam")) }, NOW)
    };
    assert!(join("olga").is_ok());
    assert_eq!(join("adam"), Err(Refusal::NotAllowed { permission: "people.assign".to_owned(), node: node("customer/accounts/x") }));
}

fn partnership(name: &str) -> PartnershipName {
    PartnershipName::parse(&format!("organizations/{name}")).unwrap()
}

#[test]
fn who_is_in_a_group_is_the_groups_organizations_choice_where_a_partner_gives_it_something() {
    let mut view = view(WORLD);
    let helpers = GroupName::parse("organizations/partner/groups/helpers").unwrap();
    let mut given = view.binding(&binding("pia-manager-b")).unwrap();
    (given.name, given.node, given.principal) = (binding("helpers"), node("acme/accounts/a"), Principal::Group(helpers.clone()));
    view.apply("", Some(crate::record::Record::Binding(given.clone())));
    let change = |view: &View, who: &str| {
        let member = GroupMember::User(user("olga"));
        let join = Requirement::JoinGroup { group: helpers.clone(), member: member.clone() };
        let leave = Requirement::LeaveGroup { group: helpers.clone(), member };
        [join, leave].map(|requirement| permit(view, &Actor::User(user(who)), &requirement, NOW).is_ok())
    };
    assert_eq!(change(&view, "pia"), [true, true]);
    assert_eq!(change(&view, "sam"), [false, false]);
    // What the group holds at home needs authority.
    (given.name, given.node, given.sponsor) =
        (BindingName::parse("organizations/partner/roleBindings/own").unwrap(), node("partner"), None);
    given.role = role("owner");
    view.apply("", Some(crate::record::Record::Binding(given)));
    assert_eq!(change(&view, "pia"), [true, true]);
    assert_eq!(change(&view, "olga"), [false, false]);
}

#[test]
fn a_partnership_is_widened_by_those_who_may_assign_what_it_sponsors() {
    let view = view(WORLD);
    let present = view.partnership(&partnership("acme/partnerships/p1")).unwrap().clone();
    let widen = |who: &str, to: &Partnership| {
        let requirement = Requirement::WidenPartnership { binding: binding("pia-manager-b"), to: to.clone() };
        permit(&view, &Actor::User(user(who)), &requirement, NOW)
    };
    let lasting = Partnership { expires: None, ..present.clone() };
    assert!(widen("olga", &lasting).is_ok());
    assert!(matches!(widen("wendy", &lasting), Err(Refusal::NotAllowed { .. })));
    assert!(matches!(widen("stranger", &lasting), Err(Refusal::NotAllowed { .. })));
    // What somebody has by the partnership itself is what it allows now.
    assert!(widen("pia", &present).is_ok());
    assert!(matches!(widen("pia", &lasting), Err(Refusal::NotContained { .. })));
}

#[test]
fn what_has_ended_is_not_widened() {
    let mut view = view(WORLD);
    let present = view.partnership(&partnership("acme/partnerships/p1")).unwrap().clone();
    let to = Partnership { expires: None, ..present };
    let requirement = Requirement::WidenPartnership { binding: binding("pia-manager-b"), to };
    let mut widens_at = |expires| {
        let bound = Binding { expires: Some(expires), ..view.binding(&binding("pia-manager-b")).unwrap() };
        view.apply("", Some(crate::record::Record::Binding(bound)));
        permit(&view, &Actor::User(user("sam")), &requirement, NOW).is_ok()
    };
    assert!(!widens_at(Timestamp(NOW.0 + 1)));
    assert!(widens_at(NOW));
}

#[test]
fn a_sponsor_of_another_organization_looks_the_same_whether_or_not_it_exists() {
    let mut view = view(WORLD);
    let mut foreign = view.partnership(&partnership("acme/partnerships/p1")).unwrap().clone();
    foreign.name = partnership("partner/partnerships/there");
    view.apply("", Some(crate::record::Record::Partnership(foreign)));
    let by_sponsor = |name: &str| {
        let sponsored = Binding { sponsor: Some(Sponsor::Partnership(partnership(name))), ..proposal("pia", "manager", "acme/accounts/a") };
        permit(&view, &Actor::User(user("olga")), &Requirement::Assign { binding: sponsored, path: AssignPath::Assign }, NOW)
    };
    let refused = by_sponsor("partner/partnerships/there");
    assert!(matches!(refused, Err(Refusal::InvalidBinding(BindingFault::Sponsor(_)))));
    assert_eq!(refused, by_sponsor("partner/partnerships/none"));
    assert_eq!(refused, by_sponsor("nowhere/partnerships/none"));
    // That the partner's people are its members rests on its tree.
    assert!(by_sponsor("acme/partnerships/p1").unwrap().trees.contains("organizations/partner"));
}

#[test]
fn a_custom_role_is_within_its_author_and_never_the_authors_own() {
    assert!(by("olga", &custom("new", "account", permissions(&["campaigns.update", "billing.pay"]))).is_ok());
    assert!(by("adam", &custom("new", "account", permissions(&["campaigns.update", "people.assign"]))).is_ok());
    let fault = |who, requirement| match by(who, &requirement) {
        Err(Refusal::InvalidRole(fault)) => Some(fault),
        _ => None,
    };
    assert_eq!(fault("olga", custom("new", "campaign", permissions(&[]))), Some(RoleFault::HeldAt("campaign".to_owned())));
    assert_eq!(
        fault("olga", custom("new", "account", permissions(&["people.admins"]))),
        Some(RoleFault::NotOffered("people.admins".to_owned()))
    );
    assert_eq!(
        fault("olga", custom("new", "account", permissions(&["campaigns.fly"]))),
        Some(RoleFault::NotOffered("campaigns.fly".to_owned()))
    );
    assert_eq!(
        fault("olga", custom("new", "account", permissions(&["resources.update"]))),
        Some(RoleFault::NotOffered("resources.update".to_owned()))
    );
    assert!(matches!(by("tim", &custom("assigner", "account", permissions(&["campaigns.view"]))), Err(Refusal::NotAllowed { .. })));
    let mut view = view(WORLD);
    let mut own = view.binding(&binding("tim-assigner-a")).unwrap();
    own.name = binding("own");
    own.principal = Principal::User(user("adam"));
    view.apply("", Some(crate::record::Record::Binding(own)));
    let edit = custom("assigner", "account", permissions(&["campaigns.view"]));
    assert_eq!(permit(&view, &Actor::User(user("adam")), &edit, NOW), Err(Refusal::OwnRole));
    assert!(permit(&view, &Actor::Platform, &edit, NOW).is_ok());
    // One that has ended is held no more.
    let mut ends_at = |expires| {
        let bound = Binding { expires: Some(expires), ..view.binding(&binding("own")).unwrap() };
        view.apply("", Some(crate::record::Record::Binding(bound)));
        permit(&view, &Actor::User(user("adam")), &edit, NOW).map(drop)
    };
    assert_eq!(ends_at(Timestamp(NOW.0 + 1)), Err(Refusal::OwnRole));
    assert_eq!(ends_at(NOW), Ok(()));
}

#[test]
fn who_defines_custom_roles_needs_the_models_permission_for_it_too() {
    let define = custom("new", "account", permissions(&["campaigns.view"]));
    let in_model = |model: &str| permit(&view_of(model, WORLD), &Actor::User(user("adam")), &define, NOW).map(drop);
    assert_eq!(in_model(MODEL), Ok(()));
    let lacking = Refusal::NotAllowed { permission: "people.custom".to_owned(), node: node("acme") };
    assert_eq!(in_model(&MODEL.replace("[people.assign, people.custom]", "[people.assign]")), Err(lacking));
    // If it says one.
    assert_eq!(in_model(&MODEL.replace("define_with: people.custom, ", "")), Ok(()));
}

#[test]
fn a_custom_role_in_use_is_not_deleted() {
    let delete = Requirement::DeleteRole { role: role("organizations/acme/roles/assigner") };
    assert_eq!(by("olga", &delete), Err(Refusal::RoleInUse { count: 1 }));
    let missing = Requirement::DeleteRole { role: role("organizations/acme/roles/none") };
    assert!(matches!(by("olga", &missing), Err(Refusal::NotFound { .. })));
}

#[test]
fn a_permit_names_every_tree_that_it_rests_on_and_lapses_with_what_ends_first() {
    let asked = Requirement::Permission { permission: "people.assign".to_owned(), node: node("acme/accounts/b") };
    let grounds = by("pia", &asked).unwrap();
    let expected = ["organizations/acme", "organizations/partner", "users/pia"].map(str::to_owned);
    assert_eq!(grounds.trees, BTreeSet::from(expected));
    assert_eq!(grounds.expires, Some(Timestamp(NOW.0 + 100_000_000)));
    assert_eq!(grounds.terms.node_type, "account");
    assert_eq!(grounds.terms.required_roles.len(), 1);
    assert_eq!(grounds.terms.membership.default, Some(role("standard")));
    assert_eq!(grounds.terms.model, Some(("sample".to_owned(), 1)));
    let myself = by("pia", &Requirement::Myself { user: user("pia") }).unwrap();
    assert_eq!(myself.trees, BTreeSet::from(["users/pia".to_owned()]));
}

#[test]
fn a_permit_rests_on_what_its_roles_require_too() {
    let mut view = view(WORLD);
    let campaign = "acme/accounts/a/campaigns/1";
    let mut give = |id: &str, what: &str, at: &str, expires| {
        let held = Binding { name: binding(id), expires, ..proposal("sam", what, at) };
        view.apply("", Some(crate::record::Record::Binding(held)));
    };
    give("launches", "launcher", campaign, Some(Timestamp(NOW.0 + 2)));
    give("designs", "designer", "acme/workspaces/w", Some(Timestamp(NOW.0 + 1)));
    let launch = Requirement::Permission { permission: "campaigns.launch".to_owned(), node: node(campaign) };
    let grounds = permit(&view, &Actor::User(user("sam")), &launch, NOW).unwrap();
    assert_eq!(grounds.expires, Some(Timestamp(NOW.0 + 1)));
}

#[test]
fn a_permit_says_whether_who_gets_a_role_is_a_member_now() {
    let is_member = |to: &str| assign("olga", proposal(to, "standard", "acme")).unwrap().terms.principal_is_member;
    assert!(is_member("sam"));
    assert!(!is_member("stranger"));
}

#[test]
fn the_platform_passes_every_permission_but_nonsense_stays_nonsense() {
    let as_platform = |requirement| permit(&view(WORLD), &Actor::Platform, &requirement, NOW);
    let grounds = as_platform(Requirement::Assign { binding: proposal("sam", "owner", "acme"), path: AssignPath::Assign }).unwrap();
    let terms = grounds.terms.role.unwrap();
    assert_eq!((terms.seats.least, terms.seats.most, terms.exclusive.len(), terms.users_only), (1, 2, 3, true));
    assert!(grounds.terms.principal_is_member);
    assert!(as_platform(Requirement::Platform).is_ok());
    let nonsense = Requirement::Assign { binding: proposal("sam", "manager", "acme"), path: AssignPath::Assign };
    assert!(matches!(as_platform(nonsense), Err(Refusal::InvalidBinding(_))));
    assert!(by("olga", &Requirement::Platform).is_err());
    assert!(by("olga", &Requirement::Myself { user: user("olga") }).is_ok());
    assert!(by("olga", &Requirement::Myself { user: user("sam") }).is_err());
}
