//! System roles one by one, custom roles and membership.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    Findings,
    circles::circles as circles_of,
    conditions,
    known::{Known, ORGANIZATION, WORKSPACE},
    permissions::word,
};
use crate::{
    document::{CustomRoles, Document, Grant, Level, MapRule, OrganizationScope, PrincipalKind, Role},
    model::TypeIndex,
    name::is_id,
    reserved,
};

pub(super) fn check(document: &Document, known: &Known<'_>, findings: &mut Findings) {
    let needed: BTreeSet<&str> =
        document.permissions.iter().flat_map(|permission| &permission.needs.organization_has).map(String::as_str).collect();
    findings.repeated("roles", ".id", "role", document.roles.iter().map(|role| role.id.as_str()));
    for (index, role) in document.roles.iter().enumerate() {
        let at = format!("roles[{index}]");
        if !is_id(&role.id) {
            findings.report(format!("{at}.id"), format!("`{}` is not an id like `super-admin`; use 1 to 63 of a-z, 0-9 and -", role.id));
        }
        place(&at, role, known, findings);
        principals(&at, role, &needed, findings);
        for (n, grant) in role.grants.iter().enumerate() {
            check_grant(&format!("{at}.grants[{n}]"), &role.held_at, grant, known, findings);
        }
        upward(&at, role, known, findings);
        implies(&at, role, known, findings);
        requires(&at, role, known, findings);
        seats(&at, role, findings);
        assigning(&format!("{at}.assign_with"), &role.assign_with, [role.held_at.as_str()], known, findings);
        assigning(&format!("{at}.invite_with"), &role.invite_with, [role.held_at.as_str()], known, findings);
    }
    circles(document, findings);
    exclusive_sets(document, findings);
    if let Some(custom) = &document.custom_roles {
        custom_roles(custom, known, findings);
    }
    membership(document, known, findings);
}

fn place(at: &str, role: &Role, known: &Known<'_>, findings: &mut Findings) {
    if !known.types.contains_key(role.held_at.as_str()) {
        findings.unknown(format!("{at}.held_at"), "type", &role.held_at, known.type_names());
    } else if role.organizations != OrganizationScope::Any && role.held_at != ORGANIZATION {
        findings.report(format!("{at}.organizations"), format!("`{}` is not held at organizations; leave it out", role.id));
    }
}

fn principals(at: &str, role: &Role, needed: &BTreeSet<&str>, findings: &mut Findings) {
    repeated_principals(&format!("{at}.principals"), &role.principals, findings);
    if matches!(role.principals.as_slice(), [] | [PrincipalKind::User]) {
        return;
    }
    let why = if role.seats.least > 0 || role.seats.most > 0 {
        "it has seats"
    } else if !role.exclusive.is_empty() {
        "it is exclusive"
    } else if needed.contains(role.id.as_str()) {
        "a permission needs that an organization has it"
    } else {
        return;
    };
    findings.report(
        format!("{at}.principals"),
        format!("`{}` is held by users directly, because {why}; use [`user`] or leave it out", role.id),
    );
}

fn repeated_principals(at: &str, principals: &[PrincipalKind], findings: &mut Findings) {
    let words = principals.iter().map(|kind| match kind {
        PrincipalKind::User => "user",
        PrincipalKind::Group => "group",
        PrincipalKind::Organization => "organization",
        PrincipalKind::Anyone => "anyone",
    });
    findings.repeated(at, "", "principal", words);
}

/// A grant of a role that is held at `held_at`.
fn check_grant(at: &str, held_at: &str, grant: &Grant, known: &Known<'_>, findings: &mut Findings) {
    grant_types(at, held_at, grant, known, findings);
    findings.repeated(&format!("{at}.permissions"), "", "permission", grant.permissions.iter().map(String::as_str));
    let types = known.grant_types(held_at, grant);
    for (n, id) in grant.permissions.iter().enumerate() {
        let at = || format!("{at}.permissions[{n}]");
        let Some(facts) = known.permissions.get(id.as_str()) else {
            findings.unknown(at(), "permission", id, known.permission_names());
            continue;
        };
        if facts.types.intersect(types).is_empty() && known.types.contains_key(held_at) {
            findings.report(
                at(),
                format!("`{id}` applies to no type of node that the grant reaches; leave it out or change the grant's `types`"),
            );
        }
    }
    for (id, level) in &grant.components {
        let at = format!("{at}.components.{id}");
        if !known.has_component(id) {
            findings.unknown(at, "component", id, known.component_names());
        } else if *level != Level::None && !known.levels(id).contains(level) {
            findings.report(at, format!("the component `{id}` has no level `{}`; use one that it has", word(*level)));
        }
    }
    if let Some(everything) = &grant.everything {
        if everything.level == Level::None {
            findings.report(format!("{at}.everything.level"), "everything at `none` is nothing; use `view` or `edit`, or leave it out");
        }
        findings.repeated(&format!("{at}.everything.except"), "", "component", everything.except.iter().map(String::as_str));
        for (n, id) in everything.except.iter().enumerate() {
            let at = format!("{at}.everything.except[{n}]");
            if reserved::is_component(id) {
                findings.report(at, format!("`{id}` is a reserved component, which `everything` never includes; leave it out"));
            } else if !known.has_component(id) {
                findings.unknown(at, "component", id, known.components.keys().copied());
            }
        }
    }
    if grant.permissions.is_empty() && grant.components.is_empty() && grant.everything.is_none() {
        findings.report(at, "the grant gives nothing; add `permissions`, `components` or `everything`");
    }
    if let Some(condition) = &grant.condition {
        let given = known.given(grant);
        let applied = |at: TypeIndex| known.permissions.values().any(|facts| facts.types.contains(at) && given.contains(facts.index));
        let types = known.indexed_types().filter(|(at, _)| types.contains(*at) && applied(*at)).map(|(_, id)| id);
        conditions::used(&format!("{at}.condition"), condition, types, known, findings);
    }
}

fn grant_types(at: &str, held_at: &str, grant: &Grant, known: &Known<'_>, findings: &mut Findings) {
    findings.repeated(&format!("{at}.types"), "", "type", grant.types.iter().map(String::as_str));
    if !known.types.contains_key(held_at) {
        return;
    }
    if grant.through_customers && ![ORGANIZATION, WORKSPACE].contains(&held_at) {
        findings.report(format!("{at}.through_customers"), format!("no customer stands below a node of type `{held_at}`; leave it out"));
    }
    let reach = known.reach(held_at, grant.through_customers);
    for (n, id) in grant.types.iter().enumerate() {
        let at = format!("{at}.types[{n}]");
        if !known.types.contains_key(id.as_str()) {
            findings.unknown(at, "type", id, known.type_names());
        } else if !known.has(reach, id) {
            findings.report(
                at,
                format!("no node of type `{id}` stands at or below one of type `{held_at}`, where the role is held; leave it out"),
            );
        }
    }
}

fn upward(at: &str, role: &Role, known: &Known<'_>, findings: &mut Findings) {
    findings.repeated(&format!("{at}.upward"), "", "permission", role.upward.iter().map(String::as_str));
    for (n, id) in role.upward.iter().enumerate() {
        let at = format!("{at}.upward[{n}]");
        match known.permissions.get(id.as_str()) {
            None => findings.unknown(at, "permission", id, known.permission_names()),
            Some(facts) if !known.applies(facts, ORGANIZATION) => {
                findings.report(at, format!("`{id}` does not apply to organizations; leave it out"));
            }
            Some(_) if role.held_at == ORGANIZATION => {
                findings
                    .report(at, format!("`{}` is held at organizations, above which it gives nothing; put `{id}` into a grant", role.id));
            }
            Some(_) => {}
        }
    }
}

fn implies(at: &str, role: &Role, known: &Known<'_>, findings: &mut Findings) {
    findings.repeated(&format!("{at}.implies"), ".role", "role", role.implies.iter().map(|implied| implied.role.as_str()));
    for (n, implied) in role.implies.iter().enumerate() {
        let at = format!("{at}.implies[{n}]");
        let Some(other) = known.roles.get(implied.role.as_str()) else {
            findings.unknown(format!("{at}.role"), "role", &implied.role, known.role_names());
            continue;
        };
        if known.types.contains_key(role.held_at.as_str())
            && !known.has(known.below(&role.held_at, implied.through_customers), &other.held_at)
        {
            findings.report(
                format!("{at}.role"),
                format!(
                    "`{}` is held at `{}`, which does not stand below `{}`; imply roles of nodes below",
                    other.id, other.held_at, role.held_at
                ),
            );
        }
        if implied.through_customers && ![ORGANIZATION, WORKSPACE].contains(&role.held_at.as_str()) {
            findings.report(
                format!("{at}.through_customers"),
                format!("no customer stands below a node of type `{}`; leave it out", role.held_at),
            );
        }
        if role.component_map != MapRule::Forbidden {
            findings.report(
                format!("{at}.role"),
                format!("`{}` has component maps, so it cannot imply roles; make its `component_map` forbidden", role.id),
            );
        }
        if other.component_map != MapRule::Forbidden {
            findings.report(
                format!("{at}.role"),
                format!("`{}` has component maps, so it cannot be implied; make its `component_map` forbidden", other.id),
            );
        }
    }
}

fn requires(at: &str, role: &Role, known: &Known<'_>, findings: &mut Findings) {
    findings.repeated(&format!("{at}.requires"), "", "role", role.requires.iter().map(String::as_str));
    for (n, id) in role.requires.iter().enumerate() {
        let at = format!("{at}.requires[{n}]");
        match known.roles.get(id.as_str()) {
            None => findings.unknown(at, "role", id, known.role_names()),
            Some(other)
                if known.types.contains_key(other.held_at.as_str()) && !known.has(known.reach(&other.held_at, true), &role.held_at) =>
            {
                findings.report(
                    at,
                    format!(
                        "`{id}` is held at `{}`, which never stands at or above `{}`; require roles held there",
                        other.held_at, role.held_at
                    ),
                );
            }
            Some(_) => {}
        }
    }
}

fn seats(at: &str, role: &Role, findings: &mut Findings) {
    if role.seats.most > 0 && role.seats.least > role.seats.most {
        findings.report(
            format!("{at}.seats"),
            format!("at least {} of at most {} seats cannot be taken; lower `least`", role.seats.least, role.seats.most),
        );
    }
    if role.seats.least > 0 && role.held_at != ORGANIZATION {
        findings.report(
            format!("{at}.seats.least"),
            format!("only roles of organizations can be required, and `{}` is not; leave it out", role.id),
        );
    }
}

/// The permission by which a role held at one of `types` is given.
fn assigning<'a>(at: &str, permission: &str, types: impl IntoIterator<Item = &'a str>, known: &Known<'_>, findings: &mut Findings) {
    if permission.is_empty() {
        return;
    }
    let Some(facts) = known.permissions.get(permission) else {
        return findings.unknown(at, "permission", permission, known.permission_names());
    };
    if facts.nobody {
        return findings
            .report(at, format!("`{permission}` exists for nobody, so nobody could give the role; use another or leave it out"));
    }
    for node_type in types {
        if known.types.contains_key(node_type) && !known.applies(facts, node_type) {
            findings.report(
                at,
                format!("`{permission}` does not apply to `{node_type}`, where the role is held; add it to the permission's `types`"),
            );
        }
    }
}

fn circles(document: &Document, findings: &mut Findings) {
    let edges: Vec<(&str, Vec<&str>)> =
        document.roles.iter().map(|role| (role.id.as_str(), role.implies.iter().map(|implied| implied.role.as_str()).collect())).collect();
    let circles = circles_of(&edges);
    for (index, way) in &circles {
        findings.report(format!("roles[{index}].implies"), format!("roles imply each other in a circle: {way}; take one out"));
    }
    if !circles.is_empty() {
        return;
    }
    // Whether a required role is held can rest on the role that implies it, and so on what that one requires.
    let mut implied_by: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for (role, implied) in &edges {
        implied.iter().for_each(|id| implied_by.entry(id).or_default().push(role));
    }
    let rests_on: Vec<(&str, Vec<&str>)> = document
        .roles
        .iter()
        .map(|role| {
            let implying = implied_by.get(role.id.as_str()).into_iter().flatten().copied();
            (role.id.as_str(), role.requires.iter().map(String::as_str).chain(implying).collect())
        })
        .collect();
    for (index, way) in circles_of(&rests_on) {
        findings
            .report(format!("roles[{index}].requires"), format!("what the role requires rests on the role itself: {way}; take one out"));
    }
}

fn exclusive_sets(document: &Document, findings: &mut Findings) {
    let mut held_at: BTreeMap<&str, &Role> = BTreeMap::new();
    for (index, role) in document.roles.iter().enumerate().filter(|(_, role)| !role.exclusive.is_empty()) {
        let first = *held_at.entry(&role.exclusive).or_insert(role);
        if first.held_at != role.held_at {
            findings.report(
                format!("roles[{index}].exclusive"),
                format!(
                    "the set `{}` is of roles held at `{}`, as `{}` is; use another word for roles held at `{}`",
                    role.exclusive, first.held_at, first.id, role.held_at
                ),
            );
        }
    }
}

fn custom_roles(custom: &CustomRoles, known: &Known<'_>, findings: &mut Findings) {
    let at = "custom_roles";
    if custom.held_at.is_empty() {
        findings.report(format!("{at}.held_at"), "custom roles could be held nowhere; list types of node, or leave out `custom_roles`");
    }
    for (n, id) in custom.held_at.iter().enumerate() {
        if !known.types.contains_key(id.as_str()) {
            findings.unknown(format!("{at}.held_at[{n}]"), "type", id, known.type_names());
        }
    }
    findings.repeated(&format!("{at}.held_at"), "", "type", custom.held_at.iter().map(String::as_str));
    assigning(&format!("{at}.define_with"), &custom.define_with, [ORGANIZATION], known, findings);
    if custom.assign_with.is_empty() {
        findings.report(format!("{at}.assign_with"), "nobody could assign a custom role; name the permission that doing so needs");
    }
    assigning(&format!("{at}.assign_with"), &custom.assign_with, custom.held_at.iter().map(String::as_str), known, findings);
    assigning(&format!("{at}.invite_with"), &custom.invite_with, custom.held_at.iter().map(String::as_str), known, findings);
    repeated_principals(&format!("{at}.principals"), &custom.principals, findings);
}

fn membership(document: &Document, known: &Known<'_>, findings: &mut Findings) {
    let rules = &document.membership;
    let at = "membership.organization_roles";
    findings.repeated(at, "", "role", rules.organization_roles.iter().map(String::as_str));
    let mut set = "";
    for (n, id) in rules.organization_roles.iter().enumerate() {
        let at = format!("{at}[{n}]");
        let Some(role) = known.roles.get(id.as_str()) else {
            findings.unknown(at, "role", id, known.role_names());
            continue;
        };
        if role.held_at != ORGANIZATION {
            findings.report(at, format!("`{id}` is not held at organizations; leave it out"));
        } else if role.exclusive.is_empty() {
            findings.report(at, format!("`{id}` is additive, but a member has one organization role; give it an `exclusive` word"));
        } else if set.is_empty() {
            set = &role.exclusive;
        } else if set != role.exclusive {
            findings.report(at, format!("`{id}` is of the set `{}`, the others of `{set}`; they must be of one", role.exclusive));
        }
    }
    for role in document.roles.iter().filter(|role| !set.is_empty() && role.exclusive == set) {
        if !rules.organization_roles.contains(&role.id) {
            findings.report(at, format!("`{}` is of the set `{set}` too; list it, or give it another `exclusive` word", role.id));
        }
    }
    default_role(document, known, findings);
}

fn default_role(document: &Document, known: &Known<'_>, findings: &mut Findings) {
    let default = document.membership.default.as_str();
    let at = "membership.default";
    if default.is_empty() {
        return;
    }
    let Some(role) = known.roles.get(default) else {
        return findings.unknown(at, "role", default, known.role_names());
    };
    if !document.membership.organization_roles.iter().any(|id| id == default) {
        findings.report(at, format!("`{default}` is not among `organization_roles`; list it there or name one of them"));
    }
    if role.seats.least > 0 {
        findings.report(at, format!("`{default}` is required, so it is given on purpose only; name a role without `seats.least`"));
    }
    if role.component_map == MapRule::Required {
        findings.report(at, format!("`{default}` needs a component map, which nobody gives with a default; name another role"));
    }
    if role.organizations != OrganizationScope::Any {
        findings.report(at, format!("`{default}` is not for every organization; name a role that is"));
    }
    if role.seats.most > 0 {
        findings.report(at, format!("`{default}` has seats, and whoever joins would take one unasked; name a role without `seats.most`"));
    }
}
