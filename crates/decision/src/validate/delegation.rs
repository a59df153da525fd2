//! Who could give which role: roles that nobody can reach, and assigners that could hand out more than they have.
//!
//! An assigner here is a role with grants of the permission that giving another role needs. Containment at run time guards
//! custom roles, component maps and roles marked `contained`; for every other role it is guaranteed here: whoever may give it has
//! all that it gives, by its own grants. Grants are compared, not gates: kinds, needs and ceilings narrow both alike.

use std::collections::BTreeMap;

use super::{
    Findings,
    known::{Known, ORGANIZATION, WORKSPACE, component_of},
};
use crate::{
    document::{ConditionUse, Document, Level, MapRule, OrganizationScope, Role},
    reserved,
};

/// One permission that a role gives on one type of node.
#[derive(Clone, Copy)]
struct Extent<'d> {
    permission: &'d str,
    node_type: &'d str,
    /// On nodes below which nodes: of this type where the role is implied, at the role's own node if `None`.
    under: Option<&'d str>,
    /// In the organization in which the role is held.
    home: bool,
    /// In customer organizations below.
    away: bool,
    condition: Option<&'d ConditionUse>,
}

/// How an assigner stands to the node at which it gives a role.
#[derive(Clone, Copy, PartialEq)]
enum Stand {
    /// At or above it in the same organization.
    Home,
    /// Above it, in an organization whose customer the node's organization is.
    Away,
    /// Below it: it gives upward, to the organization.
    Below,
}

pub(super) fn check(document: &Document, known: &Known<'_>, findings: &mut Findings) {
    let mut extents = BTreeMap::new();
    for role in &document.roles {
        add_extents(role, known, &mut extents);
    }
    for (index, role) in document.roles.iter().enumerate() {
        let invite = if role.invite_with.is_empty() || role.invite_with == role.assign_with { None } else { Some(&role.invite_with) };
        for (field, permission) in [("assign_with", Some(&role.assign_with)), ("invite_with", invite)] {
            let Some(permission) = permission.filter(|permission| !permission.is_empty()) else { continue };
            let at = format!("roles[{index}].{field}");
            let mut reached = false;
            for assigner in &document.roles {
                for stand in [Stand::Home, Stand::Away, Stand::Below] {
                    if !grants(assigner, role, permission, stand, known, &extents) {
                        continue;
                    }
                    reached = true;
                    if !role.contained
                        && let Some(more) = uncovered(assigner, role, permission, stand, known, &extents)
                    {
                        findings.report(
                            at.as_str(),
                            format!(
                                "`{}` has `{permission}` and could give `{}`, but lacks `{}` on `{}`, which that role gives{}; mark `{}` as \
                                 contained, or grant `{}` as much",
                                assigner.id,
                                role.id,
                                more.permission,
                                more.node_type,
                                if more.condition.is_some() { " under a condition" } else { "" },
                                role.id,
                                assigner.id
                            ),
                        );
                        break;
                    }
                }
            }
            if !reached {
                findings.report(
                    at.as_str(),
                    format!(
                        "no role grants `{permission}` on `{}`, so only the platform could give `{}`; grant it to a role, or leave it out",
                        role.held_at, role.id
                    ),
                );
            }
            custom_roles(document, role, permission, &at, known, findings);
        }
    }
}

/// A custom role can be made of the assigning permission alone, so whatever it gives must be contained.
fn custom_roles(document: &Document, role: &Role, permission: &str, at: &str, known: &Known<'_>, findings: &mut Findings) {
    let Some(custom) = document.custom_roles.as_ref().filter(|_| !role.contained) else { return };
    if let Some(held_at) = custom.held_at.iter().find(|held_at| known.reach(held_at, false).contains(role.held_at.as_str())) {
        findings.report(
            at,
            format!(
                "a custom role held at `{held_at}` can have `{permission}` alone and could give `{}`, which gives more; mark `{}` as contained",
                role.id, role.id
            ),
        );
    }
}

/// All that a role gives by its grants and by the roles it implies, into `done`; its upward permissions apart.
fn add_extents<'d>(role: &'d Role, known: &Known<'d>, done: &mut BTreeMap<&'d str, Vec<Extent<'d>>>) {
    if done.contains_key(role.id.as_str()) {
        return;
    }
    let mut extents = Vec::new();
    let inside = known.reach(&role.held_at, false);
    for grant in &role.grants {
        for permission in known.given(grant) {
            for node_type in known.given_on(&role.held_at, grant, permission) {
                extents.push(Extent {
                    permission,
                    node_type,
                    under: None,
                    home: inside.contains(node_type),
                    away: grant.through_customers,
                    condition: grant.condition.as_ref(),
                });
            }
        }
    }
    // Ends: implying was found to have no circles.
    for implied in &role.implies {
        let Some(other) = known.roles.get(implied.role.as_str()) else { continue };
        let at_home = known.below(&role.held_at, false).contains(other.held_at.as_str());
        add_extents(other, known, done);
        for extent in done.get(other.id.as_str()).into_iter().flatten() {
            let home = extent.home && at_home;
            // Customers stand below workspaces: what reaches them from every workspace reaches all of them.
            let away = (extent.home && implied.through_customers) || (extent.away && at_home && other.held_at == WORKSPACE);
            extents.push(Extent { under: extent.under.or(Some(&other.held_at)), home, away, ..*extent });
        }
    }
    done.insert(&role.id, merged(extents));
}

/// Each extent once, however many ways lead to it.
fn merged(extents: Vec<Extent<'_>>) -> Vec<Extent<'_>> {
    let mut merged: BTreeMap<_, Extent<'_>> = BTreeMap::new();
    for extent in extents.into_iter().filter(|extent| extent.home || extent.away) {
        let condition = extent.condition.map(std::ptr::from_ref);
        let same = merged.entry((extent.permission, extent.node_type, extent.under, condition)).or_insert(extent);
        same.home |= extent.home;
        same.away |= extent.away;
    }
    merged.into_values().collect()
}

/// Whether `assigner`, standing so, has the permission at nodes where `role` is held.
fn grants(
    assigner: &Role,
    role: &Role,
    permission: &str,
    stand: Stand,
    known: &Known<'_>,
    extents: &BTreeMap<&str, Vec<Extent<'_>>>,
) -> bool {
    let scopes = [assigner.organizations, role.organizations];
    match stand {
        // A role of roots and one of customers are never held at the same organization.
        Stand::Home
            if assigner.held_at == ORGANIZATION
                && role.held_at == ORGANIZATION
                && scopes.contains(&OrganizationScope::Roots)
                && scopes.contains(&OrganizationScope::Customers) =>
        {
            false
        }
        Stand::Away if role.held_at == ORGANIZATION && role.organizations == OrganizationScope::Roots => false,
        Stand::Below => {
            role.held_at == ORGANIZATION
                && assigner.held_at != ORGANIZATION
                && assigner.upward.iter().any(|given| gives(given, permission, known, false))
        }
        Stand::Home | Stand::Away => extents.get(assigner.id.as_str()).into_iter().flatten().any(|extent| {
            // What an implied role grants makes that role the assigner.
            extent.under.is_none()
                && extent.node_type == role.held_at
                && (if stand == Stand::Home { extent.home } else { extent.away })
                && gives(extent.permission, permission, known, false)
        }),
    }
}

/// Something that `role` gives and that `assigner`, standing so, may lack.
fn uncovered<'d>(
    assigner: &Role,
    role: &'d Role,
    by: &str,
    stand: Stand,
    known: &Known<'d>,
    extents: &BTreeMap<&str, Vec<Extent<'d>>>,
) -> Option<Extent<'d>> {
    let has = extents.get(assigner.id.as_str()).map_or(&[][..], Vec::as_slice);
    let kept = |permission: &str| survives_map(assigner, permission, by, known);
    let upward = |permission: &str| assigner.upward.iter().any(|given| gives(given, permission, known, true));
    let covers = |wanted: &Extent<'_>, away: bool| {
        has.iter().any(|extent| {
            extent.node_type == wanted.node_type
                && (if away { extent.away } else { extent.home })
                && (extent.condition.is_none() || extent.condition == wanted.condition)
                && spans(extent, wanted, role, known)
                && gives(extent.permission, wanted.permission, known, true)
                && kept(extent.permission)
        })
    };
    let up = role.upward.iter().filter(|_| role.held_at != ORGANIZATION).filter_map(|id| known.permissions.get_key_value(id.as_str()));
    let up =
        up.map(|(permission, _)| Extent { permission, node_type: ORGANIZATION, under: None, home: true, away: false, condition: None });
    let up = up.filter(|wanted| match stand {
        Stand::Home | Stand::Below => !upward(wanted.permission) && !covers(wanted, false),
        Stand::Away => !covers(wanted, true),
    });
    let wanted = extents.get(role.id.as_str()).into_iter().flatten().copied();
    let down = wanted.filter(|wanted| match stand {
        Stand::Home => (wanted.home && !covers(wanted, false)) || (wanted.away && !covers(wanted, true)),
        Stand::Away => !covers(wanted, true),
        Stand::Below => wanted.node_type != ORGANIZATION || wanted.away || !upward(wanted.permission),
    });
    down.chain(up).find(|wanted| known.permissions.get(wanted.permission).is_some_and(|facts| !facts.nobody))
}

/// Whether all nodes of the type that `role` gives `wanted` on are among those that `extent` is given on, by a role held at or above it.
fn spans(extent: &Extent<'_>, wanted: &Extent<'_>, role: &Role, known: &Known<'_>) -> bool {
    match extent.under {
        None => true,
        Some(under) => {
            wanted.under.unwrap_or(&role.held_at) == under
                || under == ORGANIZATION
                || extent.node_type == under
                || known.parents(extent.node_type).iter().all(|parent| *parent == under)
        }
    }
}

/// Whether every component map with which `assigner` still has the permission `by` also leaves it `permission`.
fn survives_map(assigner: &Role, permission: &str, by: &str, known: &Known<'_>) -> bool {
    let component = component_of(permission);
    let level = |id: &str| known.permissions.get(id).map_or(Level::None, |facts| facts.level);
    assigner.component_map == MapRule::Forbidden
        || reserved::is_component(component)
        || (component == component_of(by) && level(permission) <= level(by))
}

/// Whether a permission is another or implies it; `surely`: whatever kinds, needs and ceilings say.
fn gives(permission: &str, other: &str, known: &Known<'_>, surely: bool) -> bool {
    let mut found = vec![permission];
    let mut next = 0;
    while let Some(id) = found.get(next).copied() {
        if id == other {
            return true;
        }
        next += 1;
        let Some(facts) = known.permissions.get(id).filter(|facts| !(facts.nobody || surely && facts.gated)) else { continue };
        for implied in facts.implies {
            let same_component = reserved::is_component(facts.component) || facts.component == component_of(implied);
            if (same_component || !surely) && !found.contains(&implied.as_str()) {
                found.push(implied);
            }
        }
    }
    false
}
