//! Whether a proposed binding or custom role makes sense, whoever proposes it.

#[cfg(test)]
mod tests;

use crate::{
    condition::Condition,
    containment::at_or_below,
    document::{ConditionUse, Level, MapRule, PrincipalKind},
    model::{RoleModel, TypeIndex},
    name::{NodeName, Principal, RoleName, RoleOwner, Sponsor},
    path::Path,
    record::{Binding, CustomRole, OrganizationKind},
    reserved,
    standing::{HeldRole, Rules, SponsorFault},
};

/// What is wrong with a proposed binding.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BindingFault {
    /// No such role in the pinned model revision, nor a custom one of the organization.
    #[error("role `{0}` is not known here")]
    UnknownRole(RoleName),
    /// The role is not held at nodes like this.
    #[error("the role is not held at `{node}`; it is held at nodes of the type `{held_at}`, where its `organizations` allows it")]
    NodeType {
        /// The type of node that it is held at.
        held_at: String,
        /// The node.
        node: NodeName,
    },
    /// The role's bindings carry no component map.
    #[error("the role takes no component map")]
    MapForbidden,
    /// The role's bindings must carry a component map.
    #[error("the role needs a component map")]
    MapRequired,
    /// The model has no such component, or it is a reserved one, which maps do not narrow.
    #[error("`{0}` is no component that a map can have")]
    UnknownComponent(String),
    /// The component has no such level.
    #[error("component `{component}` has no level `{}`", level.as_str())]
    Level {
        /// The component.
        component: String,
        /// The level asked for.
        level: Level,
    },
    /// The model has no such condition.
    #[error("condition `{0}` is not known")]
    UnknownCondition(String),
    /// Its parameters are wrong.
    #[error("{0}")]
    ConditionParameters(String),
    /// The role is not for this kind of principal.
    #[error("the role cannot be held by `{principal}`")]
    PrincipalKind {
        /// The principal.
        principal: Principal,
        /// Only users may: it has seats, is exclusive or required.
        users_only: bool,
    },
    /// The sponsor does not allow it.
    #[error("the sponsor does not allow it: {0}")]
    Sponsor(SponsorFault),
    /// It would have ended already.
    #[error("the expiry is not in the future")]
    Expired,
}

impl BindingFault {
    /// The field of the binding that it is about.
    pub fn field(&self) -> &'static str {
        match self {
            Self::UnknownRole(_) => "role",
            Self::NodeType { .. } => "node",
            Self::MapForbidden | Self::MapRequired | Self::UnknownComponent(_) | Self::Level { .. } => "components",
            Self::UnknownCondition(_) => "condition",
            Self::ConditionParameters(_) => "condition.params",
            Self::PrincipalKind { .. } => "principal",
            Self::Sponsor(_) => "sponsor",
            Self::Expired => "expire_time",
        }
    }
}

/// What is wrong with a proposed custom role.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RoleFault {
    /// The model has no custom roles, or the name is not one of a custom role.
    #[error("the role model has no custom roles")]
    NoCustomRoles,
    /// Custom roles are not held at such nodes.
    #[error("custom roles are not held at a {0}")]
    HeldAt(String),
    /// The model has no such permission, component, type or condition.
    #[error("`{0}` is not known")]
    Unknown(String),
    /// The permission exists for nobody, or on no type of node at or below, or not for the organization's kind; or it, or the component, is
    /// reserved: only roles of the role model give those.
    #[error("`{0}` is not for a role like this")]
    NotOffered(String),
    /// The component has no such level.
    #[error("component `{component}` has no level `{}`", level.as_str())]
    Level {
        /// The component.
        component: String,
        /// The level asked for.
        level: Level,
    },
    /// The condition's parameters are wrong.
    #[error("{0}")]
    ConditionParameters(String),
    /// A custom role is usable only inside its organization.
    #[error("a custom role cannot reach customers")]
    ThroughCustomers,
}

/// The role of a proposed binding, if the binding makes sense at the beginning of the path.
pub(crate) fn check_binding<'v>(rules: &Rules<'v>, path: &Path, binding: &Binding) -> Result<HeldRole<'v>, BindingFault> {
    let model = &rules.installed.model;
    let role = role_at(rules, path, binding)?;
    let (map, principals) = match role {
        HeldRole::System(_, rules_of) => (rules_of.component_map, &rules_of.principals),
        HeldRole::Custom(_) => (model.custom_component_map(), model.custom_principals()),
    };
    let kind = match &binding.principal {
        Principal::User(_) => PrincipalKind::User,
        Principal::Group(_) => PrincipalKind::Group,
        Principal::Organization(_) => PrincipalKind::Organization,
        Principal::Anyone => PrincipalKind::Anyone,
    };
    if !principals.contains(&kind) {
        let users_only = principals.iter().all(|kind| *kind == PrincipalKind::User);
        return Err(BindingFault::PrincipalKind { principal: binding.principal.clone(), users_only });
    }
    match (map, &binding.components) {
        (MapRule::Forbidden, Some(_)) => return Err(BindingFault::MapForbidden),
        (MapRule::Required, None) => return Err(BindingFault::MapRequired),
        _ => {}
    }
    for (component, level) in binding.components.iter().flatten() {
        let rules = model.component(component).and_then(|index| model.components().get(usize::from(index)));
        match rules.filter(|rules| !rules.reserved) {
            None => return Err(BindingFault::UnknownComponent(component.clone())),
            Some(rules) if *level != Level::None && !rules.levels.contains(level) => {
                return Err(BindingFault::Level { component: component.clone(), level: *level });
            }
            Some(_) => {}
        }
    }
    if let Some(used) = &binding.condition {
        let condition = model.condition(&used.id).ok_or_else(|| BindingFault::UnknownCondition(used.id.clone()))?;
        check_parameters(condition, used).map_err(BindingFault::ConditionParameters)?;
    }
    if binding.expires.is_some_and(|expires| expires <= rules.now) {
        return Err(BindingFault::Expired);
    }
    if let Some(sponsor) = &binding.sponsor {
        check_sponsor(rules, path, binding, sponsor).map_err(BindingFault::Sponsor)?;
    }
    Ok(role)
}

/// The role of a proposed binding, if there is one of that name and it is held at nodes like this. No secret to whoever may know the tree.
pub(crate) fn role_at<'v>(rules: &Rules<'v>, path: &Path, binding: &Binding) -> Result<HeldRole<'v>, BindingFault> {
    let model = &rules.installed.model;
    let role = find_role(rules, path, &binding.role).ok_or_else(|| BindingFault::UnknownRole(binding.role.clone()))?;
    let (held_at, fits) = match role {
        HeldRole::System(_, rules_of) => {
            let held_at = model.node_type(rules_of.held_at).map(|node_type| node_type.id.clone()).unwrap_or_default();
            (held_at, rules.fits(path, 0, rules_of))
        }
        HeldRole::Custom(custom) => {
            let held_at = model.type_index(&custom.held_at).filter(|held_at| model.custom_held_at().contains(*held_at));
            (custom.held_at.clone(), held_at.is_some() && held_at == path.type_at(model, 0))
        }
    };
    if fits { Ok(role) } else { Err(BindingFault::NodeType { held_at, node: binding.node.clone() }) }
}

/// A role by name, as bindings at the beginning of the path may have it.
pub(crate) fn find_role<'v>(rules: &Rules<'v>, path: &Path, name: &RoleName) -> Option<HeldRole<'v>> {
    match name.owner() {
        RoleOwner::Model(model) if model == rules.installed.model.id() => {
            let index = rules.installed.model.role(name.id())?;
            Some(HeldRole::System(index, rules.role(index)?))
        }
        RoleOwner::Organization(organization) if organization == path.name.organization() => {
            rules.installed.model.document().custom_roles.as_ref()?;
            rules.view.custom_role(name).map(HeldRole::Custom)
        }
        RoleOwner::Model(_) | RoleOwner::Organization(_) => None,
    }
}

fn check_parameters(condition: &Condition, used: &ConditionUse) -> Result<(), String> {
    condition.check_parameters(&used.params)
}

fn check_sponsor(rules: &Rules<'_>, path: &Path, binding: &Binding, sponsor: &Sponsor) -> Result<(), SponsorFault> {
    match sponsor {
        Sponsor::Partnership(name) => {
            // First, for it must not tell whether another organization has such a partnership.
            if name.organization() != binding.node.organization() {
                return Err(SponsorFault::NotOfHere);
            }
            let partnership = rules.view.partnership(name).ok_or(SponsorFault::Unknown)?;
            if !partnership.accepted {
                return Err(SponsorFault::NotAccepted);
            }
            if partnership.expires.is_some_and(|expires| expires <= rules.now) {
                return Err(SponsorFault::Expired);
            }
            let names = path.names(rules.view);
            if !names.iter().any(|above| *above == partnership.node && above.organization() == binding.node.organization()) {
                return Err(SponsorFault::OutsideNode);
            }
            if !partnership.roles.contains(&binding.role) {
                return Err(SponsorFault::Role);
            }
            // A group's or the whole partner's users are judged one by one when it is used.
            match (&binding.principal, &partnership.users) {
                (Principal::User(user), Some(users)) if !users.contains(user) => return Err(SponsorFault::User),
                _ => {}
            }
            sponsored_principal(rules, &partnership.partner, &binding.principal)
        }
        Sponsor::Workspace(workspace) => {
            let names = path.names(rules.view);
            let above = names.iter().skip(path.own_organization() + 1);
            if !above.into_iter().any(|name| name == workspace) {
                return Err(SponsorFault::NotOfHere);
            }
            sponsored_principal(rules, &workspace.organization(), &binding.principal)
        }
    }
}

fn sponsored_principal(rules: &Rules<'_>, organization: &NodeName, principal: &Principal) -> Result<(), SponsorFault> {
    let good = match principal {
        Principal::User(user) => rules.view.is_active_member(organization, user),
        Principal::Group(group) => group.organization() == *organization,
        Principal::Organization(members) => members == organization,
        Principal::Anyone => false,
    };
    if good { Ok(()) } else { Err(SponsorFault::NotMember) }
}

/// Whether a proposed custom role makes sense in an organization of a kind.
pub(crate) fn check_role(model: &RoleModel, kind: OrganizationKind, role: &CustomRole) -> Result<TypeIndex, RoleFault> {
    // Where there are no custom roles, they are held nowhere.
    let held_at = model.type_index(&role.held_at).filter(|held_at| model.custom_held_at().contains(*held_at));
    let held_at = held_at.ok_or_else(|| RoleFault::HeldAt(role.held_at.clone()))?;
    let reach = at_or_below(model, held_at);
    for grant in &role.grants {
        if grant.through_customers {
            return Err(RoleFault::ThroughCustomers);
        }
        for id in &grant.permissions {
            let index = model.permission(id).ok_or_else(|| RoleFault::Unknown(id.clone()))?;
            let permission = &model.permissions()[usize::from(index)];
            let reserved = model.components().get(usize::from(permission.component)).is_none_or(|component| component.reserved);
            if reserved || permission.nobody || permission.types.intersect(reach).is_empty() || !permission.is_for(kind) {
                return Err(RoleFault::NotOffered(id.clone()));
            }
        }
        for (id, level) in &grant.components {
            let component = model.component(id).and_then(|index| model.components().get(usize::from(index)));
            let component = component.ok_or_else(|| RoleFault::Unknown(id.clone()))?;
            if component.reserved {
                return Err(RoleFault::NotOffered(id.clone()));
            }
            if *level != Level::None && !component.levels.contains(level) {
                return Err(RoleFault::Level { component: id.clone(), level: *level });
            }
        }
        let except = grant.everything.iter().flat_map(|everything| &everything.except);
        if let Some(id) = except.into_iter().find(|id| model.component(id).is_none() || reserved::is_component(id)) {
            return Err(RoleFault::Unknown(id.clone()));
        }
        if let Some(id) = grant.types.iter().find(|id| model.type_index(id).is_none_or(|index| !reach.contains(index))) {
            return Err(RoleFault::Unknown(id.clone()));
        }
        if let Some(used) = &grant.condition {
            let condition = model.condition(&used.id).ok_or_else(|| RoleFault::Unknown(used.id.clone()))?;
            check_parameters(condition, used).map_err(RoleFault::ConditionParameters)?;
        }
    }
    Ok(held_at)
}
