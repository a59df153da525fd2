//! One small document for each rule: a sound one with one thing wrong.

use super::*;
use crate::document::*;

/// A sound document in which every kind of thing is there once.
fn sound() -> Document {
    serde_saphyr::from_str(
        r#"
model: ad-platform
types:
  - { id: campaign, collection: campaigns, parents: [account, workspace], attributes: [{ id: live, type: bool }, { id: tier, source: request }] }
  - { id: deal, collection: deals, parents: [organization] }
components:
  - { id: campaigns }
  - { id: billing, levels: [edit] }
permissions:
  - { id: campaigns.view, level: view, types: [campaign, account] }
  - { id: campaigns.run, types: [campaign], kinds: [marketer], implies: [campaigns.view], needs: { active_account: true, organization_has: [owner] } }
  - { id: billing.pay, types: [account] }
  - { id: campaigns.fly, types: [campaign], nobody: true }
  - { id: organization.assign, types: [organization] }
  - { id: accounts.assign, types: [account] }
conditions:
  - { id: not-live, expression: "!resource.live", attributes: [{ id: live, default: false }] }
  - { id: tier-is, expression: "resource.tier == params.tier", attributes: [{ id: tier }], parameters: [{ id: tier }] }
roles:
  - id: owner
    held_at: organization
    grants:
      - everything: { except: [billing] }
      - components: { billing: edit, organization: edit, accounts: edit }
    exclusive: organization
    seats: { least: 1, most: 5 }
    assign_with: organization.assign
  - id: standard
    held_at: organization
    grants: [{ permissions: [campaigns.view], types: [campaign], condition: { id: tier-is, params: { tier: gold } } }]
    exclusive: organization
    assign_with: organization.assign
  - id: account-admin
    held_at: account
    grants: [{ components: { campaigns: view, billing: edit } }, { permissions: [accounts.assign] }]
    upward: [organization.get]
    requires: [owner, standard]
    assign_with: accounts.assign
    contained: true
    component_map: optional
custom_roles: { held_at: [account], assign_with: accounts.assign, define_with: organization.assign }
membership: { organization_roles: [owner, standard], default: standard }
display:
  sections:
    - { id: campaigns, kinds: [marketer], rows: [{ id: view, permissions: [campaigns.view] }] }
  roles: [owner]
  denied: { owner: [campaigns/view, campaigns/*] }
"#,
    )
    .unwrap()
}

/// What is found once `change` was made to the sound document.
fn found(change: impl FnOnce(&mut Document)) -> Vec<Finding> {
    let mut document = sound();
    change(&mut document);
    validate(&document)
}

#[track_caller]
fn assert_finding(path: &str, says: &str, change: impl FnOnce(&mut Document)) {
    let findings = found(change);
    assert!(findings.iter().any(|finding| finding.path == path && finding.message.contains(says)), "{findings:#?}");
}

/// A role like `owner`'s grants, plus what `more` sets.
fn role(more: &str) -> Role {
    serde_saphyr::from_str(more).unwrap()
}

#[test]
fn a_sound_document_has_no_findings() {
    assert_eq!(found(|_| {}), []);
}

#[test]
fn all_findings_come_in_one_go_with_their_places() {
    let findings = found(|document| {
        document.model = "Ad Platform".into();
        document.roles[2].grants[1].permissions[0] = "accounts.asign".into();
        document.roles[0].held_at = "organisation".into();
    });
    let text: Vec<String> = findings.iter().map(Finding::to_string).collect();
    assert!(text.len() >= 3, "{text:#?}");
    assert_eq!(text[0], "model: `Ad Platform` is not an id like `ad-platform`; use 1 to 63 of a-z, 0-9 and -");
    assert!(text.contains(&"roles[0].held_at: there is no type `organisation`; did you mean `organization`?".to_owned()), "{text:#?}");
    let misspelt = "roles[2].grants[1].permissions[0]: there is no permission `accounts.asign`; did you mean `accounts.assign`?";
    assert!(text.contains(&misspelt.to_owned()), "{text:#?}");
}

#[test]
fn ids_are_well_formed() {
    assert_finding("types[0].id", "not an id", |d| d.types[0].id = "Campaign".into());
    assert_finding("types[0].collection", "not a collection", |d| d.types[0].collection = "Campaigns".into());
    assert_finding("types[0].collection", "reserved", |d| d.types[0].collection = "groups".into());
    assert_finding("types[0].attributes[0].id", "not an id", |d| d.types[0].attributes[0].id = "is-live".into());
    assert_finding("components[0].id", "not an id", |d| d.components[0].id = "Campaigns".into());
    assert_finding("permissions[0].id", "not a permission", |d| d.permissions[0].id = "campaigns-view".into());
    assert_finding("permissions[0].id", "not a permission", |d| d.permissions[0].id = "campaigns.view.all".into());
    assert_finding("conditions[0].id", "not an id", |d| d.conditions[0].id = "not_live".into());
    assert_finding("conditions[1].parameters[0].id", "not an id", |d| d.conditions[1].parameters[0].id = "the tier".into());
    assert_finding("roles[0].id", "not an id", |d| d.roles[0].id = "Owner".into());
    assert_finding("display.sections[0].id", "not a slug", |d| d.display.sections[0].id = "Campaigns".into());
    assert_finding("display.sections[0].rows[0].id", "not a slug", |d| d.display.sections[0].rows[0].id = String::new());
}

#[test]
fn ids_are_unique() {
    assert_finding("types[2].id", "already at `types[0]`", |d| d.types.push(d.types[0].clone()));
    assert_finding("types[1].collection", "already has", |d| d.types[1].collection = "campaigns".into());
    assert_finding("types[0].attributes[1].id", "already", |d| d.types[0].attributes[1].id = "live".into());
    assert_finding("components[1].id", "already", |d| d.components[1].id = "campaigns".into());
    assert_finding("permissions[1].id", "already", |d| d.permissions[1].id = "campaigns.view".into());
    assert_finding("conditions[1].id", "already", |d| d.conditions[1].id = "not-live".into());
    assert_finding("roles[1].id", "already", |d| d.roles[1].id = "owner".into());
    assert_finding("display.sections[1].id", "already", |d| d.display.sections.push(d.display.sections[0].clone()));
    assert_finding("roles[2].requires[1]", "already", |d| d.roles[2].requires[1] = "owner".into());
}

#[test]
fn unknown_names_are_found_everywhere() {
    assert_finding("types[0].parents[0]", "cannot be a parent", |d| d.types[0].parents[0] = "deal".into());
    assert_finding("permissions[0].id", "did you mean `campaigns`", |d| d.permissions[0].id = "campaign.view".into());
    assert_finding("permissions[0].types[0]", "did you mean `campaign`", |d| d.permissions[0].types[0] = "campain".into());
    assert_finding("permissions[1].kinds[0]", "no kind", |d| d.permissions[1].kinds[0] = "seller".into());
    assert_finding("permissions[1].needs.organization_has[0]", "no role", |d| d.permissions[1].needs.organization_has[0] = "ownr".into());
    assert_finding("permissions[1].implies[0]", "no permission", |d| d.permissions[1].implies[0] = "campaigns.vew".into());
    assert_finding("conditions[0].attributes[0].id", "no attribute", |d| d.conditions[0].attributes[0].id = "life".into());
    assert_finding("roles[0].held_at", "no type", |d| d.roles[0].held_at = "org".into());
    assert_finding("roles[0].grants[0].everything.except[0]", "did you mean `billing`", |d| {
        d.roles[0].grants[0].everything.as_mut().unwrap().except[0] = "biling".into();
    });
    assert_finding("roles[2].grants[0].components.bills", "no component", |d| {
        d.roles[2].grants[0].components.insert("bills".into(), Level::Edit);
    });
    assert_finding("roles[1].grants[0].types[0]", "no type", |d| d.roles[1].grants[0].types[0] = "banner".into());
    assert_finding("roles[1].grants[0].condition.id", "no condition", |d| d.roles[1].grants[0].condition.as_mut().unwrap().id = "x".into());
    assert_finding("roles[2].upward[0]", "no permission", |d| d.roles[2].upward[0] = "organization.gets".into());
    assert_finding("roles[2].requires[0]", "no role", |d| d.roles[2].requires[0] = "ownr".into());
    assert_finding("roles[0].implies[0].role", "no role", |d| {
        d.roles[0].implies.push(ImpliedRole { role: "account-admni".into(), ..ImpliedRole::default() });
    });
    assert_finding("roles[0].assign_with", "no permission", |d| d.roles[0].assign_with = "organization.give".into());
    assert_finding("roles[0].invite_with", "no permission", |d| d.roles[0].invite_with = "organization.give".into());
    assert_finding("custom_roles.held_at[0]", "no type", |d| d.custom_roles.as_mut().unwrap().held_at[0] = "acount".into());
    assert_finding("custom_roles.define_with", "no permission", |d| d.custom_roles.as_mut().unwrap().define_with = "x.y".into());
    assert_finding("membership.organization_roles[0]", "no role", |d| d.membership.organization_roles[0] = "boss".into());
    assert_finding("membership.default", "has seats", |d| {
        if let Some(role) = d.roles.iter_mut().find(|role| role.id == "standard") {
            role.seats.most = 3;
        }
    });
    assert_finding("membership.default", "no role", |d| d.membership.default = "standart".into());
    assert_finding("display.sections[0].kinds[0]", "no kind", |d| d.display.sections[0].kinds[0] = "x".into());
    assert_finding("display.sections[0].rows[0].permissions[0]", "no permission", |d| {
        d.display.sections[0].rows[0].permissions[0] = "campaigns.vieww".into();
    });
    assert_finding("display.roles[0]", "no role", |d| d.display.roles[0] = "x".into());
    assert_finding("display.denied.boss", "no role", |d| {
        d.display.denied.insert("boss".into(), Vec::new());
    });
    assert_finding("display.denied.owner[0]", "no row", |d| d.display.denied.get_mut("owner").unwrap()[0] = "campaigns/vew".into());
    assert_finding("display.denied.owner[0]", "no section", |d| d.display.denied.get_mut("owner").unwrap()[0] = "deals/view".into());
}

#[test]
fn containers_are_not_declared_like_leaves() {
    assert_finding("types[2].parents", "fixed", |d| {
        d.types.push(TypeRule { id: "account".into(), parents: vec!["workspace".into()], ..TypeRule::default() });
    });
    assert_finding("types[0].parents", "no parents", |d| d.types[0].parents.clear());
}

#[test]
fn a_components_levels_are_those_above_none() {
    assert_finding("components[1].levels", "levels must be", |d| d.components[1].levels = vec![Level::None, Level::Edit]);
    assert_finding("components[2].id", "reserved component", |d| {
        d.components.push(Component { id: "workspaces".into(), ..Component::default() });
    });
    assert_finding("permissions[2].level", "no level `view`", |d| d.permissions[2].level = Level::View);
    assert_finding("permissions[0].level", "no level `none`", |d| d.permissions[0].level = Level::None);
    assert_finding("roles[2].grants[0].components.billing", "no level `view`", |d| {
        d.roles[2].grants[0].components.insert("billing".into(), Level::View);
    });
}

#[test]
fn only_reserved_permissions_may_leave_out_types_and_none_may_change_level() {
    assert_finding("permissions[0].types", "applies to nothing", |d| d.permissions[0].types.clear());
    let again = |level| Permission { id: "accounts.update".into(), level, ..Permission::default() };
    assert_eq!(found(|d| d.permissions.push(again(Level::Edit))), []);
    assert_finding("permissions[6].level", "fixed", |d| d.permissions.push(again(Level::View)));
}

#[test]
fn implied_permissions_can_be_given_and_form_no_circle() {
    assert_finding("permissions[1].implies[0]", "nobody", |d| d.permissions[1].implies[0] = "campaigns.fly".into());
    assert_finding("permissions[0].implies", "`campaigns.view` → `campaigns.run` → `campaigns.view`", |d| {
        d.permissions[0].implies = vec!["campaigns.run".into()];
    });
    assert_finding("permissions[1].implies[0]", "applies to no type", |d| d.permissions[1].implies[0] = "billing.pay".into());
}

#[test]
fn needed_roles_are_held_at_organizations_by_users() {
    assert_finding("permissions[1].needs.organization_has[0]", "not held at organizations", |d| {
        d.permissions[1].needs.organization_has[0] = "account-admin".into();
    });
    assert_finding("roles[3].principals", "a permission needs", |d| {
        d.roles.push(role("{ id: helper, held_at: organization, principals: [user, group] }"));
        d.permissions[1].needs.organization_has.push("helper".into());
    });
}

#[test]
fn grants_reach_only_what_stands_at_or_below() {
    assert_finding("roles[2].grants[0].types[0]", "at or below", |d| d.roles[2].grants[0].types.push("workspace".into()));
    assert_finding("roles[2].grants[0].permissions[0]", "no type of node that the grant reaches", |d| {
        d.roles[2].grants[0].permissions.push("workspaces.update".into());
    });
    assert_finding("roles[2].grants[0].through_customers", "no customer", |d| d.roles[2].grants[0].through_customers = true);
    let agency = |through| {
        role(&format!(
            "{{ id: agent, held_at: workspace, grants: [{{ permissions: [organization.get], types: [organization], through_customers: {through} }}] }}"
        ))
    };
    assert_eq!(found(|d| d.roles.push(agency(true))), []);
    assert_finding("roles[3].grants[0].types[0]", "at or below", |d| d.roles.push(agency(false)));
    assert_finding("roles[2].grants[2]", "gives nothing", |d| d.roles[2].grants.push(Grant::default()));
    assert_finding("roles[0].grants[0].everything.except[0]", "never includes", |d| {
        d.roles[0].grants[0].everything.as_mut().unwrap().except[0] = "members".into();
    });
    assert_finding("roles[0].grants[0].everything.level", "nothing", |d| {
        d.roles[0].grants[0].everything.as_mut().unwrap().level = Level::None;
    });
}

#[test]
fn upward_is_for_organizations_above() {
    assert_finding("roles[2].upward[0]", "does not apply to organizations", |d| d.roles[2].upward[0] = "accounts.get".into());
    assert_finding("roles[0].upward[0]", "above which it gives nothing", |d| d.roles[0].upward.push("organization.get".into()));
    assert_finding("roles[2].organizations", "not held at organizations", |d| d.roles[2].organizations = OrganizationScope::Roots);
}

#[test]
fn implied_roles_stand_below_without_maps_and_without_circles() {
    let implies = |role: &str, through_customers| ImpliedRole { role: role.into(), through_customers };
    assert_finding("roles[0].implies[0].role", "cannot be implied", |d| d.roles[0].implies.push(implies("account-admin", false)));
    assert_finding("roles[2].implies[0].role", "cannot imply", |d| d.roles[2].implies.push(implies("owner", false)));
    assert_finding("roles[2].implies[0].role", "does not stand below", |d| d.roles[2].implies.push(implies("owner", false)));
    assert_finding("roles[0].implies[0].role", "does not stand below", |d| d.roles[0].implies.push(implies("standard", false)));
    assert_finding("roles[0].implies", "`owner` → `standard` → `owner`", |d| {
        d.roles[0].implies.push(implies("standard", true));
        d.roles[1].implies.push(implies("owner", true));
    });
}

#[test]
fn a_required_role_can_be_held_above_and_does_not_rest_on_the_role_itself() {
    assert_finding("roles[0].requires[0]", "never stands at or above", |d| d.roles[0].requires.push("account-admin".into()));
    assert_finding("roles[0].requires", "`owner` → `standard` → `owner`", |d| {
        d.roles[0].requires.push("standard".into());
        d.roles[1].requires.push("owner".into());
    });
    // The lead is required at the workspace; whoever has it by the chief's role rests on what the chief requires.
    assert_finding("roles[3].requires", "rests on the role itself", |d| {
        d.roles.push(role("{ id: chief, held_at: organization, requires: [lead], implies: [{ role: lead, through_customers: true }] }"));
        d.roles.push(role("{ id: lead, held_at: workspace }"));
    });
}

#[test]
fn an_exclusive_set_is_held_at_one_type() {
    assert_finding("roles[2].exclusive", "held at `organization`", |d| d.roles[2].exclusive = "organization".into());
}

#[test]
fn organization_roles_are_one_whole_exclusive_set_and_the_default_is_one_of_them() {
    assert_finding("membership.organization_roles[2]", "not held at organizations", |d| {
        d.membership.organization_roles.push("account-admin".into());
    });
    assert_finding("membership.organization_roles[1]", "additive", |d| d.roles[1].exclusive.clear());
    assert_finding("membership.organization_roles[1]", "must be of one", |d| d.roles[1].exclusive = "other".into());
    assert_finding("membership.organization_roles", "list it", |d| {
        d.membership.organization_roles.remove(0);
    });
    assert_finding("membership.default", "not among", |d| d.membership.default = "account-admin".into());
    assert_finding("membership.default", "required", |d| d.membership.default = "owner".into());
}

#[test]
fn roles_with_seats_or_of_a_set_are_held_by_users() {
    let groups = vec![PrincipalKind::Group];
    assert_finding("roles[0].principals", "it has seats", |d| d.roles[0].principals.clone_from(&groups));
    assert_finding("roles[1].principals", "it is exclusive", |d| d.roles[1].principals.clone_from(&groups));
    assert_eq!(found(|d| d.roles[1].principals = vec![PrincipalKind::User]), []);
    assert_finding("roles[2].principals[1]", "already", |d| d.roles[2].principals = vec![PrincipalKind::User; 2]);
}

#[test]
fn seats_can_be_taken() {
    assert_finding("roles[0].seats", "cannot be taken", |d| d.roles[0].seats = Seats { least: 3, most: 2 });
    assert_finding("roles[2].seats.least", "only roles of organizations", |d| d.roles[2].seats.least = 1);
}

#[test]
fn assigning_permissions_apply_where_the_role_is_held() {
    assert_finding("roles[0].assign_with", "does not apply to `organization`", |d| d.roles[0].assign_with = "accounts.assign".into());
    assert_finding("custom_roles.assign_with", "does not apply to `account`", |d| {
        d.custom_roles.as_mut().unwrap().assign_with = "organization.assign".into();
    });
    assert_finding("custom_roles.assign_with", "nobody could assign", |d| d.custom_roles.as_mut().unwrap().assign_with.clear());
    assert_finding("custom_roles.held_at", "nowhere", |d| d.custom_roles.as_mut().unwrap().held_at.clear());
    assert_finding("roles[2].assign_with", "exists for nobody", |d| {
        d.permissions[5].nobody = true;
    });
}

#[test]
fn a_condition_reads_declared_attributes_with_defaults_of_their_type() {
    assert_finding("conditions[0].attributes[0].default", "true or false", |d| {
        d.conditions[0].attributes[0].default = Some(serde_json::json!("no"));
    });
    assert_finding("conditions[0].attributes[0].id", "of another type", |d| {
        d.types[1].attributes.push(Attribute { id: "live".into(), value_type: ValueType::Int, ..Attribute::default() });
    });
}

#[test]
fn an_expression_compiles_and_uses_only_what_the_condition_declares() {
    assert_finding("conditions[0].expression", "not CEL", |d| d.conditions[0].expression = "!resource.live &&".into());
    assert_finding("conditions[0].expression", "`params.tier` is not declared", |d| {
        d.conditions[0].expression = "params.tier == 'x'".into()
    });
    assert_finding("conditions[0].expression", "is empty", |d| d.conditions[0].expression.clear());
    assert_finding("conditions[1].expression", "is a string, which is neither", |d| d.conditions[1].expression = "resource.tier".into());
}

#[test]
fn a_condition_in_use_has_all_its_parameters_of_the_right_type() {
    let params =
        |d: &mut Document, params| d.roles[1].grants[0].condition.as_mut().unwrap().params = serde_json::from_value(params).unwrap();
    assert_finding("roles[1].grants[0].condition.params", "needs the parameter `tier`", |d| params(d, serde_json::json!({})));
    assert_finding("roles[1].grants[0].condition.params.tier", "must be a string", |d| params(d, serde_json::json!({ "tier": 1 })));
    assert_finding("roles[1].grants[0].condition.params.tir", "did you mean `tier`", |d| {
        params(d, serde_json::json!({ "tier": "gold", "tir": "gold" }));
    });
}

#[test]
fn every_type_of_a_conditional_grant_has_the_attributes() {
    assert_finding("roles[1].grants[0].condition", "applies to `account`, which has no attribute `tier`", |d| {
        d.roles[1].grants[0].types.clear();
    });
    // A default stands in for it.
    assert_eq!(
        found(|d| {
            d.roles[1].grants[0].types.clear();
            d.roles[1].grants[0].condition = Some(ConditionUse { id: "not-live".into(), ..ConditionUse::default() });
        }),
        []
    );
}

#[test]
fn a_row_stands_for_something() {
    assert_finding("display.sections[0].rows[0].permissions", "stands for nothing", |d| {
        d.display.sections[0].rows[0].permissions.clear();
    });
    assert_finding("display.denied.owner[0]", "not a row", |d| d.display.denied.get_mut("owner").unwrap()[0] = "campaigns".into());
}

#[test]
fn a_role_that_nobody_could_give_is_found() {
    assert_finding("roles[3].assign_with", "no role grants `groups.update`", |d| {
        d.roles.push(role("{ id: lonely, held_at: organization, assign_with: groups.update }"));
    });
    // Without `assign_with` it is the platform's.
    assert_eq!(found(|d| d.roles.push(role("{ id: lonely, held_at: organization }"))), []);
}

#[test]
fn an_assigner_has_all_that_it_can_give() {
    assert_finding("roles[2].assign_with", "`account-admin` has `accounts.assign` and could give `account-admin`, but lacks", |d| {
        d.roles[2].contained = false;
        d.custom_roles = None;
    });
    assert_finding(
        "roles[1].assign_with",
        "`clerk` has `organization.assign` and could give `standard`, but lacks `campaigns.view`",
        |d| {
            d.roles.push(role("{ id: clerk, held_at: organization, grants: [{ permissions: [organization.assign] }] }"));
        },
    );
    // The same under the same condition and parameters is enough, under another it is not.
    let clerk = |tier: &str| {
        role(&format!(
            "{{ id: clerk, held_at: organization, grants: [{{ permissions: [groups.update] }}, {{ permissions: [campaigns.view], types: [campaign], \
             condition: {{ id: tier-is, params: {{ tier: {tier} }} }} }}] }}"
        ))
    };
    let by_clerk = |tier: &str| {
        found(|d| {
            d.roles[1].assign_with = "groups.update".into();
            d.roles.push(clerk(tier));
        })
    };
    assert_eq!(by_clerk("gold"), []);
    assert_eq!(by_clerk("tin").len(), 1);
    assert!(by_clerk("tin")[0].message.contains("under a condition"));
}

#[test]
fn an_inviter_has_all_that_it_can_give() {
    assert_finding("roles[0].invite_with", "could give `owner`, but lacks", |d| {
        d.roles[0].invite_with = "members.create".into();
        d.roles.push(role("{ id: clerk, held_at: organization, grants: [{ permissions: [members.create] }] }"));
    });
}

#[test]
fn an_agency_role_that_gives_a_customers_roles_reaches_customers() {
    let agency = |through: bool| {
        found(|d| {
            d.custom_roles = None;
            d.roles.push(role(&format!(
                "{{ id: agent, held_at: workspace, grants: [{{ permissions: [groups.create], through_customers: true }}, \
                 {{ components: {{ campaigns: view }}, through_customers: {through} }}] }}"
            )));
            d.roles.push(role(
                "{ id: manager, held_at: organization, organizations: customers, assign_with: groups.create, grants: [{ permissions: [campaigns.view] }] }",
            ));
        })
    };
    assert_eq!(agency(true), []);
    assert_eq!(agency(false).len(), 1);
    assert!(agency(false)[0].message.contains("lacks `campaigns.view`"));
}

#[test]
fn what_an_implied_role_gives_covers_and_must_be_covered() {
    let lead = "{ id: lead, held_at: workspace, grants: [{ permissions: [campaigns.view] }], assign_with: workspaces.update }";
    let chief = |implies: &str| {
        role(&format!("{{ id: chief, held_at: organization, grants: [{{ permissions: [workspaces.update] }}], {implies} }}"))
    };
    assert_eq!(found(|d| d.roles.extend([role(lead), chief("implies: [{ role: lead }]")])), []);
    assert_finding("roles[3].assign_with", "`chief` has `workspaces.update`", |d| d.roles.extend([role(lead), chief("title: Chief")]));
}

#[test]
fn a_role_that_gives_upward_what_it_lacks_is_found() {
    assert_finding("roles[0].assign_with", "`account-admin` has `organization.assign`", |d| {
        d.roles[2].upward.push("organization.assign".into());
    });
}

#[test]
fn a_custom_role_with_the_assigning_permission_alone_gives_only_contained_roles() {
    let viewer = |assign_with: &str| {
        role(&format!("{{ id: viewer, held_at: account, assign_with: {assign_with}, grants: [{{ permissions: [campaigns.view] }}] }}"))
    };
    let hand_out = || Permission { id: "campaigns.hand_out".into(), types: vec!["account".into()], ..Permission::default() };
    assert_finding("roles[3].assign_with", "a custom role held at `account` can have `campaigns.hand_out`", |d| {
        d.permissions.push(hand_out());
        d.roles.push(viewer("campaigns.hand_out"));
    });
    // Permissions of reserved components are not for custom roles, unless another implies them.
    let alone = |finding: &Finding| finding.message.contains("a custom role held");
    assert!(!found(|d| d.roles.push(viewer("accounts.assign"))).iter().any(alone));
    assert_finding("roles[3].assign_with", "a custom role held at `account` can have `campaigns.hand_out`", |d| {
        d.permissions.push(Permission { implies: vec!["accounts.assign".into()], ..hand_out() });
        d.roles.push(viewer("accounts.assign"));
    });
}

#[test]
fn lists_of_references_that_are_too_long_are_refused_before_anything_is_compared() {
    // Each implies all that come after it: closing this took seconds.
    let findings = found(|d| {
        let ids: Vec<String> = (0..400).map(|n| format!("campaigns.p{n}")).collect();
        for (n, id) in ids.iter().enumerate() {
            let implies = ids[n + 1..].to_vec();
            d.permissions.push(Permission { id: id.clone(), types: vec!["campaign".into()], implies, ..Permission::default() });
        }
    });
    assert!(findings.iter().all(|finding| finding.message.contains("more than the 100")), "{findings:#?}");
    assert_eq!(findings[0].path, "permissions[6].implies");
}

#[test]
fn roles_that_are_too_many_to_compare_are_refused() {
    assert_finding("roles", "too many to compare", |d| {
        for n in 0..1024 {
            let types = vec!["campaign".into(), "account".into()];
            d.permissions.push(Permission { id: format!("campaigns.p{n}"), types, ..Permission::default() });
        }
        d.types.extend((0..120).map(|n| TypeRule {
            id: format!("t{n}"),
            collection: format!("t{n}"),
            parents: vec!["organization".into()],
            ..TypeRule::default()
        }));
        let all: Vec<String> = d.types.iter().map(|rule| rule.id.clone()).collect();
        d.permissions.extend((0..100).map(|n| Permission { id: format!("campaigns.t{n}"), types: all.clone(), ..Permission::default() }));
        for n in 0..240 {
            let grants = "[{ everything: {} }, { components: { organization: edit } }]";
            d.roles.push(role(&format!("{{ id: r{n}, held_at: organization, assign_with: organization.assign, grants: {grants} }}")));
        }
    });
}

#[test]
fn only_so_many_findings_are_told() {
    let findings = found(|d| {
        for n in 0..2000 {
            d.permissions.push(Permission { id: format!("Wrong{n}"), ..Permission::default() });
        }
    });
    assert_eq!(findings.len(), MOST_FINDINGS);
}

#[test]
fn a_document_that_is_too_long_is_refused_at_once() {
    let findings = found(|d| d.roles = vec![Role::default(); 10_000]);
    assert_eq!(findings.len(), 1);
    assert_eq!(findings[0].path, "roles");
}
