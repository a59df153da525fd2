//! Whether a binding counts for a user: alive, and its role held (Readings 3, 7, 8, 10 and 11).

use std::sync::Arc;

use smallvec::SmallVec;

use crate::{
    document::{MapRule, OrganizationScope, PrincipalKind},
    model::{ORGANIZATION, Role, RoleIndex},
    name::{NodeName, PartnershipName, Sponsor},
    path::Path,
    record::{CustomRole, Partnership, Timestamp},
    slot::{BindingsOf, Bound, GroupId, Holder, Installed, NodeId, UserSlot},
    view::View,
};

/// By what a user comes to a binding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Via {
    User,
    Group(GroupId),
    Organization(NodeId),
    Anyone,
}

/// A user with everything that bindings can reach them by.
pub(crate) struct Subject<'v> {
    pub(crate) slot: &'v UserSlot,
    pub(crate) sources: SmallVec<[(&'v BindingsOf, Via); 8]>,
}

impl<'v> Subject<'v> {
    /// A user who is known and not suspended.
    pub(crate) fn of(view: &'v View, slot: &'v UserSlot) -> Self {
        let mut sources = SmallVec::new();
        sources.push((&slot.bindings, Via::User));
        let mut groups: SmallVec<[GroupId; 8]> = slot.groups.iter().copied().collect();
        let mut at = 0;
        while let Some(id) = groups.get(at).copied() {
            at += 1;
            let Some(group) = view.group_slot(id) else { continue };
            for outer in &group.groups {
                if !groups.contains(outer) {
                    groups.push(*outer);
                }
            }
            if !group.bindings.is_empty() && slot.members.get(&group.organization) == Some(&false) {
                sources.push((&group.bindings, Via::Group(id)));
            }
        }
        for (organization, suspended) in &slot.members {
            if let Some(node) = view.node_slot(*organization)
                && !suspended
                && !node.granted.is_empty()
            {
                sources.push((&node.granted, Via::Organization(*organization)));
            }
        }
        if !view.anyones().is_empty() {
            sources.push((view.anyones(), Via::Anyone));
        }
        Self { slot, sources }
    }

    /// Whether what is held at a node of a path can count at all: a confined user's only in their organization or below it.
    fn is_at_home(&self, path: &Path, at: usize) -> bool {
        self.slot.home.is_none() || path.steps()[at..].iter().any(|step| step.id == self.slot.home)
    }

    pub(crate) fn is_member(&self, organization: NodeId) -> bool {
        self.slot.members.get(&organization) == Some(&false)
    }

    /// By what a binding reaches the user.
    pub(crate) fn via(&self, bound: &Bound) -> Via {
        match bound.holder {
            Holder::User(_) => Via::User,
            Holder::Group(group) => Via::Group(group),
            Holder::Organization(organization) => Via::Organization(organization),
            Holder::Anyone => Via::Anyone,
        }
    }

    /// The bindings that reach the user at a node on a path.
    pub(crate) fn bindings_at<'s>(&'s self, path: &Path, at: usize) -> impl Iterator<Item = (&'v Arc<Bound>, Via)> + use<'s, 'v> {
        let step = path.steps().get(at).and_then(|step| step.organization.zip(step.id));
        self.sources.iter().flat_map(move |(bindings, via)| {
            let list = step.and_then(|key| bindings.get(&key));
            list.into_iter().flat_map(|list| list.iter()).map(move |bound| (bound, *via))
        })
    }
}

/// Why a sponsor is not live.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SponsorFault {
    /// It is not known.
    #[error("it is not known")]
    Unknown,
    /// It is no sponsor for a binding there: another organization's partnership, or a workspace that is not above.
    #[error("it sponsors nothing there")]
    NotOfHere,
    /// The partner has not accepted.
    #[error("the partner has not accepted")]
    NotAccepted,
    /// It has ended.
    #[error("it has ended")]
    Expired,
    /// The binding is outside the node that it is for.
    #[error("it is for another node")]
    OutsideNode,
    /// It does not allow the role.
    #[error("the role is not among its roles")]
    Role,
    /// It does not allow the user.
    #[error("the user is not among its users")]
    User,
    /// The partner organization or the workspace, or a node above it, is unknown, deleted or suspended.
    #[error("it, or what is above it, is closed")]
    Closed,
    /// The user is no active member of the partner organization or of the workspace's.
    #[error("the user is no active member of its organization")]
    NotMember,
}

/// Why a binding gives nothing, whatever its role grants.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Idle {
    /// It has expired.
    Expired,
    /// This node, where it is held or above, is unknown, deleted or suspended.
    Void(NodeName),
    /// The user is confined to an organization, and it is held elsewhere.
    Confined,
    /// It has no sponsor and the user is no active member of its organization.
    NotMember,
    /// Its sponsor is not live.
    Sponsor(SponsorFault),
    /// The role is neither one of the pinned model revision nor a custom role of the organization.
    RoleUnknown,
    /// The role is not held at nodes like this.
    RoleNotHere,
    /// The role is not for this kind of principal.
    PrincipalKind,
    /// It has a component map and may not, or has none and must.
    ComponentMap,
    /// Its condition is not known.
    ConditionUnknown,
    /// None of the roles (ids) that the role requires is held.
    RequiredRoleMissing(Vec<String>),
}

// The same without names, so that telling no costs nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    Expired,
    Void,
    Confined,
    NotMember,
    Sponsor(SponsorFault),
    RoleUnknown,
    RoleNotHere,
    PrincipalKind,
    ComponentMap,
    ConditionUnknown,
    RequiredRoleMissing(RoleIndex),
}

/// A role as it is held.
#[derive(Clone, Copy)]
pub(crate) enum HeldRole<'v> {
    System(RoleIndex, &'v Role),
    Custom(&'v CustomRole),
}

/// A binding that counts.
#[derive(Clone, Copy)]
pub(crate) struct Standing<'v> {
    pub(crate) role: HeldRole<'v>,
    pub(crate) partnership: Option<&'v Partnership>,
}

/// The roles whose requirement is being looked into, to see circles.
pub(crate) type Circle = SmallVec<[(RoleIndex, usize); 4]>;

/// The rules of one tree at one time.
#[derive(Clone, Copy)]
pub(crate) struct Rules<'v> {
    pub(crate) view: &'v View,
    pub(crate) installed: &'v Installed,
    pub(crate) now: Timestamp,
}

impl<'v> Rules<'v> {
    pub(crate) fn role(&self, index: RoleIndex) -> Option<&'v Role> {
        self.installed.model.roles().get(usize::from(index))
    }

    /// Whether a binding at a node of the path counts for the user.
    pub(crate) fn standing(&self, subject: &Subject<'v>, path: &Path, at: usize, bound: &'v Bound) -> Result<Standing<'v>, Fault> {
        self.standing_in(subject, path, at, bound, &mut Circle::new())
    }

    fn standing_in(
        &self,
        subject: &Subject<'v>,
        path: &Path,
        at: usize,
        bound: &'v Bound,
        circle: &mut Circle,
    ) -> Result<Standing<'v>, Fault> {
        if bound.expires.is_some_and(|expires| expires <= self.now) {
            return Err(Fault::Expired);
        }
        if path.is_void(at) {
            return Err(Fault::Void);
        }
        if !subject.is_at_home(path, at) {
            return Err(Fault::Confined);
        }
        let partnership = match bound.sponsor.as_deref() {
            None if bound.holder == Holder::Anyone || subject.is_member(bound.organization) => None,
            None => return Err(Fault::NotMember),
            Some(Sponsor::Partnership(name)) => Some(self.live_partnership(subject, path, at, bound, name).map_err(Fault::Sponsor)?),
            Some(Sponsor::Workspace(name)) => {
                self.live_workspace(subject, path, bound, name).map_err(Fault::Sponsor)?;
                None
            }
        };
        let role = self.role_of(path, at, bound)?;
        let condition = bound.condition.as_deref();
        if condition.is_some_and(|condition| self.installed.model.condition(&condition.id).is_none()) {
            return Err(Fault::ConditionUnknown);
        }
        if let HeldRole::System(index, rules) = role
            && !self.requirement_met(subject, path, at, index, rules, circle)
        {
            return Err(Fault::RequiredRoleMissing(index));
        }
        Ok(Standing { role, partnership })
    }

    /// The role of a binding, if it can be held there, so (Reading 8).
    pub(crate) fn role_of(&self, path: &Path, at: usize, bound: &Bound) -> Result<HeldRole<'v>, Fault> {
        let model = &self.installed.model;
        let (role, map, principals) = match self.installed.role_index(bound.role).and_then(|index| Some((index, self.role(index)?))) {
            Some((index, rules)) => {
                if !self.fits(path, at, rules) {
                    return Err(Fault::RoleNotHere);
                }
                (HeldRole::System(index, rules), rules.component_map, &rules.principals)
            }
            None => {
                let slot = self.view.role_slot(bound.role).ok_or(Fault::RoleUnknown)?;
                if slot.organization != Some(bound.organization) || model.document().custom_roles.is_none() {
                    return Err(Fault::RoleUnknown);
                }
                let custom = slot.custom.as_deref().ok_or(Fault::RoleUnknown)?;
                let held_at = model.type_index(&custom.held_at);
                if held_at.is_none_or(|held_at| !model.custom_held_at().contains(held_at)) || held_at != path.type_at(model, at) {
                    return Err(Fault::RoleNotHere);
                }
                (HeldRole::Custom(custom), model.custom_component_map(), model.custom_principals())
            }
        };
        let kind = match bound.holder {
            Holder::User(_) => PrincipalKind::User,
            Holder::Group(_) => PrincipalKind::Group,
            Holder::Organization(_) => PrincipalKind::Organization,
            Holder::Anyone => PrincipalKind::Anyone,
        };
        if !principals.contains(&kind) {
            return Err(Fault::PrincipalKind);
        }
        match (map, bound.components.is_some()) {
            (MapRule::Forbidden, true) | (MapRule::Required, false) => Err(Fault::ComponentMap),
            _ => Ok(role),
        }
    }

    /// Whether a role is held at nodes like this one.
    pub(crate) fn fits(&self, path: &Path, at: usize, role: &Role) -> bool {
        path.type_at(&self.installed.model, at) == Some(role.held_at)
            && (role.held_at != ORGANIZATION
                || match role.organizations {
                    OrganizationScope::Any => true,
                    OrganizationScope::Roots => path.is_root(at),
                    OrganizationScope::Customers => !path.is_root(at),
                })
    }

    fn live_partnership(
        &self,
        subject: &Subject<'v>,
        path: &Path,
        at: usize,
        bound: &Bound,
        name: &PartnershipName,
    ) -> Result<&'v Partnership, SponsorFault> {
        let partnership = self.view.partnership(name).ok_or(SponsorFault::Unknown)?;
        if self.view.node_id(name.organization().as_str()) != Some(bound.organization) {
            return Err(SponsorFault::NotOfHere);
        }
        if !partnership.accepted {
            return Err(SponsorFault::NotAccepted);
        }
        if partnership.expires.is_some_and(|expires| expires <= self.now) {
            return Err(SponsorFault::Expired);
        }
        let node = self.view.node_id(partnership.node.as_str());
        let mut within = path.steps()[at..].iter().take_while(|step| step.organization == Some(bound.organization));
        if node.is_none() || !within.any(|step| step.id == node) {
            return Err(SponsorFault::OutsideNode);
        }
        if self.view.role_slot(bound.role).is_none_or(|role| !partnership.roles.contains(&role.name)) {
            return Err(SponsorFault::Role);
        }
        if partnership.users.as_ref().is_some_and(|users| !users.contains(&subject.slot.name)) {
            return Err(SponsorFault::User);
        }
        if Path::of(self.view, &partnership.partner).is_void(0) {
            return Err(SponsorFault::Closed);
        }
        let partner = self.view.node_id(partnership.partner.as_str());
        if partner.is_none_or(|partner| !subject.is_member(partner)) {
            return Err(SponsorFault::NotMember);
        }
        Ok(partnership)
    }

    /// When a binding's partnership ends.
    pub(crate) fn sponsor_expiry(&self, bound: &Bound) -> Option<Timestamp> {
        match bound.sponsor.as_deref() {
            Some(Sponsor::Partnership(name)) => self.view.partnership(name)?.expires,
            Some(Sponsor::Workspace(_)) | None => None,
        }
    }

    fn live_workspace(&self, subject: &Subject<'v>, path: &Path, bound: &Bound, name: &NodeName) -> Result<(), SponsorFault> {
        let workspace = self.view.node_id(name.as_str()).ok_or(SponsorFault::Unknown)?;
        let border = path.steps().iter().position(|step| step.id == Some(bound.organization)).ok_or(SponsorFault::NotOfHere)?;
        let at =
            path.steps().iter().position(|step| step.id == Some(workspace)).filter(|at| *at > border).ok_or(SponsorFault::NotOfHere)?;
        if path.is_void(at) {
            return Err(SponsorFault::Closed);
        }
        if path.steps()[at].organization.is_none_or(|organization| !subject.is_member(organization)) {
            return Err(SponsorFault::NotMember);
        }
        Ok(())
    }

    fn requirement_met(&self, subject: &Subject<'v>, path: &Path, at: usize, index: RoleIndex, role: &Role, circle: &mut Circle) -> bool {
        if role.requires.is_empty() {
            return true;
        }
        if circle.contains(&(index, at)) {
            return false;
        }
        circle.push((index, at));
        let met = self.required_by(subject, path, at, &role.requires, circle).is_some();
        circle.pop();
        met
    }

    /// A binding by which the user holds one of the listed roles at a node of the path or above it (Reading 11).
    pub(crate) fn required_by(
        &self,
        subject: &Subject<'v>,
        path: &Path,
        at: usize,
        listed: &[RoleIndex],
        circle: &mut Circle,
    ) -> Option<(&'v Arc<Bound>, usize)> {
        for above in at..path.len() {
            for (bound, _) in subject.bindings_at(path, above) {
                let Some(index) = self.installed.role_index(bound.role) else { continue };
                if bound.condition.is_some() || self.standing_in(subject, path, above, bound, circle).is_err() {
                    continue;
                }
                let found = self.each_held(subject, path, above, index, circle, &mut |role, _, held| held >= at && listed.contains(&role));
                if found {
                    return Some((bound, above));
                }
            }
        }
        None
    }

    /// Visits a role held at a node of the path and the roles that it implies below, on the path (Reading 10), until `visit` says
    /// that it is enough. Its arguments: the role, its rules, where it is held.
    pub(crate) fn each_held(
        &self,
        subject: &Subject<'v>,
        path: &Path,
        at: usize,
        index: RoleIndex,
        circle: &mut Circle,
        visit: &mut dyn FnMut(RoleIndex, &'v Role, usize) -> bool,
    ) -> bool {
        let Some(role) = self.role(index) else { return false };
        if visit(index, role, at) {
            return true;
        }
        for (implied, through_customers) in &role.implies {
            let Some(rules) = self.role(*implied) else { continue };
            for below in (0..at).rev() {
                let reaches = self.fits(path, below, rules)
                    && (*through_customers || path.same_organization(below, at))
                    && !path.is_void(below)
                    && self.requirement_met(subject, path, below, *implied, rules, circle);
                if reaches && self.each_held(subject, path, below, *implied, circle, visit) {
                    return true;
                }
            }
        }
        false
    }

    /// Whether an implied role counts at a node of a path.
    pub(crate) fn implied_at(&self, subject: &Subject<'v>, path: &Path, at: usize, index: RoleIndex, role: &Role) -> bool {
        self.fits(path, at, role) && !path.is_void(at) && self.requirement_met(subject, path, at, index, role, &mut Circle::new())
    }

    /// The same with names, for people.
    pub(crate) fn idle(&self, path: &Path, at: usize, fault: Fault) -> Idle {
        match fault {
            Fault::Expired => Idle::Expired,
            Fault::Void => Idle::Void(path.name_at(self.view, path.closed_at(at).unwrap_or(at))),
            Fault::Confined => Idle::Confined,
            Fault::NotMember => Idle::NotMember,
            Fault::Sponsor(fault) => Idle::Sponsor(fault),
            Fault::RoleUnknown => Idle::RoleUnknown,
            Fault::RoleNotHere => Idle::RoleNotHere,
            Fault::PrincipalKind => Idle::PrincipalKind,
            Fault::ComponentMap => Idle::ComponentMap,
            Fault::ConditionUnknown => Idle::ConditionUnknown,
            Fault::RequiredRoleMissing(role) => {
                let ids = self.role(role).into_iter().flat_map(|role| &role.requires);
                Idle::RequiredRoleMissing(ids.filter_map(|id| self.role(*id)).map(|role| role.id.clone()).collect())
            }
        }
    }
}
